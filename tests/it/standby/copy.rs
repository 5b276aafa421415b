//! A record that one process had becomes that of replicas, and its counters go on.

use std::path::Path;
use std::process::Output;

use simulator::Outcome;

use super::pair::Pair;
use crate::exporter::{command, config_path};
use crate::stage::Stage;

fn copy(config: &Path, from: &Path) -> Output {
    command()
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--state.copy-to-postgres={}", from.display()))
        .output()
        .unwrap()
}

#[test]
fn counters_go_on_where_they_were() {
    let stage = Stage::new("", |region| {
        region.add_settled(40, Outcome::success());
    });
    stage.region(|region| {
        region.add_settled(120, Outcome::failed(9));
        region.run("open", 3)
    });
    stage.exact();
    let mut pair = Pair::begin_empty(stage.simulator);
    let from = stage.directory.path().join("state");
    let config = config_path(stage.directory.path());
    std::fs::write(&config, pair.config(0)).unwrap();
    // Not while it is in use.
    let refused = copy(&config, &from);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("is in use by"),
        "{said}"
    );
    assert!(stage.exporter.terminate().0.success());

    let copied = copy(&config, &from);
    let said = String::from_utf8(copied.stdout).unwrap();
    assert!(copied.status.success() && said.contains("1 scopes"), "{said}");
    pair.begin(0);
    pair.begin(1);
    let leader = pair.until_one_is_exact();
    pair.region(|region| region.add_settled(5, Outcome::failed(9)));
    pair.kill(leader);
    pair.until_leads(1 - leader);
    pair.until_exact(1 - leader);

    // Neither beside replicas that run, nor over a record that is there.
    let refused = copy(&config, &from);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("stop every replica"),
        "{said}"
    );
    assert!(pair.replicas[1 - leader].take().unwrap().terminate().0.success());
    let refused = copy(&config, &from);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("a record in the schema"),
        "{said}"
    );
}
