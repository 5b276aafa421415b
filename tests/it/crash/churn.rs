//! A cloud in which something happens all the time.

use fastrand::Rng;
use simulator::scenario::Moods;
use simulator::{Delivery, InvocationStatus, InvokeId, Outcome, Region, Simulator};

use crate::cloud::ACCOUNT;

/// Changes the regions at random.
pub struct Churn {
    random: Rng,
    regions: Vec<Churned>,
    settled: u64,
    goal: u64,
}

struct Churned {
    name: &'static str,
    /// Rows that have not settled.
    open: Vec<(InvokeId, usize)>,
    /// Settled ones whose output is still on its way.
    undelivered: Vec<(InvokeId, usize)>,
    schedules: Vec<Schedule>,
    /// What its answers are like, if they are not to be trusted.
    moods: Option<Moods>,
}

struct Schedule {
    invoke_id: InvokeId,
    /// By instance, whether a run is under way.
    running: Vec<bool>,
}

impl Churn {
    /// Puts in what is there before the first look: some of everything.
    pub fn begin(simulator: &Simulator, regions: &[&'static str], random: Rng) -> Self {
        let mut churn = Self {
            random,
            regions: Vec::new(),
            settled: 0,
            goal: 0,
        };
        let mut cloud = simulator.cloud();
        for name in regions {
            let region = cloud.region(ACCOUNT, name);
            region.add_settled(120, Outcome::success());
            let open = region.run("before", 5);
            let schedules = [(60, 4), (300, 2)].map(|(every, instances)| {
                let invoke_id = region.schedule("watch", &format!("rate({every}s)"), instances);
                for instance in 0..instances {
                    for _ in 0..3 {
                        region.run_once(&invoke_id, instance, Outcome::success());
                    }
                }
                Schedule {
                    invoke_id,
                    running: vec![false; instances],
                }
            });
            churn.regions.push(Churned {
                name,
                open: (0..5).map(|row| (open.clone(), row)).collect(),
                undelivered: Vec::new(),
                schedules: schedules.into(),
                moods: None,
            });
        }
        drop(cloud);
        churn
    }

    /// From now on the regions misbehave, each in its own way, until the end.
    pub fn misbehave(&mut self) {
        for churned in &mut self.regions {
            churned.moods = Some(Moods::new(self.random.fork()));
        }
    }

    /// So many results are to settle by the end of this round.
    pub fn goal(&mut self, goal: u64) {
        self.goal = goal;
    }

    /// Something happens in every region.
    pub fn step(&mut self, simulator: &Simulator) {
        let mut cloud = simulator.cloud();
        if self.random.u8(..20) == 0 {
            cloud.advance(1);
        }
        let behind = self.goal.saturating_sub(self.settled) as usize;
        for churned in &mut self.regions {
            let region = cloud.region(ACCOUNT, churned.name);
            self.settled += churned.step(region, &mut self.random, behind);
            if let Some(moods) = &mut churned.moods {
                moods.step(region);
            }
        }
    }

    /// Everything that is open settles, and nothing misbehaves any more.
    pub fn end(&mut self, simulator: &Simulator) {
        let mut cloud = simulator.cloud();
        for churned in &mut self.regions {
            let region = cloud.region(ACCOUNT, churned.name);
            region.behave();
            if let Some(moods) = churned.moods.take() {
                println!("{}: misbehaviour by kind {:?}", churned.name, moods.kinds());
            }
            for (invoke_id, row) in churned.open.drain(..) {
                region.settle(&invoke_id, row, outcome(&mut self.random));
            }
            churned.deliver(region, usize::MAX);
            for schedule in &churned.schedules {
                region.end_schedule(&schedule.invoke_id, InvocationStatus::Terminated);
            }
        }
    }
}

impl Churned {
    fn step(&mut self, region: &mut Region, random: &mut Rng, behind: usize) -> u64 {
        let mut settled = 0;
        if random.u8(..3) == 0 {
            let rows = random.usize(1..=8);
            let command = region.command("deploy").on(rows).timeout(30);
            let invoke_id = if random.u8(..4) == 0 {
                command.deliver_to("oss://bucket/out").run()
            } else {
                command.run()
            };
            self.open.extend((0..rows).map(|row| (invoke_id.clone(), row)));
        }
        // The newest and the oldest, so that some stay open until they have sunk far down.
        for _ in 0..random.usize(..=4) {
            if self.open.is_empty() {
                break;
            }
            let (invoke_id, row) = &self.open[random.usize(..self.open.len())];
            match region.row(invoke_id, *row).status {
                InvocationStatus::Pending => region.start(invoke_id, *row),
                InvocationStatus::Running if random.u8(..6) == 0 => {
                    region.set_status(invoke_id, *row, InvocationStatus::Stopping);
                }
                _ => {}
            }
        }
        let crowded = self.open.len() > 60;
        for _ in 0..random.usize(..=if crowded { 20 } else { 3 }) {
            if self.open.is_empty() {
                break;
            }
            let (invoke_id, row) = self.open.swap_remove(random.usize(..self.open.len()));
            region.settle(&invoke_id, row, outcome(random));
            settled += 1;
            if region.row(&invoke_id, row).delivery == Some(Delivery::InProgress) {
                self.undelivered.push((invoke_id, row));
            }
        }
        for schedule in &mut self.schedules {
            for instance in 0..schedule.running.len() {
                let running = &mut schedule.running[instance];
                match random.u8(..12) {
                    0 if !*running => {
                        region.begin_run(&schedule.invoke_id, instance);
                        *running = true;
                    }
                    1 | 2 if *running => {
                        region.finish_run(&schedule.invoke_id, instance, outcome(random));
                        *running = false;
                        settled += 1;
                    }
                    3 if !*running => {
                        for _ in 0..random.usize(1..4) {
                            // At once: runs of a schedule do not overlap.
                            let outcome = outcome(random).lasting(0);
                            region.run_once(&schedule.invoke_id, instance, outcome);
                            settled += 1;
                        }
                    }
                    _ => {}
                }
            }
        }
        if random.u8(..10) == 0 {
            self.deliver(region, 3);
        }
        if behind > 0 {
            let rows = random.usize(1..=behind.min(70));
            region.add_settled(rows, outcome(random));
            settled += rows as u64;
        }
        settled
    }

    fn deliver(&mut self, region: &mut Region, at_most: usize) {
        let count = self.undelivered.len().min(at_most);
        for (number, (invoke_id, row)) in self.undelivered.drain(..count).enumerate() {
            region.row_mut(&invoke_id, row).delivery = Some(if number % 3 == 0 {
                Delivery::Failed("BucketNotExist".to_owned())
            } else {
                Delivery::Finished
            });
        }
    }
}

fn outcome(random: &mut Rng) -> Outcome {
    let outcome = match random.u8(..12) {
        0 => Outcome::failed(random.i64(1..9)),
        1 => Outcome::timeout(),
        2 => Outcome::aborted("ClientNotRunning"),
        3 => Outcome::error(),
        4 => Outcome::invalid("CommandNotApplicable"),
        5 => Outcome::cancelled(),
        6 => Outcome::terminated(),
        _ => Outcome::success(),
    };
    let outcome = outcome.lasting(random.i64(0..4000));
    match random.u8(..4) {
        0 => outcome.dropping(random.i64(0..10_000)),
        _ => outcome,
    }
}
