//! How many requests were sent in the last hour, minute by minute.

use crate::result::Seconds;

/// Minutes that are held: the hour, the one under way included.
const HELD: usize = 60;

/// Requests of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastHour {
    /// Requests sent, tries again included.
    pub requests: u64,
    /// Those that the API answered with throttling.
    pub throttled: u64,
}

/// The last hour, minute by minute: bounded, however long the process runs and however much it sends. Thousands of
/// scopes have one each, so that it is small: of a minute it counts up to 65,535, which is faster than any threshold of
/// the API.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    /// The newest minute that is held, since the epoch; the others are those before it.
    newest: u32,
    /// By the number of the minute, modulo their count. None before there was a request.
    requests: Option<Box<Ring>>,
    /// The same of those that were throttled: most scopes never are.
    throttled: Option<Box<Ring>>,
}

type Ring = [u16; HELD];

impl Minutes {
    /// Counts a request that was answered at `now`.
    pub(super) fn record(&mut self, throttled: bool, now: Seconds) {
        let number = now / 60;
        self.turn_to(number);
        add(&mut self.requests, number);
        if throttled {
            add(&mut self.throttled, number);
        }
    }

    /// The sum of the minute of `now` and the 59 before it.
    pub(super) fn last_hour(&self, now: Seconds) -> LastHour {
        let this = now / 60;
        let oldest = self.newest.saturating_sub(HELD as u32 - 1);
        let held = this.saturating_sub(HELD as u32 - 1).max(oldest)..=this.min(self.newest);
        let sum = |ring: &Option<Box<Ring>>| {
            let counts = ring.iter().flat_map(|ring| {
                let of = |number: u32| u64::from(ring[number as usize % HELD]);
                held.clone().map(of)
            });
            counts.sum()
        };
        LastHour {
            requests: sum(&self.requests),
            throttled: sum(&self.throttled),
        }
    }

    /// `number` is the newest minute from now on. What is between makes room: minutes that have passed without a
    /// request, or later ones, by a clock that has been set back since.
    fn turn_to(&mut self, number: u32) {
        let between = match number >= self.newest {
            true => self.newest.saturating_add(1)..=number,
            false => number + 1..=self.newest,
        };
        for ring in [&mut self.requests, &mut self.throttled].into_iter().flatten() {
            for passed in between.clone().take(HELD) {
                ring[passed as usize % HELD] = 0;
            }
        }
        self.newest = number;
    }
}

fn add(ring: &mut Option<Box<Ring>>, number: u32) {
    let minute = &mut ring.get_or_insert_with(|| Box::new([0; HELD]))[number as usize % HELD];
    *minute = minute.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Seconds = 3600;

    #[test]
    fn an_hour_is_sixty_minutes_and_older_ones_make_room() {
        let mut minutes = Minutes::default();
        let start = 1000 * HOUR;
        for minute in 0..180 {
            minutes.record(minute % 3 == 0, start + minute * 60);
            minutes.record(false, start + minute * 60 + 59);
        }
        let last = start + 179 * 60 + 59;
        let hour = |requests, throttled| LastHour { requests, throttled };
        assert_eq!(minutes.last_hour(last), hour(120, 20));
        assert_eq!(minutes.last_hour(last + HOUR / 2), hour(60, 10));
        assert_eq!(minutes.last_hour(last + HOUR), hour(0, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_the_future_and_nothing_else() {
        let mut minutes = Minutes::default();
        minutes.record(true, 50 * HOUR);
        assert_eq!(minutes.last_hour(49 * HOUR), LastHour::default());
        minutes.record(false, 49 * HOUR);
        assert_eq!(minutes.last_hour(49 * HOUR).requests, 1);
        assert_eq!(minutes.last_hour(50 * HOUR).requests, 0);
    }

    /// Of each minute, how many: what the ring is to say.
    #[derive(Default)]
    struct Model(std::collections::BTreeMap<u32, (u64, u64)>);

    proptest! {
        #[test]
        fn it_is_what_a_list_of_all_minutes_says(steps in vec((-100_i64..200, 1..4_u32, any::<bool>()), 0..60)) {
            let (mut minutes, mut model) = (Minutes::default(), Model::default());
            let mut now = i64::from(1000 * HOUR);
            for (step, count, throttled) in steps {
                now += step * 20;
                let this = (now / 60) as u32;
                // A clock that is set back costs the future; one that is set back by an hour, all.
                model.0.retain(|minute, _| *minute <= this && this - *minute < HELD as u32);
                for _ in 0..count {
                    minutes.record(throttled, now as Seconds);
                    let minute = model.0.entry(this).or_default();
                    minute.0 += 1;
                    minute.1 += u64::from(throttled);
                }
                for later in [0, 30, 59, 60, 100] {
                    let at = this + later;
                    let held = model.0.iter().filter(|(minute, _)| at - **minute < HELD as u32);
                    let (requests, throttled) =
                        held.fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
                    prop_assert_eq!(minutes.last_hour(at * 60), LastHour { requests, throttled });
                }
            }
        }
    }

    #[test]
    fn one_that_was_never_throttled_takes_little() {
        let size = size_of::<Minutes>() + size_of::<Ring>();
        assert!(size <= 144, "{size}");
    }
}
