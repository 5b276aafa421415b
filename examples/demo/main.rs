//! The exporter and a living fleet on this machine: `make demo`.
//!
//! The fleet is the simulator's, and its clock is fast. The exporter polls once a minute, and is told by task events when
//! to look before: over HTTP, and those of staging out of a queue as well. Everything ends with Ctrl-C, and nothing is
//! left behind.

mod lateness;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cloud_assistant_exporter::app::{App, Options};
use cloud_assistant_exporter::cli::Cli;
use cloud_assistant_exporter::{config, telemetry};
use lateness::Lateness;
use simulator::{Clock, Emission, Role, Simulator, scenario};

/// Seconds of the fleet in a real one.
const SPEED: u32 = 20;

/// Where the fleet answers.
const SIMULATOR: &str = "127.0.0.1:10070";

/// Where it is shown how late results are.
const LATENESS: &str = "127.0.0.1:10071";

/// The queue of staging's events.
const QUEUE: &str = "cloud-assistant-events";

/// What the staging account is read with, so that there are credentials that expire.
const ROLE: &str = "acs:ram::123456789012:role/exporter";

fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut fleet = scenario::fleet(Clock::Fast { speed: SPEED }, 1);
    fleet.add_role(Role::new(ROLE, "staging"));
    fleet.set_account_id("production", "1234567890123456");
    fleet.set_account_id("staging", "2234567890123456");
    let scopes = fleet.scopes();
    let simulator =
        Simulator::bind(SIMULATOR.parse()?, fleet).with_context(|| format!("the fleet needs {SIMULATOR}"))?;
    simulator.cloud().queue("staging", QUEUE);
    // Until the exporter has looked once: what happens before is not counted.
    simulator.cloud().set_paused(true);
    let file = std::env::temp_dir().join(format!(
        "cloud-assistant-exporter-demo-{}.yml",
        std::process::id()
    ));
    std::fs::write(&file, configuration(&simulator, &scopes))?;
    let config = config::load(Some(&file), [])?;
    std::fs::remove_file(&file)?;
    let log = telemetry::start(config.log.level, config.log.format)?;
    let cli = Cli::parse_from(["demo", "--web.listen-address=127.0.0.1:10069"]);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let options = Options { cli, environment: Vec::new(), log: Some(log) };
        let app = App::build(options, config).await?;
        let board = app.board();
        let stop = app.stop_token();
        let mut running = std::pin::pin!(app.run());
        let looked = async {
            let mut changes = board.subscribe();
            while !board.view().scopes.values().all(|scope| scope.counts.is_some()) {
                changes.changed().await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            ended = &mut running => return ended,
            looked = tokio::time::timeout(Duration::from_secs(60), looked) => looked.context("no first look")??,
        }
        let lateness = Arc::new(Lateness::default());
        {
            let mut cloud = simulator.cloud();
            cloud.mark_baseline();
            cloud.emit(Some(Emission {
                queue: Some(QUEUE.to_owned()),
                // As Alibaba Cloud does, they take a moment.
                delay: Duration::from_millis(200)..=Duration::from_secs(2),
                ..Emission::to_http("http://127.0.0.1:10069/api/v1/events")
            }));
            cloud.set_paused(false);
        }
        announce();
        tokio::select! {
            ended = &mut running => return ended,
            () = lateness.follow(&simulator, &board) => {}
            served = Arc::clone(&lateness).serve(LATENESS) => served.with_context(|| format!("the page needs {LATENESS}"))?,
            _ = tokio::signal::ctrl_c() => stop.cancel(),
        }
        running.await
    })
}

#[allow(clippy::print_stdout, reason = "what a person who runs the demo reads")]
fn announce() {
    println!(
        "\nA fleet is running commands, and the exporter counts how they end.\n\n  \
         status page            http://127.0.0.1:10069/\n  \
         metrics                http://127.0.0.1:10069/metrics\n  \
         what was really run    http://{SIMULATOR}/simulator/truth\n  \
         how late results are   http://{LATENESS}/\n\nCtrl-C ends all.\n"
    );
}

/// Every account and region of the fleet: production with its key, the others by a role that this key may assume.
fn configuration(simulator: &Simulator, scopes: &[(String, String)]) -> String {
    let mut text = "accounts:\n".to_owned();
    for account in simulator.cloud().accounts() {
        let regions: Vec<&str> = scopes
            .iter()
            .filter(|(name, _)| *name == account)
            .map(|(_, region)| region.as_str())
            .collect();
        let url = simulator.url();
        let key = "{type: access_key, access_key_id: production-key, access_key_secret: production-secret}";
        let credentials = if account == "production" {
            format!("{}, sts_endpoint: '{url}'}}", key.trim_end_matches('}'))
        } else {
            format!("{{type: assume_role, role_arn: '{ROLE}', sts_endpoint: '{url}', source: {key}}}")
        };
        let events = match account.as_str() {
            "staging" => format!("    events: {{queue: '{url}/queues/{QUEUE}'}}\n"),
            _ => String::new(),
        };
        text.push_str(&format!(
            "  - name: {account}\n    endpoint: {url}\n    regions: [{}]\n    credentials: {credentials}\n{events}",
            regions.join(", ")
        ));
    }
    text + "poll: {interval: 60s, sweep_interval: 10m}\n\
            events: {http: true, min_interval: 1s}\n\
            rate_limit: {requests_per_second: 50, burst: 50}\n\
            state: {path: \"\"}\n\
            metrics:\n  new_series_hold: 5s\n  commands:\n  - name: heartbeat|restart-web\n  \
            - {name: '.*-kernel', tag: {key: team, value: platform}}\n"
}
