//! How many failures each scope may keep, so that all of them together are bounded.

use crate::record::{LEAST_FAILURES, MAX_FAILURES};
use crate::scope::Scope;
use crate::view::View;

/// So many failures are kept of all scopes together.
pub const MAX_FAILURES_OF_ALL: usize = 100_000;

/// The most that a scope may keep which has `kept` now, whatever of it is shown: what few have, they keep; those with
/// more give up what is too much.
pub fn of_failures(view: &View, scope: &Scope, kept: usize) -> usize {
    let shown = view.scopes.get(scope).map_or(0, |scope| scope.failures());
    let of_others = view.failures.saturating_sub(shown);
    let others = view.scopes.iter().filter(|(other, _)| *other != scope);
    share(kept, of_others, others.map(|(_, other)| other.failures()))
}

/// Where a scope has few, or there is room for all, no other one is looked at: thousands of scopes ask at each poll.
fn share(kept: usize, of_others: usize, others: impl Iterator<Item = usize>) -> usize {
    match kept <= LEAST_FAILURES || of_others + kept <= MAX_FAILURES_OF_ALL {
        true => MAX_FAILURES,
        false => level(others.chain([kept]), MAX_FAILURES_OF_ALL),
    }
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
            return share.clamp(LEAST_FAILURES, MAX_FAILURES);
        }
        left -= have;
    }
    // Nobody has too much: one more may come of each.
    (kept.last().copied().unwrap_or_default() + left / kept.len().max(1)).clamp(LEAST_FAILURES, MAX_FAILURES)
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
        assert_eq!(level(&vec![100; 50_000], 100_000), LEAST_FAILURES);
    }

    /// What scopes keep that fail a thousand times each, one behind the other, and then poll again.
    fn after_polls(scopes: usize, polls: usize) -> Vec<usize> {
        let mut kept = vec![0; scopes];
        for poll in 0..polls {
            for place in 0..scopes {
                let has = if poll == 0 { MAX_FAILURES } else { kept[place] };
                let of_others = kept.iter().sum::<usize>() - kept[place];
                let others = kept.iter().enumerate().filter(|(other, _)| *other != place);
                kept[place] = has.min(share(has, of_others, others.map(|(_, kept)| *kept)));
            }
        }
        kept
    }

    #[test]
    fn those_that_fail_together_are_bounded_as_soon_as_each_has_polled_again() {
        let sum = |kept: Vec<usize>| kept.iter().sum::<usize>();
        // Without their shares they would keep 600,000.
        assert!(sum(after_polls(600, 1)) < 3 * MAX_FAILURES_OF_ALL);
        assert!(sum(after_polls(600, 2)) <= MAX_FAILURES_OF_ALL);
        assert_eq!(sum(after_polls(90, 1)), 90_000);
    }

    #[test]
    fn nobody_looks_at_the_others_where_all_have_room_or_it_has_few() {
        let never = || std::iter::from_fn(|| -> Option<usize> { panic!("it looks at the others") });
        assert_eq!(share(1000, 99_000, never()), MAX_FAILURES);
        assert_eq!(share(LEAST_FAILURES, 1_000_000, never()), MAX_FAILURES);
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
