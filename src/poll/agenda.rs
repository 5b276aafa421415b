//! When the next poll of a scope begins: by its timetable, or before, where a hint says that it is time to look.
//!
//! A hint carries nothing, and is not kept: of any number of them, what is left is that one more poll is wanted.

use std::time::Duration;

use tokio::time::Instant;

use super::timetable::Timetable;

/// The next poll of one scope, as a function of what has happened.
#[derive(Debug, Clone, Copy)]
pub struct Agenda {
    timetable: Timetable,
    interval: Duration,
    /// Polls that hints ask for begin so far behind the one before, at least.
    min_interval: Duration,
    /// When the next one begins without hints.
    regular: Instant,
    /// When the last one began.
    began: Option<Instant>,
    /// What hints ask for, and the same of the poll under way.
    wanted: Option<Wanted>,
    answering: Option<Wanted>,
    /// Whether the first look is over, which no hint brings forward.
    looked: bool,
    /// Polls in a row that have failed.
    failures: u32,
}

/// Why a poll is wanted before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// There was a hint.
    Hint,
    /// The poll for a hint found nothing, and the list may lag behind its events.
    OnceMore,
}

/// How a poll ended, as far as hints go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It found something that was not known.
    New,
    /// There was nothing new.
    Nothing,
    /// It failed.
    Failed,
}

impl Agenda {
    /// That of a scope whose first poll begins at `first`. `looked` is whether its record has had its first look.
    pub fn new(
        timetable: Timetable,
        (interval, min_interval): (Duration, Duration),
        first: Instant,
        looked: bool,
    ) -> Self {
        Self {
            timetable,
            interval,
            min_interval,
            regular: first,
            began: None,
            wanted: None,
            answering: None,
            looked,
            failures: 0,
        }
    }

    /// When the next poll begins; it may have passed.
    pub fn next(&self) -> Instant {
        match (self.wanted, self.began) {
            (Some(_), Some(began)) => self.regular.min(began + self.apart()),
            _ => self.regular,
        }
    }

    /// Whether a hint would change anything.
    pub fn listens(&self) -> bool {
        self.looked && self.began.is_some() && self.wanted != Some(Wanted::Hint)
    }

    /// There was a hint.
    pub fn hint(&mut self) {
        if self.listens() {
            self.wanted = Some(Wanted::Hint);
        }
    }

    /// A poll begins, which answers every hint so far; `hinted` is whether there was one that [`Agenda::hint`] was not
    /// told of. Returns whether hints have brought it forward.
    pub fn begin(&mut self, now: Instant, hinted: bool) -> bool {
        if hinted {
            self.hint();
        }
        self.answering = self.wanted.take();
        self.began = Some(now);
        self.answering.is_some() && now < self.regular
    }

    /// It has ended. What hints had asked for goes on being wanted where it failed.
    pub fn end(&mut self, now: Instant, ended: Ended) {
        self.regular = self.timetable.next(now);
        self.wanted = match (ended, self.answering.take()) {
            (Ended::Failed, answering) => answering,
            (Ended::Nothing, Some(Wanted::Hint)) => Some(Wanted::OnceMore),
            _ => None,
        };
        self.looked |= ended != Ended::Failed;
        self.failures = match ended {
            Ended::Failed => self.failures.saturating_add(1),
            _ => 0,
        };
    }

    /// How far behind the last poll one begins that hints ask for: twice as far with each failure.
    fn apart(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let longest = self.interval.max(self.min_interval);
        self.min_interval.saturating_mul(doubled).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    /// What happens, each at its second.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Hint,
        /// A poll that takes so many seconds.
        Poll(u64, Ended),
        /// The same with a hint while it goes on.
        PollWithHint(u64, Ended),
    }

    use Ended::{Failed, New, Nothing};
    use Step::{Hint, Poll, PollWithHint};

    const INTERVAL: u64 = 600;
    const MIN_INTERVAL: u64 = 5;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// When the next poll is due after these steps, in seconds since the first, of which the regular one is told as
    /// none.
    fn next(looked: bool, steps: &[(u64, Step)]) -> Option<u64> {
        let start = Instant::now();
        let timetable = Timetable::new(&Scope::new("a", "r"), seconds(INTERVAL), start);
        // The place of the scope in the interval is its own.
        let regular = |now| timetable.next(now);
        let intervals = (seconds(INTERVAL), seconds(MIN_INTERVAL));
        let mut agenda = Agenda::new(timetable, intervals, start, looked);
        let mut end = start;
        for (at, step) in steps {
            let at = start + seconds(*at);
            match *step {
                Hint => agenda.hint(),
                Poll(took, ended) => {
                    agenda.begin(at, false);
                    end = at + seconds(took);
                    agenda.end(end, ended);
                }
                PollWithHint(took, ended) => {
                    agenda.begin(at, false);
                    end = at + seconds(took);
                    agenda.end(end, ended);
                    // As the poller does: what came meanwhile is taken when it waits again.
                    agenda.hint();
                }
            }
        }
        let next = agenda.next();
        (next != regular(end)).then(|| (next - start).as_secs())
    }

    /// What it is about, whether the first look is over, what happens, and when the next poll is due then.
    type Case = (&'static str, bool, &'static [(u64, Step)], Option<u64>);

    #[tokio::test(start_paused = true)]
    async fn when_the_next_poll_is_due() {
        let scope_place = {
            let start = Instant::now();
            let timetable = Timetable::new(&Scope::new("a", "r"), seconds(INTERVAL), start);
            (timetable.next(start) - start).as_secs()
        };
        assert!(
            (100..600).contains(&scope_place),
            "{scope_place}: choose another scope"
        );
        #[rustfmt::skip]
        let table: &[Case] = &[
            ("no hint", true, &[(0, Poll(1, New))], None),
            ("a hint long after a poll is due at once: its time has passed", true,
                &[(0, Poll(1, New)), (60, Hint)], Some(5)),
            ("a hint soon after a poll waits", true, &[(0, Poll(1, New)), (3, Hint)], Some(5)),
            ("a hint during a poll asks for one more", true, &[(0, PollWithHint(1, New))], Some(5)),
            ("one that took longer is followed at once", true, &[(0, PollWithHint(30, New))], Some(5)),
            ("ten thousand are one", true, &[(0, Poll(1, New)), (2, Hint), (2, Hint), (3, Hint), (4, Hint)], Some(5)),
            ("its poll found it", true, &[(0, Poll(1, New)), (60, Hint), (60, Poll(1, New))], None),
            ("its poll found nothing: once more", true,
                &[(0, Poll(1, New)), (60, Hint), (60, Poll(1, Nothing))], Some(65)),
            ("but not twice", true,
                &[(0, Poll(1, New)), (60, Hint), (60, Poll(1, Nothing)), (65, Poll(1, Nothing))], None),
            ("a poll without a hint that found nothing", true, &[(0, Poll(1, Nothing))], None),
            ("a hint before the second look", true,
                &[(0, Poll(1, New)), (60, Hint), (60, Poll(1, Nothing)), (62, Hint), (65, Poll(1, Nothing))], Some(70)),
            ("a failed poll leaves the hint, further apart", true,
                &[(0, Poll(1, New)), (60, Hint), (60, Poll(1, Failed))], Some(70)),
            ("and further", true,
                &[(0, Poll(1, New)), (20, Hint), (20, Poll(1, Failed)), (30, Poll(1, Failed))], Some(50)),
            ("hints do not hurry a scope that fails", true, &[(0, Poll(1, Failed)), (1, Hint)], Some(10)),
            ("nor beyond the interval", true,
                &[(0, Poll(1, Failed)), (1, Poll(1, Failed)), (2, Poll(1, Failed)), (3, Poll(1, Failed)),
                  (4, Poll(1, Failed)), (5, Poll(1, Failed)), (6, Poll(1, Failed)), (7, Poll(1, Failed)), (8, Hint)],
                None),
            ("a success ends that", true,
                &[(0, Poll(1, Failed)), (1, Poll(1, Failed)), (40, Poll(1, New)), (41, Hint)], Some(45)),
            ("the first poll comes at its time", true, &[(0, Hint)], None),
            ("a first look that failed is not hurried", false, &[(0, Poll(1, Failed)), (60, Hint)], None),
            ("after the first look hints count", false, &[(0, PollWithHint(1, Nothing))], Some(5)),
        ];
        for (what, looked, steps, expected) in table {
            // The first poll is due at the start, which is not the timetable's.
            let expected = match steps {
                [(0, Hint)] => Some(0),
                _ => *expected,
            };
            assert_eq!(next(*looked, steps), expected, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn which_polls_hints_have_brought_forward() {
        let start = Instant::now();
        let timetable = Timetable::new(&Scope::new("a", "r"), seconds(INTERVAL), start);
        let mut agenda = Agenda::new(timetable, (seconds(INTERVAL), seconds(MIN_INTERVAL)), start, true);
        assert!(!agenda.begin(start, true), "the first");
        agenda.end(start, New);
        agenda.hint();
        assert!(agenda.begin(start + seconds(5), false));
        agenda.end(start + seconds(5), Nothing);
        assert!(agenda.begin(start + seconds(10), false), "the second look");
        agenda.end(start + seconds(10), Nothing);
        let regular = agenda.next();
        assert!(!agenda.begin(regular, true), "it would have begun now anyway");
        agenda.end(regular, Nothing);
        assert_eq!(
            agenda.next(),
            regular + seconds(MIN_INTERVAL),
            "and answers the hint"
        );
    }
}
