//! A fleet that lives: mostly fine, with the troubles that a real one has.

use fastrand::Rng;

use super::Moods;
use crate::cloud::Driver;
use crate::{AccessKey, Clock, Cloud, Delivery, InvokeId, Outcome, Region};

/// (account, region, instances) of the fleet.
const REGIONS: [(&str, &str, usize); 4] = [
    ("production", "cn-hangzhou", 180),
    ("production", "cn-shanghai", 120),
    ("production", "eu-central-1", 60),
    ("staging", "cn-beijing", 40),
];

/// (name, seconds it takes, share of the instances it goes to in percent).
const COMMANDS: [(&str, i64, usize); 7] = [
    ("collect-inventory", 4, 30),
    ("rotate-logs", 8, 50),
    ("restart-web", 15, 10),
    ("patch-kernel", 400, 5),
    ("rebuild-index", 1_500, 3),
    ("sync-config", 3, 60),
    ("vacuum-database", 240, 4),
];

/// Exit codes that scripts really end with.
const EXIT_CODES: [i64; 8] = [1, 1, 1, 2, 126, 127, 137, 255];

/// What is wrong in a region for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// A release whose scripts fail.
    BadRollout,
    /// Agents that do not answer.
    AgentsOffline,
    /// Something that everything waits for is slow.
    Slow,
    /// Schedules do not run. It comes only when it is asked for.
    SchedulesStopped,
    /// Lists and histories are not what they should be. It comes only when it is asked for.
    Moody,
}

impl Trouble {
    fn named(name: &str) -> Option<Self> {
        use Trouble::{AgentsOffline, BadRollout, Moody, None, SchedulesStopped, Slow};
        [None, BadRollout, AgentsOffline, Slow, SchedulesStopped, Moody]
            .into_iter()
            .find(|trouble| format!("{trouble:?}") == name)
    }
}

/// The driver of a fleet. The same seed brings the same commands with the same ends.
#[derive(Debug)]
pub struct Fleet {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    account: &'static str,
    region: &'static str,
    instances: usize,
    random: Rng,
    trouble: Trouble,
    moods: Moods,
    /// The trouble was asked for, and does not go by itself.
    lasting: bool,
    next_launch: i64,
    next_trouble: i64,
    next_runs: i64,
    schedules: Vec<InvokeId>,
}

/// A cloud with a fleet in it, a day of its past, and a driver for its future.
pub fn fleet(clock: Clock, seed: u64) -> Cloud {
    let mut cloud = Cloud::new(clock);
    cloud.add_account(
        "production",
        AccessKey::new("production-key", "production-secret"),
    );
    cloud.add_account("staging", AccessKey::new("staging-key", "staging-secret"));
    let now = cloud.now();
    let mut parts = Vec::new();
    for (number, (account, region, instances)) in REGIONS.into_iter().enumerate() {
        let mut part = Part {
            account,
            region,
            instances,
            random: Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number as u64)),
            trouble: Trouble::None,
            moods: Moods::new(Rng::with_seed(seed ^ number as u64)),
            lasting: false,
            next_launch: now,
            next_trouble: now + clock.scaled(300),
            next_runs: now,
            schedules: Vec::new(),
        };
        part.fill_past(cloud.region(account, region), now);
        parts.push(part);
    }
    cloud.drive(Fleet { parts });
    cloud
}

impl Driver for Fleet {
    fn tick(&mut self, cloud: &mut Cloud, now: i64) {
        let clock = cloud.clock;
        for part in &mut self.parts {
            let region = cloud.region(part.account, part.region);
            part.go_on(region, clock, now);
        }
    }

    fn trouble(&mut self, account: &str, region: &str, name: &str) -> Result<(), String> {
        let trouble = Trouble::named(name).ok_or_else(|| format!("there is no trouble {name}"))?;
        let part = self
            .parts
            .iter_mut()
            .find(|part| (part.account, part.region) == (account, region))
            .ok_or_else(|| format!("there is no {account} in {region}"))?;
        (part.trouble, part.lasting) = (trouble, trouble != Trouble::None);
        Ok(())
    }
}

impl Part {
    /// A day of results, an hour apart, and the schedules.
    fn fill_past(&mut self, region: &mut Region, now: i64) {
        for hour in (1..=24).rev() {
            region.now = now - hour * 3_600;
            let (name, invoke_id, duration) = self.send(region);
            region.now += duration + 2;
            for row in 0..region.invocation(&invoke_id).rows.len() {
                let outcome = self.outcome(name, duration);
                region.settle(&invoke_id, row, outcome);
            }
        }
        region.now = now;
        for (name, instances) in [("heartbeat", 12), ("disk-check", 6)] {
            self.schedules.push(region.schedule(name, "rate(60s)", instances));
        }
    }

    fn go_on(&mut self, region: &mut Region, clock: Clock, now: i64) {
        // After a pause the fleet goes on from now, and makes up for nothing.
        let missed = now - clock.scaled(3_600);
        for due in [&mut self.next_launch, &mut self.next_trouble, &mut self.next_runs] {
            if *due < missed {
                *due = now;
            }
        }
        if self.trouble == Trouble::Moody {
            self.moods.step(region);
        } else {
            self.moods.end(region);
        }
        while self.next_trouble <= now {
            if !self.lasting {
                self.turn();
            }
            self.next_trouble += clock.scaled(self.random.i64(240..900));
        }
        while self.next_launch <= now {
            self.launch(region);
            self.next_launch += clock.scaled(self.random.i64(20..90));
        }
        while self.next_runs <= now {
            if self.trouble != Trouble::SchedulesStopped {
                self.plan_runs(region);
            }
            self.next_runs += clock.scaled(60);
        }
    }

    /// Trouble comes, or goes.
    fn turn(&mut self) {
        self.trouble = match (self.trouble, self.random.u8(0..3)) {
            (Trouble::None, 0) => Trouble::BadRollout,
            (Trouble::None, 1) => Trouble::Slow,
            // Agents are lost where the fleet is farthest away.
            (Trouble::None, _) if self.region == "eu-central-1" => Trouble::AgentsOffline,
            _ => Trouble::None,
        };
    }

    fn launch(&mut self, region: &mut Region) {
        let (name, invoke_id, duration) = self.send(region);
        for row in 0..region.invocation(&invoke_id).rows.len() {
            let outcome = self.outcome(name, duration);
            region.plan(&invoke_id, row, self.random.i64(1..8), outcome);
        }
    }

    fn send(&mut self, region: &mut Region) -> (&'static str, InvokeId, i64) {
        let (name, duration, share) = COMMANDS[self.random.usize(..COMMANDS.len())];
        let count = (self.instances * share / 100).clamp(1, 100);
        let first = self.random.usize(..=self.instances - count);
        let mut command = region
            .command(name)
            .on(first..first + count)
            .timeout((duration * 2).max(60))
            .output_bytes(self.random.usize(20..400))
            .tag("team", if duration > 100 { "platform" } else { "web" });
        if name == "collect-inventory" {
            command = command.deliver_to("oss://inventory/output");
        }
        (name, command.run(), duration)
    }

    fn plan_runs(&mut self, region: &mut Region) {
        for invoke_id in self.schedules.clone() {
            let rows = region.invocation(&invoke_id).rows.len();
            let outcomes: Vec<Outcome> = (0..rows).map(|_| self.outcome("heartbeat", 3)).collect();
            region.run_by_clock(&invoke_id, 1, &outcomes);
        }
    }

    /// How one command ends on one instance.
    fn outcome(&mut self, name: &str, duration: i64) -> Outcome {
        let lasting = (duration * self.random.i64(70..130) / 100).max(1);
        let mut outcome = match (self.trouble, self.random.u16(0..1_000)) {
            (Trouble::BadRollout, 0..400) => {
                Outcome::failed(EXIT_CODES[self.random.usize(..EXIT_CODES.len())])
            }
            (Trouble::AgentsOffline, 0..300) => Outcome::aborted("ClientNotRunning"),
            (Trouble::AgentsOffline, 300..450) => Outcome::aborted("DeliveryTimeout"),
            (Trouble::Slow, 0..350) => Outcome::timeout(),
            (_, 0..8) => Outcome::failed(1),
            (_, 8..10) => Outcome::aborted("InstanceNotRunning"),
            (_, 10..12) => Outcome::error(),
            (_, 12..13) => Outcome::cancelled(),
            (_, 13..14) => Outcome::terminated(),
            (_, 14..15) => Outcome::invalid("CommandNotApplicable"),
            (_, 15..25) => Outcome::success().dropping(self.random.i64(1..60_000)),
            _ => Outcome::success(),
        };
        if name == "collect-inventory" && outcome.started() {
            let failed = Delivery::Failed("OSS.AccessDenied".to_owned());
            outcome = outcome.delivery(if self.random.u8(0..50) == 0 {
                failed
            } else {
                Delivery::Finished
            });
        }
        outcome.lasting(lasting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_323_045;

    fn hours(hours: i64, seed: u64) -> Cloud {
        let mut cloud = fleet(Clock::Manual(NOW), seed);
        for _ in 0..hours * 60 {
            cloud.advance(60);
        }
        cloud
    }

    #[test]
    fn the_same_seed_is_the_same_fleet() {
        let (one, same, other) = (hours(2, 1), hours(2, 1), hours(2, 2));
        for (account, region, _) in REGIONS {
            assert_eq!(one.truth(account, region), same.truth(account, region));
        }
        assert_ne!(
            one.truth("production", "cn-hangzhou"),
            other.truth("production", "cn-hangzhou")
        );
    }

    #[test]
    fn half_a_day_brings_success_and_every_trouble() {
        let cloud = hours(12, 1);
        let truth = cloud.truth("production", "eu-central-1");
        for (status, code) in [
            ("Failed", "ExitCodeNonzero"),
            ("Aborted", "ClientNotRunning"),
            ("Aborted", "DeliveryTimeout"),
            ("Timeout", "ExecutionTimeout"),
        ] {
            let met = truth.results.keys().any(|(s, c, _)| s == status && c == code);
            assert!(met, "{status} {code}");
        }
        let total = truth.total();
        assert!(
            truth.by_status()["Success"] * 10 > total * 7,
            "mostly fine: {:?}",
            truth.by_status()
        );
        assert!(!truth.open.is_empty());
        assert!(truth.deliveries.len() == 2 && truth.dropped_bytes > 0);
    }

    #[test]
    fn trouble_that_is_asked_for_stays() {
        let place = ("staging", "cn-beijing");
        let mut cloud = fleet(Clock::Manual(NOW), 1);
        cloud.trouble(place.0, place.1, "BadRollout").unwrap();
        cloud.mark_baseline();
        for _ in 0..6 * 60 {
            cloud.advance(60);
        }
        let truth = cloud.truth_since_baseline(place.0, place.1);
        let share = truth.by_status()["Failed"] * 100 / truth.total();
        assert!((35..45).contains(&share), "{share} %");

        cloud.trouble(place.0, place.1, "SchedulesStopped").unwrap();
        let runs = |cloud: &mut Cloud| -> u32 {
            let invocations = cloud.region(place.0, place.1).invocations.values();
            let schedules = invocations.filter(|invocation| invocation.is_scheduled());
            schedules
                .flat_map(|schedule| &schedule.rows)
                .map(|row| row.repeats)
                .sum()
        };
        cloud.advance(120);
        let stopped = runs(&mut cloud);
        cloud.advance(3_600);
        assert_eq!(runs(&mut cloud), stopped);
        cloud.trouble(place.0, place.1, "None").unwrap();
        for _ in 0..10 {
            cloud.advance(60);
        }
        assert!(runs(&mut cloud) > stopped);
        cloud.trouble(place.0, place.1, "Moody").unwrap();
        let before = cloud.truth(place.0, place.1).total();
        let mut most = 0;
        for _ in 0..60 {
            cloud.advance(60);
            most = most.max(cloud.region(place.0, place.1).misbehaviours().count());
        }
        assert!(most > 0 && cloud.truth(place.0, place.1).total() > before);
        cloud.trouble(place.0, place.1, "None").unwrap();
        cloud.advance(60);
        assert_eq!(cloud.region(place.0, place.1).misbehaviours().count(), 0);
        for (account, region, name) in [
            ("staging", "cn-beijing", "Locusts"),
            ("staging", "cn-hangzhou", "Slow"),
        ] {
            assert!(cloud.trouble(account, region, name).is_err());
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut cloud = fleet(Clock::Manual(NOW), 1);
        cloud.advance(7 * 86_400);
        let after_a_week = cloud.truth("staging", "cn-beijing").total();
        cloud.advance(3_600);
        assert!(cloud.truth("staging", "cn-beijing").total() > after_a_week);
        assert!(after_a_week < 2_000, "{after_a_week}");
    }
}
