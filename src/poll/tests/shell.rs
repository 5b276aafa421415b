//! The poller itself, in time that passes when nobody works.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::disk::Disk;
use super::exporter::settings;
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::config::LoggedResults;
use crate::poll::inbox::Inbox;
use crate::poll::plan::PollPlan;
use crate::poll::poller::{End, FirstView, Poller, Start};
use crate::poll::records::Records;
use crate::poll::scan::{Question, Request};
use crate::scope::Scope;
use crate::view::{Board, ScopeView, Work};

pub(super) const FIRST_VIEW: FirstView = FirstView::AtOnce;
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn scope() -> Scope {
    Scope::new("a", "r")
}

pub(super) fn plan() -> PollPlan {
    PollPlan {
        interval: INTERVAL,
        min_interval: Duration::from_secs(5),
        sweep_interval: None,
        timeout: Duration::from_secs(1800),
        history_budget: 60,
        discovered: false,
        settings: settings().into(),
        logged_results: LoggedResults::None,
    }
}

/// A poller, what it asks, and where it saves.
pub(super) struct Stage {
    pub(super) api: Api,
    pub(super) disk: Disk,
    pub(super) board: Board,
    stop: CancellationToken,
    pub(super) inbox: Inbox,
    task: JoinSet<End>,
}

impl Stage {
    pub(super) async fn begin(api: Api, disk: Disk, plan: PollPlan, first_view: FirstView) -> Self {
        Self::begin_after_a_loss(api, disk, plan, first_view, false).await
    }

    /// `lacks_saves`: the disk is behind what has been shown.
    pub(super) async fn begin_after_a_loss(
        api: Api,
        disk: Disk,
        plan: PollPlan,
        first_view: FirstView,
        lacks_saves: bool,
    ) -> Self {
        let record = disk.load(&scope(), &plan.settings, 0).await.unwrap();
        let inbox = Inbox::default();
        let start = Start {
            held: record.into(),
            work: Work::default(),
            first_poll: Instant::now(),
            inbox: inbox.clone(),
            lacks_saves,
        };
        let (board, stop) = (Board::new(), CancellationToken::new());
        let ways = (api.clone(), disk.clone(), board.clone());
        let mut task = JoinSet::new();
        task.spawn(Poller::new(scope(), plan, ways, start).run(stop.clone(), first_view));
        Self {
            api,
            disk,
            board,
            stop,
            inbox,
            task,
        }
    }

    /// After the first look at an empty cloud.
    pub(super) async fn looked(plan: PollPlan) -> Self {
        let stage = Self::begin(Api::new(), Disk::default(), plan, FirstView::AtOnce).await;
        stage.until("the first look", |view| view.work.polls == 1).await;
        stage
    }

    /// The view, once that is so.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&ScopeView) -> bool) -> Arc<ScopeView> {
        let mut board = self.board.subscribe();
        let seen = board.wait_for(|view| view.scopes.get(&scope()).is_some_and(|view| is_so(view)));
        let seen = timeout(Duration::from_secs(86_400), seen).await;
        let seen = seen.unwrap_or_else(|_| panic!("{what}: {:?}", self.board.view().scopes));
        Arc::clone(&seen.unwrap().scopes[&scope()])
    }

    /// So many more polls and sweeps have ended.
    pub(super) async fn more(&self, polls: u64) -> Arc<ScopeView> {
        let before = self.board.view().scopes[&scope()].work.polls;
        self.until("more polls", |view| view.work.polls >= before + polls)
            .await
    }

    pub(super) async fn end(mut self) -> End {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap()
    }
}

pub(super) fn counted(view: &ScopeView) -> u64 {
    let counts = view.counts.iter();
    counts
        .flat_map(|counts| counts.totals().map(|shown| shown.value).collect::<Vec<_>>())
        .sum()
}

pub(super) fn failures(view: &ScopeView, reason: Reason) -> u64 {
    view.work.failures[reason as usize]
}

pub(super) fn is_up(view: &ScopeView) -> bool {
    view.last_poll.is_some_and(|last| last.up)
}

/// Fails what is no first page of the list.
fn amid_list(request: &Request) -> Option<CallError> {
    let is_amid = request.question == Question::List && request.token.is_some();
    is_amid.then(|| CallError::new(Reason::Rejected, "the NextToken has expired"))
}

/// After days away, say: each poll would begin with the same pages, and none would end.
#[tokio::test(start_paused = true)]
async fn what_a_poll_has_no_time_for_the_next_one_reads_to_its_end() {
    let plan = PollPlan {
        timeout: Duration::from_secs(60),
        ..plan()
    };
    let stage = Stage::looked(plan).await;
    stage.api.slow_down(Duration::from_secs(10));
    stage.api.settle(60, 1);
    let failed = stage.more(1).await;
    assert_eq!((counted(&failed), failures(&failed, Reason::Timeout)), (0, 1));
    let done = stage.more(1).await;
    assert_eq!((counted(&done), is_up(&done)), (60, true));
    assert_eq!(done.counts.as_ref().map(|counts| counts.late), Some(0));
    // From then on it has its time again.
    stage.api.settle(1, 1);
    stage.api.slow_down(Duration::from_secs(70));
    let failed = stage.more(2).await;
    assert_eq!((counted(&failed), failures(&failed, Reason::Timeout)), (60, 3));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_all_or_nothing_and_the_next_comes_at_its_time() {
    let stage = Stage::looked(plan()).await;
    let used = stage.disk.used();
    stage.api.settle(9, 1);
    stage.api.fail(amid_list);
    let failed = stage.more(1).await;
    assert_eq!((counted(&failed), is_up(&failed)), (0, false));
    assert_eq!(failures(&failed, Reason::Rejected), 1);
    assert_eq!(
        failed.error.as_ref().map(|error| error.reason),
        Some(Reason::Rejected)
    );
    assert_eq!(
        stage.disk.used(),
        used,
        "nothing is saved, and the record is at hand"
    );
    stage.api.behave();
    let at = Instant::now();
    let done = stage.more(1).await;
    assert_eq!((counted(&done), is_up(&done)), (9, true));
    assert_eq!(done.error, None);
    assert_eq!(at.elapsed(), INTERVAL, "no sooner and no later");
    assert_eq!(stage.disk.used().0, used.0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_not_saved_is_read_again() {
    let stage = Stage::looked(plan()).await;
    stage.api.settle(9, 1);
    stage.disk.fill(true);
    let failed = stage.more(2).await;
    assert_eq!((counted(&failed), failures(&failed, Reason::State)), (0, 2));
    assert_eq!(
        stage.disk.used().0,
        2,
        "once at the start, once for the second poll"
    );
    stage.disk.damage(&[scope()]);
    let failed = stage.more(2).await;
    assert_eq!(failures(&failed, Reason::State), 4);
    stage.disk.fill(false);
    stage.disk.damage(&[]);
    let done = stage.more(1).await;
    assert_eq!((counted(&done), is_up(&done)), (9, true));
    let done = stage.more(3).await;
    assert_eq!(counted(&done), 9, "each once");
    assert_eq!(stage.disk.used().0, 5, "it is at hand again");
}

#[tokio::test(start_paused = true)]
async fn a_stop_abandons_what_is_asked_at_once() {
    let stage = Stage::looked(plan()).await;
    let saves = stage.disk.used().1;
    stage.api.settle(9, 1);
    stage.api.slow_down(Duration::from_secs(3600));
    let asked = stage.api.first_pages().len();
    while stage.api.first_pages().len() == asked {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let disk = stage.disk.clone();
    let at = Instant::now();
    assert_eq!(stage.end().await, End::Stopped);
    assert_eq!((at.elapsed(), disk.used().1), (Duration::ZERO, saves));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_save() {
    let stage = Stage::looked(plan()).await;
    let saves = stage.disk.used().1;
    stage.api.settle(9, 1);
    stage.disk.slow_down(Duration::from_secs(5));
    let disk = stage.disk.clone();
    while !disk.is_saving() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(disk.used().1, saves);
    assert_eq!(stage.end().await, End::Stopped);
    assert!(disk.used().1 > saves);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_api_asks_for_comes_before_the_rhythm() {
    let stage = Stage::looked(plan()).await;
    stage.api.pause(INTERVAL * 5);
    stage.more(1).await;
    let at = Instant::now();
    stage.api.pause(Duration::ZERO);
    stage.more(1).await;
    assert_eq!(at.elapsed(), INTERVAL * 5);
    let at = Instant::now();
    stage.more(1).await;
    assert!(at.elapsed() <= INTERVAL);
}

#[tokio::test(start_paused = true)]
async fn a_discovered_region_without_cloud_assistant_is_set_aside_unseen() {
    let unknown = |_: &Request| {
        Some(CallError {
            code: Some("RegionId.ApiNotSupported".to_owned()),
            ..CallError::new(Reason::Rejected, "")
        })
    };
    let discovered = PollPlan {
        discovered: true,
        ..plan()
    };
    let api = Api::new();
    api.fail(unknown);
    let disk = Disk::default();
    let mut stage = Stage::begin(api, disk, discovered.clone(), FirstView::AfterPoll).await;
    assert_eq!(stage.task.join_next().await.unwrap().unwrap(), End::NotSupported);
    assert!(stage.board.view().scopes.is_empty());
    // Where it is configured, or has been known, that is a failure.
    for plan in [plan(), discovered] {
        let stage = Stage::looked(plan).await;
        stage.api.fail(unknown);
        let failed = stage.more(2).await;
        assert_eq!(failures(&failed, Reason::Rejected), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_saved_is_seen_before_the_first_turn() {
    let stage = Stage::looked(plan()).await;
    stage.api.settle(9, 1);
    stage.more(1).await;
    let (api, disk) = (stage.api.clone(), stage.disk.clone());
    stage.end().await;
    api.slow_down(Duration::from_secs(3600));
    let stage = Stage::begin(api.clone(), disk.clone(), plan(), FirstView::AtOnce).await;
    // The task has not had a turn.
    let view = Arc::clone(&stage.board.view().scopes[&scope()]);
    assert_eq!((counted(&view), view.work.polls, view.last_poll), (9, 0, None));
    stage.end().await;
    let stage = Stage::begin(api, disk, plan(), FirstView::AfterPoll).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(stage.board.view().scopes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_series_that_is_held_at_0_shows_its_value_between_polls_once_that_is_saved() {
    let mut plan = plan();
    Arc::make_mut(&mut plan.settings).new_series_hold = 90;
    let stage = Stage::looked(plan).await;
    stage.api.settle(9, 2);
    let held = stage.more(1).await;
    let (at, saves) = (Instant::now(), stage.disk.used().1);
    assert_eq!(counted(&held), 0);
    let shown = stage.until("its value", |view| counted(view) == 9).await;
    assert_eq!(shown.work.polls, held.work.polls + 1);
    assert_eq!(at.elapsed(), Duration::from_secs(90), "not at the time of a poll");
    assert_eq!(
        stage.disk.used().1,
        saves + 2,
        "of the poll in between, and that it is shown"
    );
}

#[tokio::test(start_paused = true)]
async fn polls_go_on_while_a_sweep_waits_for_its_answers() {
    let stage = Stage::looked(PollPlan {
        sweep_interval: Some(INTERVAL * 10),
        ..plan()
    })
    .await;
    stage.api.settle(30, 1);
    stage.more(1).await;
    // Seven pages or so, each of which takes longer than a poll is apart from the next.
    stage.api.slow_down(INTERVAL);
    stage.until("a sweep", |view| view.work.sweeps == 2).await;
    let asked = stage.api.first_pages();
    let began = asked
        .iter()
        .position(|(_, priority)| *priority == Priority::Sweep);
    let polls = asked.len() - began.unwrap() - 1;
    assert!(polls >= 3, "{polls} polls meanwhile");
    let view = stage.more(1).await;
    assert_eq!((counted(&view), view.progress), (30, None));
}

#[tokio::test(start_paused = true)]
async fn what_polls_find_is_newer_than_the_pages_of_a_sweep_under_way() {
    let stage = Stage::looked(PollPlan {
        sweep_interval: Some(INTERVAL * 10),
        ..plan()
    })
    .await;
    stage.api.settle(30, 1);
    stage.api.begin();
    stage.more(1).await;
    stage.api.slow_down(INTERVAL);
    // Its first page shows what is under way.
    let has_read = |view: &ScopeView| matches!(view.progress, Some(progress) if !progress.is_baseline && progress.rows > 0);
    stage.until("a page of a sweep", has_read).await;
    stage.api.end(1);
    let ended = stage.until("its end", |view| counted(view) == 31).await;
    assert_eq!(ended.work.sweeps, 1, "the sweep is still under way");
    let swept = stage.until("a sweep", |view| view.work.sweeps == 2).await;
    let counts = swept.counts.as_ref().unwrap();
    assert_eq!((counted(&swept), counts.open, counts.reclassified), (31, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_is_begun_again_soon_and_polls_do_not_mind() {
    let stage = Stage::looked(PollPlan {
        sweep_interval: Some(INTERVAL * 100),
        ..plan()
    })
    .await;
    stage.api.settle(9, 1);
    stage.more(1).await;
    stage.api.fail(amid_list);
    let failed = stage
        .until("a failed sweep", |view| failures(view, Reason::Rejected) == 1)
        .await;
    assert!(!is_up(&failed));
    let at = Instant::now();
    assert!(is_up(&*stage.more(1).await), "a quiet poll needs one page");
    stage.api.behave();
    stage.until("a sweep", |view| view.work.sweeps == 2).await;
    assert_eq!(at.elapsed(), INTERVAL * 10);
}

/// The first look's list is longer than its NextTokens live.
#[tokio::test(start_paused = true)]
async fn a_first_look_that_loses_its_list_twice_ends_with_what_it_has() {
    let api = Api::new();
    api.settle(30, 1);
    let mut pages = 0;
    api.fail(move |request| {
        let is_list = request.question == Question::List;
        pages = if request.token.is_none() {
            1
        } else {
            pages + usize::from(is_list)
        };
        amid_list(request).filter(|_| pages > 3)
    });
    let stage = Stage::begin(api, Disk::default(), plan(), FirstView::AtOnce).await;
    let failed = stage.until("a failure", |view| view.work.polls == 1).await;
    assert_eq!(
        (failures(&failed, Reason::Rejected), failed.counts.is_none()),
        (1, true)
    );
    let looked = stage.until("a first look", |view| view.work.successes == 1).await;
    assert_eq!((looked.work.polls, counted(&looked)), (2, 0));
    let tracked = looked.counts.as_ref().map(|counts| counts.held);
    assert_eq!(tracked, Some(12), "three pages");
    stage.api.behave();
    stage.api.settle(2, 1);
    assert_eq!(counted(&*stage.more(1).await), 2);
}

/// Not twice in a row.
#[tokio::test(start_paused = true)]
async fn a_first_look_that_fails_otherwise_is_begun_again() {
    let api = Api::new();
    api.settle(30, 1);
    let mut looks = 0;
    api.fail(move |request| {
        looks += usize::from(request.token.is_none());
        match looks {
            1 | 3 => amid_list(request),
            2 => amid_list(request).map(|_| CallError::new(Reason::Unavailable, "502")),
            _ => None,
        }
    });
    let stage = Stage::begin(api, Disk::default(), plan(), FirstView::AtOnce).await;
    let looked = stage.until("a first look", |view| view.work.successes == 1).await;
    assert_eq!(looked.work.polls, 4);
    assert_eq!(looked.counts.as_ref().map(|counts| counts.held), Some(30));
}

#[tokio::test(start_paused = true)]
async fn results_wait_ten_seconds_at_most_for_what_describe_invocations_tells() {
    let stage = Stage::looked(plan()).await;
    stage.api.settle(9, 1);
    // Names and results alike.
    stage.api.slow_down(Duration::from_secs(11));
    let view = stage.more(1).await;
    assert_eq!((counted(&view), is_up(&view)), (9, true));
    let took = view.last_poll.unwrap().took;
    assert_eq!(took, Duration::from_secs(11 * 3 + 10), "three pages");
}
