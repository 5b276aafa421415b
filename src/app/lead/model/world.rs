//! The world of the replicas, and whether what they show is as promised.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::database::{Database, Server};
use super::machine::Machine;
use super::replica::Replica;
use super::{Event, LEASE, SCOPES, scope};
use crate::aliyun::error::{CallError, Reason};
use crate::config::LoggedResults;
use crate::poll::plan::PollPlan;
use crate::poll::tests::api::Api;
use crate::record::Settings;
use crate::result::Seconds;
use crate::view::ScopeView;

/// How often it is looked whether all is as promised.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) struct World {
    database: Database,
    apis: [Api; SCOPES],
    plan: Arc<PollPlan>,
    replicas: [Option<Replica>; 2],
    fast: [f64; 2],
    /// Results of each scope that have settled.
    settled: [u64; SCOPES],
    /// What a scrape has last shown.
    shown: [u64; SCOPES],
    /// After which term the record lacks what was shown, until somebody has swept.
    lacks: [Option<u64>; SCOPES],
    /// After a failover that has lost saves nothing else happens before there is another term than this.
    calm_until: Option<u64>,
    /// Whether the first look at each scope is over.
    has_looked: bool,
}

impl World {
    /// One replica leads and has looked at a cloud that has run nothing; the other one stands by.
    pub(super) async fn begin([of_database, a, b]: [f64; 3], new_series_hold: Seconds) -> Self {
        let settings = Arc::new(Settings {
            new_series_hold,
            ..Settings::default()
        });
        let plan = PollPlan {
            interval: Duration::from_secs(5),
            min_interval: Duration::from_secs(5),
            sweep_interval: None,
            timeout: Duration::from_secs(1800),
            history_budget: 60,
            discovered: false,
            settings: Arc::clone(&settings),
            logged_results: LoggedResults::None,
        };
        let mut world = Self {
            database: Database::new(Machine::new(of_database), settings),
            apis: [Api::new(), Api::new()],
            plan: Arc::new(plan),
            replicas: [None, None],
            fast: [a, b],
            settled: [0; SCOPES],
            shown: [0; SCOPES],
            lacks: [None; SCOPES],
            calm_until: None,
            has_looked: false,
        };
        world
            .apis
            .iter()
            .for_each(|api| api.slow_down(Duration::from_millis(300)));
        world.starts(0);
        let looked = |world: &Self| world.replicas[0].as_ref().unwrap().board.view();
        while looked(&world)
            .scopes
            .values()
            .filter(|scope| scope.work.sweeps > 0)
            .count()
            < SCOPES
        {
            world.pass(LOOK_EVERY).await;
        }
        // Where the first look is lost, there is another one, from which on it counts.
        world.database.with(Server::keep);
        world.has_looked = true;
        world.starts(1);
        world
    }

    fn starts(&mut self, number: usize) {
        let machine = Machine::new(self.fast[number]);
        let replica = || Replica::start(machine, &self.database, &self.apis, &self.plan);
        self.replicas[number].get_or_insert_with(replica);
    }

    /// Time passes.
    pub(super) async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look();
            sleep(LOOK_EVERY.min(end - Instant::now())).await;
        }
        self.look();
    }

    /// What a scrape of each replica that answers would show now.
    fn look(&mut self) {
        let replicas = self.replicas.iter().flatten();
        let answers = replicas.filter(|replica| replica.machine.is_working());
        let mut shows = answers.filter_map(|replica| Some((replica.leads()?, replica.board.view())));
        let Some((term, view)) = shows.next() else {
            return;
        };
        assert!(shows.next().is_none(), "two replicas show counts");
        for number in 0..SCOPES {
            if let Some(view) = view.scopes.get(&scope(number)) {
                self.look_at(number, term, view);
            }
        }
        if self
            .calm_until
            .is_some_and(|term| self.database.with(|server| server.epoch()) > term)
        {
            self.calm_until = None;
        }
    }

    fn look_at(&mut self, number: usize, term: u64, view: &ScopeView) {
        let Some(counts) = &view.counts else {
            let lacks_saves = self.database.with(|server| server.lacks_saves());
            assert!(
                lacks_saves || !self.has_looked,
                "counts are hidden of a record that lacks nothing"
            );
            return;
        };
        let counted = counts.totals().map(|shown| shown.value).sum();
        if self.lacks[number].is_some_and(|after| term > after) {
            assert!(
                view.work.sweeps > 0,
                "counts are shown of a record that lacks some, before a sweep"
            );
            self.lacks[number] = None;
        }
        let before = std::mem::replace(&mut self.shown[number], counted);
        assert!(counted >= before, "a counter goes from {before} to {counted}");
        let is_saved = self
            .database
            .with(|server| server.has_committed(&scope(number), counted));
        assert!(is_saved, "{counted} is shown, and was never saved");
    }

    fn shows(&self, number: usize) -> bool {
        let replica = self.replicas[number].as_ref();
        replica.is_some_and(|replica| replica.machine.is_well() && replica.leads().is_some())
    }

    pub(super) fn happens(&mut self, event: &Event) {
        let is_calm = self.calm_until.is_some();
        match *event {
            Event::Settles(number, results) => {
                self.apis[number].settle(results, 0);
                self.settled[number] += u64::from(results);
            }
            Event::GoesOn(number) => self.goes_on(number),
            Event::ReachesAgain(number) => self.of(number, |replica| replica.machine.set_reaching(true)),
            Event::Starts(number) => self.starts(number),
            Event::ApiFails(number) => {
                self.apis[number].fail(|_| Some(CallError::new(Reason::Unavailable, "503")));
            }
            Event::ApiWorks(number) => self.apis[number].fail(|_| None),
            _ if is_calm => {}
            Event::Hangs(number) => self.of(number, |replica| replica.machine.set_working(false)),
            Event::IsCutOff(number) => self.of(number, |replica| replica.machine.set_reaching(false)),
            Event::LosesAnswer(number) => {
                self.of(number, |replica| {
                    replica.loses_answer.store(true, Ordering::Release)
                });
            }
            Event::LosesSession(number) => self.loses_session(number),
            Event::IsKilled(number) => {
                self.loses_session(number);
                self.replicas[number] = None;
            }
            Event::FailsOver { away, loses } => self.fails_over(Duration::from_millis(away), loses),
        }
    }

    fn of(&self, number: usize, change: impl Fn(&Replica)) {
        self.replicas[number].iter().for_each(change);
    }

    /// A request that has waited is answered before anything else is done.
    fn goes_on(&mut self, number: usize) {
        self.of(number, |replica| replica.machine.set_working(true));
        self.look();
    }

    fn loses_session(&self, number: usize) {
        self.of(number, |replica| {
            if replica.machine.is_well() {
                let session = replica.session.load(Ordering::Acquire);
                self.database.with(|server| server.close(session));
            }
        });
    }

    fn fails_over(&mut self, away: Duration, loses: usize) {
        // Who has shown what gets lost must be there to tell.
        let loses = if self.shows(0) || self.shows(1) { loses } else { 0 };
        self.database.with(|server| server.fail_over(away, loses));
        let term = self.database.with(|server| server.epoch());
        for number in 0..SCOPES {
            let counted = self.database.with(|server| server.counted(&scope(number)));
            self.lacks[number] = (counted < self.shown[number]).then_some(term);
        }
        if self.lacks.iter().any(Option::is_some) {
            self.calm_until = Some(term);
        }
    }

    /// Once everything works again, one of both shows what has settled.
    pub(super) async fn ends_well(&mut self) {
        for number in 0..2 {
            self.apis[number].fail(|_| None);
            self.starts(number);
            self.of(number, |replica| replica.machine.set_reaching(true));
            self.goes_on(number);
        }
        let deadline = Instant::now() + LEASE * 6;
        let is_well = |world: &Self| world.shows(0) != world.shows(1) && world.shown == world.settled;
        while !is_well(self) {
            let (shown, settled) = (self.shown, self.settled);
            assert!(
                Instant::now() < deadline,
                "{shown:?} is shown, {settled:?} has settled"
            );
            self.pass(LOOK_EVERY).await;
        }
    }
}
