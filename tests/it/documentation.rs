//! What README.md, docs/ and deploy/ say of metrics, keys and flags is what the program has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use simulator::{AccessKey, Clock, Cloud, Fault, FaultKind, Outcome, Simulator, unix_now};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{Exporter, command, config_path};
use crate::fleet::{account, account_with};
use crate::scrape::Scrape;

type Words = BTreeSet<String>;

/// A family's type and labels, `le` aside.
type Families = BTreeMap<String, (String, Words)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Fails with what is on one side only.
fn assert_same<T: Ord + std::fmt::Debug>(
    documented: impl IntoIterator<Item = T>,
    program: impl IntoIterator<Item = T>,
) {
    let documented: BTreeSet<T> = documented.into_iter().collect();
    let program: BTreeSet<T> = program.into_iter().collect();
    assert!(
        documented == program,
        "only in README.md: {:#?}\nonly in the program: {:#?}",
        documented.difference(&program).collect::<Vec<_>>(),
        program.difference(&documented).collect::<Vec<_>>()
    );
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Words {
    words.into_iter().map(str::to_owned).collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the table under a heading of README.md.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// A scrape with something in every family.
fn families() -> Families {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    for name in [ACCOUNT, "other"] {
        let key = AccessKey::new(&format!("{name}-key"), &format!("{name}-secret"));
        cloud.add_account(name, key);
        cloud.region(name, REGION).add_settled(3, Outcome::success());
    }
    cloud.serve_credentials("/credentials", "other");
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    let directory = tempdir().unwrap();
    let key =
        format!("{{type: access_key, access_key_id: {ACCOUNT}-key, access_key_secret: {ACCOUNT}-secret}}");
    let uri = format!("{{type: credentials_uri, uri: {url}/credentials}}");
    // Of which there is none.
    let queue = format!("events: {{queue: q, endpoint: '{url}'}}");
    let config = format!(
        "accounts:\n{}{}poll: {{interval: 100ms}}\nrate_limit: {{requests_per_second: 1000, burst: 1000}}\n\
         state: {{path: ''}}\nmetrics: {{command_durations: true, commands: [{{name: heartbeat}}]}}\nevents: {{http: true}}\n",
        account_with(ACCOUNT, &url, &[REGION], &key, &queue),
        account("other", &url, &[REGION], &uri)
    );
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    assert_eq!(exporter.request("POST", "/api/v1/events", "").status, 200);
    let schedule = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(1, Outcome::failed(3));
        let invoke_id = region.run("heartbeat", 3);
        region.settle(&invoke_id, 0, Outcome::success());
        region.settle(&invoke_id, 1, Outcome::failed(3));
        region.schedule("heartbeat", "rate(5m)", 1)
    };
    simulator.faults().add(Fault::once(FaultKind::Html502));
    exporter.scrape_until("the schedule", |scrape| {
        scrape.sum("cloud_assistant_schedule_info", &[]).is_some()
    });
    simulator.cloud().region(ACCOUNT, REGION).begin_run(&schedule, 0);
    let scrape = exporter.scrape_until("a schedule's run", |scrape| {
        scrape
            .sum("cloud_assistant_schedule_last_run_timestamp_seconds", &[])
            .is_some()
    });
    let mut families = families_of(&scrape);
    families.extend(families_of(&crate::standby::Pair::start().replica(0).scrape()));
    families
}

fn families_of(scrape: &Scrape) -> Families {
    let mut families = Families::new();
    for line in scrape
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let (name, kind) = line.split_once(' ').unwrap();
        let sample = match kind {
            "histogram" => format!("{name}_bucket"),
            _ => name.to_owned(),
        };
        let labels = scrape.all(&sample).next().map(|(labels, _)| labels.clone());
        let labels = labels.unwrap_or_else(|| panic!("{name} has no sample in\n{}", scrape.text));
        let labels = labels.into_keys().filter(|label| label != "le").collect();
        families.insert(name.to_owned(), (kind.to_owned(), labels));
    }
    families
}

/// The table of README.md: name, type, more labels, meaning.
fn documented() -> Families {
    let mut documented = Families::new();
    for row in table("Metrics") {
        let labels = match row[2].strip_prefix("only ") {
            Some(labels) => labels.to_owned(),
            None if row[2] == "none" => String::new(),
            None => format!("account, region_id, {}", row[2]),
        };
        let labels = words(labels.split(", ").filter(|label| !label.is_empty()));
        for name in code(&row[0]).filter(|name| *name != "process_*") {
            documented.insert(name.to_owned(), (row[1].clone(), labels.clone()));
        }
    }
    documented
}

/// What the checks of rules, dashboards and runbooks go by.
fn vocabulary() -> Families {
    let mut vocabulary = Families::new();
    for line in read("deploy/checks/metrics.yml").lines() {
        let Some((name, rest)) = line.split_once(": {type: ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let (kind, labels) = rest.split_once(", labels: [").unwrap();
        let (labels, _) = labels.split_once(']').unwrap();
        let labels = words(labels.split(", ").filter(|label| !label.is_empty()));
        vocabulary.insert(name.to_owned(), (kind.to_owned(), labels));
    }
    vocabulary
}

#[test]
fn every_metric_is_documented_and_none_that_does_not_exist() {
    let families = families();
    let of_the_exporter: Families = families
        .iter()
        .filter(|(name, _)| !name.starts_with("process_"))
        .map(|(name, family)| (name.clone(), family.clone()))
        .collect();
    assert!(of_the_exporter.len() < families.len(), "process_* is there");

    assert_same(&documented(), &of_the_exporter);

    let vocabulary = vocabulary();
    for (name, family) in &vocabulary {
        assert_eq!(
            Some(family),
            families.get(name),
            "deploy/checks/metrics.yml: {name}"
        );
    }
    for name in of_the_exporter.keys() {
        assert!(
            vocabulary.contains_key(name),
            "deploy/checks/metrics.yml lacks {name}"
        );
    }

    // Everywhere else: no name that the program does not have.
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for name in named(&text, "cloud_assistant_") {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(&name);
            // What state.postgres.name is by default.
            let is_schema = name == "cloud_assistant_exporter";
            let exists = is_schema || families.contains_key(&name) || families.contains_key(family);
            assert!(exists, "{}: no such metric: {name}", path.display());
        }
    }
}

#[test]
fn what_contributing_leads_to_is_there() {
    let contributing = read("CONTRIBUTING.md");
    let paths = code(&contributing).filter(|code| code.starts_with("src/") || code.starts_with("tests/"));
    let gone: Vec<&str> = paths.filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn everybody_calls_the_job_by_the_name_that_the_rules_ask_for() {
    let mut files = pages();
    for more in ["deploy/docker", "deploy/helm/cloud-assistant-exporter/templates"] {
        let entries = fs::read_dir(root().join(more)).unwrap();
        files.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    let mut found = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for sign in ["job=", "job_name: ", "targetLabel: job, replacement: "] {
            for rest in text.split(sign).skip(1) {
                let name = rest.trim_start_matches(['\\', '"']);
                let name = name
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                    .next();
                // A variable, a pattern or an ellipsis is no name.
                let Some(name) = name.filter(|name| !name.is_empty()) else {
                    continue;
                };
                assert_eq!(name, "cloud-assistant-exporter", "{}: {sign}", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found}");
}

/// README.md, the pages of docs/, and everything of deploy/ that asks for metrics.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for directory in [
        "docs",
        "deploy/runbooks",
        "deploy/prometheus",
        "deploy/grafana/dashboards",
    ] {
        let entries = fs::read_dir(root().join(directory)).unwrap();
        pages.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

/// The names in a text that begin so; neither recording rules, which have colons, nor beginnings with an asterisk.
fn named(text: &str, prefix: &str) -> Words {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '*');
    text.split(|c| !is_part(c))
        .filter(|name| name.starts_with(prefix) && !name.contains([':', '*']))
        .map(str::to_owned)
        .collect()
}

/// The keys that the program knows, by where they stand, as its message about an unknown one lists them.
fn keys() -> Words {
    let mut text = "nope: 1\n".to_owned();
    for section in ["poll", "rate_limit", "log", "events"] {
        text.push_str(&format!("{section}: {{nope: 1}}\n"));
    }
    text.push_str("metrics: {nope: 1, commands: [{name: a, nope: 1, tag: {key: a, nope: 1}}]}\naccounts:\n- {nope: 1, events: {nope: 1}}\n");
    let kinds = [
        "default",
        "access_key",
        "ecs_ram_role",
        "oidc",
        "assume_role",
        "credentials_uri",
        "profile",
    ];
    for kind in kinds {
        text.push_str(&format!(
            "- {{name: {kind}, credentials: {{type: {kind}, nope: 1}}}}\n"
        ));
    }
    text.push_str("state: {nope: 1, postgres: {nope: 1}}\n");
    let directory = tempdir().unwrap();
    let path = config_path(directory.path());
    fs::write(&path, text).unwrap();
    let file = format!("--config.file={}", path.display());
    let output = command().args(["--config.check", &file]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let mut keys = Words::new();
    for line in said.lines() {
        let Some((place, known)) = line.split_once("nope: unknown key; expected one of: ") else {
            continue;
        };
        let place = place
            .rsplit(": ")
            .next()
            .unwrap()
            .replace(|c: char| c.is_ascii_digit(), "");
        for key in known.split(", ") {
            keys.insert(format!("{place}{key}"));
        }
    }
    // Those that only hold others.
    let holds_others = |key: &String| {
        keys.iter()
            .any(|other| other.starts_with(&format!("{key}.")) || other.starts_with(&format!("{key}[]")))
    };
    keys.iter().filter(|key| !holds_others(key)).cloned().collect()
}

#[test]
fn every_key_is_documented_and_none_that_does_not_exist() {
    let mut documented = Words::new();
    for row in table("Configuration") {
        let place = if row[0].starts_with('…') {
            "accounts[].credentials."
        } else {
            ""
        };
        for key in code(&row[0]) {
            documented.insert(format!("{place}{key}"));
            // As the row of access keys says.
            if row[2].contains("`…_file: PATH`") {
                documented.insert(format!("{place}{key}_file"));
            }
        }
        if row[0] == "`metrics.commands`" {
            documented.remove("metrics.commands");
            for key in ["name", "id", "tag.key", "tag.value"] {
                let last = key.rsplit('.').next().unwrap();
                assert!(code(&row[2]).any(|word| word == last), "{last}: {}", row[2]);
                documented.insert(format!("metrics.commands[].{key}"));
            }
        }
    }
    assert_same(documented, keys());
}

#[test]
fn every_flag_is_documented_and_none_that_does_not_exist() {
    let output = command().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let flags: Words = help
        .lines()
        .map(|line| {
            line.trim_start()
                .trim_start_matches("-h, ")
                .trim_start_matches("-V, ")
        })
        .filter(|line| line.starts_with("--"))
        .map(|line| line.split([' ', '<']).next().unwrap().to_owned())
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    let readme = read("README.md");
    let (_, list) = readme
        .split_once("Flags are those of the official exporters")
        .unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let listed = words(code(list).filter(|word| word.starts_with("--")));
    assert_same(&listed, &flags);
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for flag in code(&text)
            .flat_map(|code| code.split(|c: char| c.is_whitespace() || c == '='))
            .filter(|word| word.starts_with("--"))
        {
            let ours = [
                "--config.",
                "--web.",
                "--log.",
                "--health",
                "--backfill",
                "--state.",
            ]
            .iter()
            .any(|start| flag.starts_with(start));
            assert!(
                !ours || flags.contains(flag),
                "{}: no such flag: {flag}",
                path.display()
            );
        }
    }
}
