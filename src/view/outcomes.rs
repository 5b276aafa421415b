//! How the last polls of a scope have ended.

use crate::result::Seconds;

/// The outcomes of the last polls, and since when they fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// One bit for each, the newest lowest; set where it failed.
    failed: u64,
    known: u8,
    /// How many have failed in a row, up to the newest.
    pub failed_in_a_row: u32,
    /// When the first of those ended.
    pub failing_since: Option<Seconds>,
}

impl Outcomes {
    /// So many are known at most.
    pub const MOST: u8 = 60;

    /// A poll has failed at `at`.
    pub fn failed(&mut self, at: Seconds) {
        self.push(true);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.failing_since.get_or_insert(at);
    }

    /// A poll has succeeded.
    pub fn succeeded(&mut self) {
        self.push(false);
        self.failed_in_a_row = 0;
        self.failing_since = None;
    }

    fn push(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u64::from(failed);
        self.known = (self.known + 1).min(Self::MOST);
    }

    /// Whether each has failed, the oldest first.
    pub fn iter(self) -> impl ExactSizeIterator<Item = bool> {
        (0..self.known)
            .rev()
            .map(move |place| self.failed >> place & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixty_are_known_and_since_when_they_fail() {
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.iter().len(), 0);
        for at in 0..100 {
            match at % 10 {
                0..4 => outcomes.failed(at),
                _ => outcomes.succeeded(),
            }
        }
        assert_eq!(outcomes.iter().len(), 60);
        assert_eq!(outcomes.iter().filter(|failed| *failed).count(), 24);
        assert_eq!((outcomes.failed_in_a_row, outcomes.failing_since), (0, None));
        outcomes.failed(100);
        outcomes.failed(101);
        assert_eq!((outcomes.failed_in_a_row, outcomes.failing_since), (2, Some(100)));
        assert!(outcomes.iter().skip(58).all(|failed| failed));
    }
}
