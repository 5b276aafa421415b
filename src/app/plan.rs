//! From the configuration to what each scope's poller is to do.

use std::sync::Arc;
use std::time::Duration;

use crate::aliyun::ecs::Filter;
use crate::aliyun::endpoint::Endpoint;
use crate::config::{Account, Config, Credentials, Network, RateLimit};
use crate::poll::plan::PollPlan;
use crate::record::{CommandSettings, Pauses, Settings};
use crate::result::Seconds;
use crate::selection::Selection;

/// A poller may spend this share of what its rate allows in an interval on histories of schedules; the rest is for
/// what is new and what is open.
const HISTORY_SHARE: f64 = 0.5;

/// But never less than so many requests, or nothing would move with short intervals.
const LEAST_HISTORY_BUDGET: u64 = 10;

/// Between looks in vain where there are no sweeps.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// Everything that a scope's poller depends on: one with an equal plan goes on undisturbed through a reload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) credentials: Credentials,
    pub(super) endpoint: Endpoint,
    pub(super) filter: Filter,
    pub(super) rate_limit: RateLimit,
    pub(super) request_timeout: Duration,
    /// The scopes of an account share it.
    pub(super) poll: Arc<PollPlan>,
}

impl Plan {
    /// The plan of an account in one region, with its [`polls`]. `host` is what DescribeRegions said of a discovered one.
    pub(super) fn of(
        config: &Config,
        (account, poll): (&Account, &Arc<PollPlan>),
        region_id: &str,
        host: Option<&str>,
    ) -> Self {
        let endpoint = match (&account.endpoint, host) {
            (Some(template), _) => Endpoint::configured(template, region_id),
            // Inside of a VPC never: the host that DescribeRegions names is the public one.
            (None, Some(host)) if !host.is_empty() && account.home.network == Network::Public => {
                Endpoint::named(host)
            }
            (None, _) => Endpoint::of_region(region_id, account.home.network),
        };
        Self {
            credentials: account.credentials.clone(),
            endpoint,
            filter: filter(account),
            rate_limit: config.rate_limit.clone(),
            request_timeout: config.poll.request_timeout,
            poll: Arc::clone(poll),
        }
    }

    /// The commands whose rows the API's client is to tell apart.
    pub(super) fn selection(&self) -> Option<Arc<Selection>> {
        let commands = self.poll.settings.commands.as_ref()?;
        Some(Arc::clone(&commands.selection))
    }
}

/// How the scopes of an account are polled.
pub(super) fn polls(config: &Config, account: &Account) -> Arc<PollPlan> {
    let poll = &config.poll;
    let per_interval = config.rate_limit.requests_per_second * poll.interval.as_secs_f64();
    let metrics = &config.metrics;
    let settings = Settings {
        window: seconds(poll.window),
        new_series_hold: seconds(metrics.new_series_hold),
        max_error_codes: metrics.max_error_codes,
        max_exit_codes: metrics.max_exit_codes,
        duration_buckets: metrics.duration_buckets.as_slice().into(),
        native_histograms: metrics.native_histograms,
        filter: filter(account).fingerprint(),
        pauses: Pauses {
            least: poll.interval,
            most: if poll.sweep_interval.is_zero() {
                LONGEST_PAUSE
            } else {
                poll.sweep_interval
            },
        },
        commands: (!metrics.commands.is_empty()).then(|| CommandSettings {
            selection: Arc::new(metrics.commands.clone()),
            max_commands: metrics.max_commands,
            durations: metrics.command_durations,
        }),
    };
    Arc::new(PollPlan {
        interval: poll.interval,
        min_interval: config.events.min_interval,
        sweep_interval: Some(poll.sweep_interval).filter(|interval| !interval.is_zero()),
        timeout: poll.timeout,
        history_budget: ((per_interval * HISTORY_SHARE) as u64).max(LEAST_HISTORY_BUDGET),
        discovered: account.regions.is_empty(),
        settings: Arc::new(settings),
        logged_results: config.log.results,
    })
}

fn filter(account: &Account) -> Filter {
    Filter {
        resource_group_id: account.resource_group_id.clone(),
        tags: account.tags.clone(),
    }
}

fn seconds(duration: Duration) -> Seconds {
    Seconds::try_from(duration.as_secs()).unwrap_or(Seconds::MAX)
}
