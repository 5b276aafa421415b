//! The fleet itself, in time that passes when nobody works.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Finder, Shared};
use super::events::Events;
use super::fleet::{Fleet, Reload};
use super::plan::Plan;
use super::ways::Ways;
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::regions::Regions;
use crate::config::{self, Config};
use crate::poll::tests::api::Api;
use crate::poll::tests::disk::Disk;
use crate::requests::Requests;
use crate::scope::Scope;
use crate::state::StateError;
use crate::view::{Board, View};

/// Regions of a cloud, each with results of its own.
#[derive(Debug)]
struct Sky {
    shared: Shared,
    regions: Arc<Mutex<BTreeMap<String, Api>>>,
    /// How long DescribeRegions takes.
    slowness: Arc<Mutex<Duration>>,
}

impl Ways for Sky {
    type Cloud = Api;

    fn to(&self, _: &Account, _: &Config, scope: &Scope, _: &Plan) -> Api {
        self.regions.lock().unwrap()[&*scope.region_id].clone()
    }

    fn regions(&self, _: Arc<Finder>) -> impl Future<Output = Result<Regions, CallError>> + Send + use<> {
        let slowness = *self.slowness.lock().unwrap();
        let names: Vec<String> = self.regions.lock().unwrap().keys().cloned().collect();
        let listed = names.into_iter().map(|region| (region, String::new())).collect();
        async move {
            tokio::time::sleep(slowness).await;
            Ok(listed)
        }
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// A fleet under way.
struct Stage {
    regions: Arc<Mutex<BTreeMap<String, Api>>>,
    slowness: Arc<Mutex<Duration>>,
    disk: Disk,
    board: Board,
    reloads: mpsc::Sender<Reload>,
    stop: CancellationToken,
    task: JoinSet<anyhow::Result<()>>,
}

/// Polls these regions of account `a`; those that are listed where there are none.
fn config(regions: &[&str]) -> Config {
    let mut config = Config::default();
    config.poll.sweep_interval = Duration::ZERO;
    config.metrics.new_series_hold = Duration::ZERO;
    config.accounts = vec![config::Account {
        name: "a".to_owned(),
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        ..config.accounts[0].clone()
    }];
    config
}

fn scope(region: &str) -> Scope {
    Scope::new("a", region)
}

impl Stage {
    async fn begin(config: Config, regions: &[&str]) -> Self {
        Self::begin_on(config, regions, Disk::default()).await.unwrap()
    }

    async fn begin_on(config: Config, regions: &[&str], disk: Disk) -> Result<Self, StateError> {
        let regions = regions.iter().map(|region| ((*region).to_owned(), Api::new()));
        let regions = Arc::new(Mutex::new(regions.collect()));
        let slowness = Arc::default();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let requests = Requests::new(&Registry::new()).unwrap();
        let sky = Sky {
            shared: super::shared(&[], Arc::new(requests)).unwrap(),
            regions: Arc::clone(&regions),
            slowness: Arc::clone(&slowness),
        };
        let board = Board::new();
        let fleet = {
            let seen = (board.clone(), Events::new(board.clone()));
            Fleet::start(config, sky, disk.clone(), seen, false).await?
        };
        let (reloads, mut asked) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        let stopped = stop.clone();
        task.spawn(async move { fleet.run(stopped, &mut asked).await.map(|_| ()) });
        Ok(Self {
            regions,
            slowness,
            disk,
            board,
            reloads,
            stop,
            task,
        })
    }

    fn region(&self, region: &str) -> Api {
        self.regions.lock().unwrap()[region].clone()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&View) -> bool) -> Arc<View> {
        let mut board = self.board.subscribe();
        let seen = board.wait_for(|view| is_so(view));
        let seen = timeout(Duration::from_secs(86_400), seen).await;
        Arc::clone(
            &seen
                .unwrap_or_else(|_| panic!("{what}: {:?}", self.board.view()))
                .unwrap(),
        )
    }

    /// So many polls have ended in each of these regions.
    async fn polled(&self, regions: &[&str], polls: u64) -> Arc<View> {
        self.until("polls", |view| {
            let scopes = regions.iter().map(|region| view.scopes.get(&scope(region)));
            let mut polled = scopes.map(|scope| scope.map_or(0, |scope| scope.work.polls));
            polled.all(|polled| polled >= polls)
        })
        .await
    }

    async fn reload(&self, config: Config) -> Result<(), StateError> {
        let (done, taken) = oneshot::channel();
        assert!(self.reloads.send(Reload { config, done }).await.is_ok());
        taken.await.unwrap()
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap()
    }
}

fn shown(view: &View) -> Vec<String> {
    let scopes = view.scopes.keys();
    scopes.map(|scope| scope.region_id.to_string()).collect()
}

/// The record of a scope that is new cannot be read, while the state as such can.
#[tokio::test(start_paused = true)]
async fn a_reload_that_cannot_be_done_changes_nothing() {
    let stage = Stage::begin(config(&["one"]), &["one", "two"]).await;
    stage.polled(&["one"], 1).await;
    stage.disk.damage(&[scope("two")]);
    let mut other = config(&["one", "two"]);
    other.poll.interval = Duration::from_secs(5);
    assert!(stage.reload(other.clone()).await.is_err());
    let before = stage.region("one").first_pages().len();
    let view = stage.polled(&["one"], 4).await;
    assert_eq!(shown(&view), ["one"]);
    let asked = stage.region("one").first_pages().split_off(before);
    let apart = asked.windows(2).map(|two| two[1].0 - two[0].0);
    assert_eq!(apart.min(), Some(config(&[]).poll.interval), "of before");
    stage.disk.damage(&[]);
    assert!(stage.reload(other).await.is_ok());
    let view = stage.polled(&["one", "two"], 1).await;
    assert_eq!(shown(&view), ["one", "two"]);
    stage.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_is_refused_where_a_record_cannot_be_read() {
    let disk = Disk::default();
    disk.damage(&[scope("one")]);
    assert!(Stage::begin_on(config(&["one"]), &["one"], disk).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reload_leaves_alone_what_has_not_changed() {
    let stage = Stage::begin(config(&["one", "two"]), &["one", "two", "three"]).await;
    stage.polled(&["one", "two"], 3).await;
    let loads = stage.disk.used().0;
    stage.reload(config(&["two", "three"])).await.unwrap();
    let view = stage.polled(&["two", "three"], 1).await;
    assert_eq!(shown(&view), ["three", "two"]);
    assert_eq!(stage.disk.used().0, loads + 1, "that of the new one");
    // What comes back goes on counting its work.
    stage.reload(config(&["one"])).await.unwrap();
    let view = stage.polled(&["one"], 4).await;
    assert_eq!(view.scopes[&scope("one")].work.polls, 4);
    stage.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_writer_ends_before_the_next_begins() {
    let stage = Stage::begin(config(&["one"]), &["one"]).await;
    stage.polled(&["one"], 1).await;
    stage.region("one").settle(3, 1);
    stage.disk.slow_down(Duration::from_secs(20));
    while !stage.disk.is_saving() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let loads = stage.disk.used().0;
    let mut other = config(&["one"]);
    other.poll.interval = Duration::from_secs(5);
    stage.reload(other).await.unwrap();
    assert_eq!(stage.disk.used().0, loads + 1);
    let view = stage.board.view();
    let counts = view.scopes[&scope("one")].counts.as_ref().unwrap();
    let counted: u64 = counts.totals().map(|shown| shown.value).sum();
    assert_eq!(counted, 3, "saved first, then read");
    stage.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn regions_come_and_go_with_discoveries() {
    let stage = Stage::begin(config(&[]), &["one", "two"]).await;
    stage.polled(&["one", "two"], 1).await;
    let two = stage.regions.lock().unwrap().remove("two");
    stage
        .regions
        .lock()
        .unwrap()
        .insert("three".to_owned(), Api::new());
    let view = stage.polled(&["three"], 1).await;
    assert_eq!(shown(&view), ["one", "three"]);
    assert!(two.is_some());
    stage.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_region_without_cloud_assistant_is_tried_again_unseen_after_each_discovery() {
    let stage = Stage::begin(config(&[]), &["one", "two"]).await;
    stage.region("two").fail(|_| {
        Some(CallError {
            code: Some("RegionId.ApiNotSupported".to_owned()),
            ..CallError::new(Reason::Rejected, "")
        })
    });
    let view = stage
        .until("it is set aside", |view| {
            let accounts = view.accounts.values();
            accounts.flat_map(|account| &account.set_aside).count() == 1
        })
        .await;
    assert!(!shown(&view).contains(&"two".to_owned()));
    let tried = stage.region("two").first_pages().len();
    let mut board = stage.board.subscribe();
    let asked_again = async {
        while stage.region("two").first_pages().len() < tried + 2 {
            board.changed().await.unwrap();
            assert!(!shown(&board.borrow()).contains(&"two".to_owned()), "it is seen");
        }
    };
    timeout(Duration::from_secs(86_400), asked_again).await.unwrap();
    let at = stage.region("two").first_pages();
    let apart = at.windows(2).map(|two| two[1].0 - two[0].0).max().unwrap();
    assert_eq!(apart.as_secs(), config(&[]).poll.discovery_interval.as_secs());
    stage.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_discovery_under_way_ends_with_a_reload() {
    let stage = Stage::begin(config(&[]), &["one"]).await;
    stage.polled(&["one"], 1).await;
    // The next one names another region, and takes a while.
    *stage.slowness.lock().unwrap() = Duration::from_secs(600);
    stage.regions.lock().unwrap().insert("two".to_owned(), Api::new());
    tokio::time::sleep(config(&[]).poll.discovery_interval + Duration::from_secs(60)).await;
    stage.regions.lock().unwrap().remove("two");
    *stage.slowness.lock().unwrap() = Duration::from_secs(0);
    stage.reload(config(&[])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!(shown(&stage.board.view()), ["one"]);
    stage.end().await.unwrap();
}
