//! How many failures each scope may keep, so that all of them together are bounded.

use crate::record::MAX_FAILURES;
use crate::view::View;

/// So many failures are kept of all scopes together.
pub const MAX_FAILURES_OF_ALL: usize = 100_000;

/// So many each scope keeps, however many scopes there are.
pub const LEAST: usize = 20;

/// The most that a scope may keep: what few have, they keep; those with more give up what is too much.
pub fn of_failures(view: &View) -> usize {
    let counts = view.scopes.values().filter_map(|scope| scope.counts.as_ref());
    level(counts.map(|counts| counts.failures().len()), MAX_FAILURES_OF_ALL)
}

fn level(kept: impl Iterator<Item = usize>, room: usize) -> usize {
    let mut kept: Vec<usize> = kept.filter(|kept| *kept > 0).collect();
    if kept.len() * MAX_FAILURES <= room {
        return MAX_FAILURES;
    }
    kept.sort_unstable();
    let mut left = room;
    for (place, have) in kept.iter().enumerate() {
        let share = left / (kept.len() - place);
        if *have > share {
            return share.clamp(LEAST, MAX_FAILURES);
        }
        left -= have;
    }
    // Nobody has too much: one more may come of each.
    (kept.last().copied().unwrap_or_default() + left / kept.len().max(1)).clamp(LEAST, MAX_FAILURES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_many_share_what_those_with_few_leave() {
        let level = |kept: &[usize], room| level(kept.iter().copied(), room);
        assert_eq!(level(&[], 100), MAX_FAILURES);
        assert_eq!(level(&[1000; 100], 100_000), MAX_FAILURES);
        assert_eq!(level(&[1000; 200], 100_000), 500);
        // 40 failing scopes among 3,000 keep all that they have.
        let few: Vec<usize> = [vec![1000; 40], vec![0; 2960]].concat();
        assert_eq!(level(&few, 100_000), MAX_FAILURES);
        let mixed: Vec<usize> = [vec![1000; 150], vec![10; 450]].concat();
        assert_eq!(level(&mixed, 100_000), (100_000 - 4500) / 150);
        assert_eq!(level(&vec![100; 50_000], 100_000), LEAST);
    }

    #[test]
    fn the_sum_stays_below_the_room() {
        for kept in [
            vec![1000; 600],
            vec![166; 600],
            [vec![900; 90], vec![30; 900]].concat(),
        ] {
            let most = level(kept.iter().copied(), 100_000);
            let sum: usize = kept.iter().map(|kept| (*kept).min(most)).sum();
            assert!(sum <= 100_000, "{most}: {sum}");
        }
    }
}
