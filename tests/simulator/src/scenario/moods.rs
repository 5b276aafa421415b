//! A region that misbehaves at random: whatever it hides or shows wrongly for a while, in the end it is right again.

use fastrand::Rng;

use crate::{ApiError, InvokeId, List, Misbehaviour, Region};

/// Brings misbehaviour to a region, and takes it away. The same seed has the same moods.
#[derive(Debug)]
pub struct Moods {
    random: Rng,
    begun: Vec<u64>,
    /// How often each kind has come.
    kinds: [u64; KINDS],
}

const KINDS: usize = 11;

/// More at once would leave little to see.
const AT_ONCE: usize = 3;

impl Moods {
    /// A good mood, for now.
    pub fn new(random: Rng) -> Self {
        Self {
            random,
            begun: Vec::new(),
            kinds: [0; KINDS],
        }
    }

    /// One step: mostly nothing, at times something begins or ends.
    pub fn step(&mut self, region: &mut Region) {
        self.begun
            .retain(|number| region.misbehaviours().any(|(other, _)| other == *number));
        match self.random.u8(..16) {
            0 | 1 if !self.begun.is_empty() => {
                let ended = self.begun.swap_remove(self.random.usize(..self.begun.len()));
                region.lift(ended);
            }
            0..4 if self.begun.len() < AT_ONCE => {
                if let Some(misbehaviour) = self.next(region) {
                    self.begun.push(region.misbehave(misbehaviour));
                }
            }
            _ => {}
        }
    }

    /// All is well again.
    pub fn end(&mut self, region: &mut Region) {
        for number in self.begun.drain(..) {
            region.lift(number);
        }
    }

    /// How often each kind has come.
    pub fn kinds(&self) -> &[u64] {
        &self.kinds
    }

    fn next(&mut self, region: &Region) -> Option<Misbehaviour> {
        let kind = self.random.usize(..KINDS);
        let any = self.pick(region, |_| true)?;
        let schedule = self.pick(region, |id| region.invocation(id).is_scheduled());
        let random = &mut self.random;
        let answers = random.usize(1..=4);
        let misbehaviour = match kind {
            0 => Misbehaviour::hides().for_answers(answers),
            1 => Misbehaviour::hides().one_in(random.u64(2..6), random.u64(..)),
            2 => Misbehaviour::hides().of(&any),
            3 => Misbehaviour::hides().of(&any).only(List::Pages),
            4 => Misbehaviour::hides().only(List::Invocations),
            5 => Misbehaviour::tokens_end_behind(50).for_answers(answers),
            6 => Misbehaviour::hides().of(&schedule?).newest_runs(random.u32(1..4)),
            7 => {
                let schedule = schedule?;
                let runs = region.row(&schedule, 0).repeats;
                Misbehaviour::hides()
                    .of(&schedule)
                    .run(runs.saturating_sub(random.u32(..3)))
            }
            8 => {
                let schedule = schedule?;
                let runs = region.row(&schedule, 0).repeats;
                Misbehaviour::shows("InvocationStatus", "Running")
                    .of(&schedule)
                    .run(runs + random.u32(..2))
            }
            9 => Misbehaviour::shows("Repeats", 1_000_000)
                .of(&schedule?)
                .for_answers(answers),
            _ => Misbehaviour::refuses(ApiError::invalid("IncludeHistory"))
                .of(&schedule?)
                .only(List::History),
        };
        self.kinds[kind] += 1;
        Some(misbehaviour)
    }

    /// One of the invocations for which something holds.
    fn pick(&mut self, region: &Region, holds: impl Fn(&InvokeId) -> bool) -> Option<InvokeId> {
        let ids: Vec<&InvokeId> = region
            .invocations()
            .map(|invocation| &invocation.invoke_id)
            .filter(|id| holds(id))
            .collect();
        (!ids.is_empty()).then(|| ids[self.random.usize(..ids.len())].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessKey, Clock, Cloud, Outcome};

    #[test]
    fn every_kind_comes_and_all_goes_again() {
        let mut cloud = Cloud::new(Clock::Manual(1_767_323_045));
        cloud.add_account("a", AccessKey::new("id", "secret"));
        let region = cloud.region("a", "cn-hangzhou");
        region.add_settled(10, Outcome::success());
        region.schedule("s", "rate(60s)", 2);
        let mut moods = Moods::new(Rng::with_seed(1));
        let mut most = 0;
        for _ in 0..5_000 {
            moods.step(region);
            most = most.max(region.misbehaviours().count());
        }
        assert_eq!(most, AT_ONCE);
        assert!(
            moods.kinds().iter().all(|times| *times > 0),
            "{:?}",
            moods.kinds()
        );
        moods.end(region);
        assert_eq!(region.misbehaviours().count(), 0);
    }
}
