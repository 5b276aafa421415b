//! `--config.check` and `--config.check-credentials`.

use std::fmt;
use std::sync::Arc;

use prometheus::Registry;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::account::{Account, Shared};
use super::plan::{Plan, polls};
use crate::aliyun::client::Action;
use crate::aliyun::credentials::Problem;
use crate::aliyun::ecs::{Ecs, Query, Which};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::cli::Cli;
use crate::config::{self, Config};
use crate::requests::Requests;
use crate::web;

/// Everything that is wrong with the configuration, the web configuration and the listen addresses, one message each;
/// nothing when all is well.
pub fn configuration(cli: &Cli, environment: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    match super::load_config(cli, environment) {
        Ok(config) => wrong.extend(config.check_files().err().map(|error| error.to_string())),
        Err(error) => wrong.push(error.to_string()),
    }
    if let Some(path) = &cli.web_config_file {
        wrong.extend(web::check(path).err().map(|error| error.to_string()));
    }
    if !cli.web_systemd_socket {
        let refused = cli
            .web_listen_address
            .iter()
            .map(|address| web::check_address(address));
        wrong.extend(refused.filter_map(Result::err).map(|error| error.to_string()));
    }
    wrong
}

/// What a configuration without a fault says: how much is to be polled.
pub fn summary(config: &Config) -> String {
    let listed: usize = config.accounts.iter().map(|account| account.regions.len()).sum();
    let discovering = config
        .accounts
        .iter()
        .filter(|account| account.regions.is_empty())
        .count();
    let accounts = config.accounts.len();
    let scopes = match (listed, discovering) {
        (listed, 0) => format!("{listed} {}", plural(listed, "scope")),
        (0, discovering) => format!("the regions of {discovering} to be discovered"),
        (listed, discovering) => format!(
            "{listed} {} and the regions of {discovering} to be discovered",
            plural(listed, "scope")
        ),
    };
    format!(
        "The configuration is valid: {accounts} {}, {scopes}.",
        plural(accounts, "account")
    )
}

/// What came of trying the credentials and permissions of every account. Its text is for people.
#[derive(Debug, Default)]
pub struct Report {
    accounts: Vec<AccountReport>,
}

#[derive(Debug, Default)]
struct AccountReport {
    name: String,
    lines: Vec<Line>,
}

/// How a line of a report is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It may matter, and nothing that is needed fails.
    Warning,
    Problem,
}

#[derive(Debug)]
struct Line {
    verdict: Verdict,
    /// What was tried.
    subject: String,
    found: String,
}

impl Report {
    /// How much is wrong.
    pub fn problems(&self) -> usize {
        self.accounts.iter().map(AccountReport::problems).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for account in &self.accounts {
            writeln!(
                formatter,
                "account {}: {}",
                account.name,
                verdict(account.problems())
            )?;
            for line in &account.lines {
                let mark = match line.verdict {
                    Verdict::Good => "",
                    Verdict::Warning => "warning: ",
                    Verdict::Problem => "problem: ",
                };
                writeln!(formatter, "  {}: {mark}{}", line.subject, line.found)?;
            }
        }
        let (accounts, problems) = (self.accounts.len(), verdict(self.problems()));
        writeln!(
            formatter,
            "{accounts} {} checked: {problems}",
            plural(accounts, "account")
        )
    }
}

impl AccountReport {
    fn problems(&self) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.verdict == Verdict::Problem).count()
    }

    fn good(&mut self, subject: impl Into<String>, found: impl Into<String>) {
        self.line(Verdict::Good, subject.into(), found.into());
    }

    fn problem(&mut self, subject: impl Into<String>, found: impl Into<String>) {
        self.line(Verdict::Problem, subject.into(), found.into());
    }

    /// Where nothing is a problem, what is only unknown is none either.
    fn unknown(&mut self, place: usize) {
        if self.problems() == 1
            && let Some(line) = self.lines.get_mut(place)
        {
            line.verdict = Verdict::Warning;
        }
    }

    fn line(&mut self, verdict: Verdict, subject: String, found: String) {
        self.lines.push(Line {
            verdict,
            subject,
            found,
        });
    }
}

fn verdict(problems: usize) -> String {
    match problems {
        0 => "ok".to_owned(),
        problems => format!("{problems} {}", plural(problems, "problem")),
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// Tries each account as its polls would: which source its credentials come from, whose they are, and whether what
/// the exporter asks is permitted in each of its regions. Nothing is saved.
///
/// # Errors
/// When the HTTP clients cannot be set up.
pub async fn credentials(config: &Config, environment: &[(String, String)]) -> anyhow::Result<Report> {
    let requests = Arc::new(Requests::new(&Registry::new())?);
    let shared = Arc::new(super::shared(environment, requests)?);
    let config = Arc::new(config.clone());
    let mut checks = JoinSet::new();
    for (place, account) in config.accounts.iter().enumerate() {
        let (config, shared, account) = (Arc::clone(&config), Arc::clone(&shared), account.clone());
        checks.spawn(async move { (place, check(config, shared, &account).await) });
    }
    let mut accounts = checks.join_all().await;
    accounts.sort_by_key(|(place, _)| *place);
    Ok(Report {
        accounts: accounts.into_iter().map(|(_, account)| account).collect(),
    })
}

async fn check(config: Arc<Config>, shared: Arc<Shared>, account: &config::Account) -> AccountReport {
    let mut report = AccountReport {
        name: account.name.clone(),
        ..AccountReport::default()
    };
    let mut account = Account::new(&config, account, &shared, None, Vec::new(), Instant::now());
    if let Err(error) = account.provider.current().await {
        report.problem("credentials", error.to_string());
        return report;
    }
    report.good("credentials", account.provider.origin().unwrap_or_default());
    let mut unknown = None;
    match account.provider.identity().await {
        Ok(identity) => report.good(
            "identity",
            format!("{} of account {}", identity.arn, identity.account_id),
        ),
        Err(error) => {
            let is_refused = matches!(error.problem, Problem::Refused { .. });
            report.problem("identity", error.to_string());
            if is_refused {
                // What STS does not accept, no region does: the same message for each would hide this one.
                return report;
            }
            // Only who it is: polls do not ask STS where they have a key.
            unknown = Some(report.lines.len() - 1);
        }
    }
    if let Some(discovery) = &account.discovery {
        match discovery.finder.regions().await {
            Ok(found) => {
                report.good(
                    "regions",
                    format!("{} by {}", found.len(), Action::DescribeRegions.as_str()),
                );
                account.discovered(&config, Ok(found));
            }
            Err(error) => {
                report.problem(
                    "regions",
                    format!("{}: {error}", Action::DescribeRegions.as_str()),
                );
                return report;
            }
        }
    }
    let is_discovered = account.discovery.is_some();
    let mut checks = JoinSet::new();
    let poll = polls(&config, &account.config);
    for (region_id, host) in account.regions() {
        let plan = Plan::of(&config, (&account.config, &poll), &region_id, host.as_deref());
        let client = account.client(&config, &shared, &region_id, plan.endpoint);
        let ecs = Ecs::new(client, &region_id, plan.filter, None).discovered(is_discovered);
        checks.spawn(async move { (region_id, permitted(&ecs).await) });
    }
    let mut found = checks.join_all().await;
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (region_id, errors) in found {
        let unknown =
            |(_, error): &(Action, CallError)| error.code.as_deref() == Some("RegionId.ApiNotSupported");
        if errors.is_empty() {
            report.good(region_id, "ok");
        } else if is_discovered && errors.iter().any(unknown) {
            report.good(region_id, "set aside, for its API does not know Cloud Assistant");
        } else {
            for (action, error) in errors {
                report.problem(&region_id, format!("{}: {error}", action.as_str()));
            }
        }
    }
    if let Some(place) = unknown {
        report.unknown(place);
    }
    report
}

/// Asks what polls and sweeps ask; what failed, by action.
async fn permitted(ecs: &Ecs) -> Vec<(Action, CallError)> {
    let results = ecs.results(&Query::default(), Priority::Poll, None).await;
    // A host that cannot be reached, or a region that is not known, gives the same answer to the next question.
    let is_settled = results
        .as_ref()
        .is_err_and(|error| error.reason != Reason::Malformed && !error.misses_permission());
    let mut errors: Vec<_> = results
        .err()
        .map(|error| (Action::DescribeInvocationResults, error))
        .into_iter()
        .collect();
    if !is_settled {
        let schedules = ecs
            .invocations(Which::RepeatMode("Period"), None, Priority::Poll, None)
            .await;
        errors.extend(schedules.err().map(|error| (Action::DescribeInvocations, error)));
    }
    errors
}
