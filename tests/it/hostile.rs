//! Answers that the API does not document, from a server of our own: what is usable counts, and nothing else is hurt.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::{TempDir, tempdir};

use crate::exporter::Exporter;
use crate::scrape::Scrape;

const UP: &str = "cloud_assistant_up";
const FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";

/// Answers a question, an action and a query, with a status, headers and a body.
type Answers = fn(&str, &str) -> (u16, String, Vec<u8>);

/// Serves each connection once.
fn serve(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(stream.unwrap(), answers));
        }
    });
    address
}

/// The exporter may go away while it is answered, so that writing may fail.
fn answer(mut stream: TcpStream, answers: Answers) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let target = lines.next()?.ok()?;
    let mut action = String::new();
    for line in lines {
        let line = line.ok()?;
        if let Some(value) = line.strip_prefix("x-acs-action: ") {
            action = value.to_owned();
        }
        if line.is_empty() {
            break;
        }
    }
    let (status, headers, body) = answers(&action, &target);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nx-acs-request-id: R-1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn json(body: &str) -> (u16, String, Vec<u8>) {
    (200, String::new(), body.as_bytes().to_vec())
}

fn start(answers: Answers, regions: &str, more: &str) -> (Exporter, TempDir) {
    let directory = tempdir().unwrap();
    let address = serve(answers);
    let config = format!(
        "accounts:\n  - name: a\n    endpoint: http://{address}\n    regions: [{regions}]\n    credentials: \
         {{type: access_key, access_key_id: k, access_key_secret: s}}\nstate: {{path: ''}}\n\
         poll: {{interval: 1s, sweep_interval: 0, request_timeout: 20s}}\n{more}"
    );
    (Exporter::start(directory.path(), &config), directory)
}

/// The failed polls of a scope, once there is one.
fn failed(exporter: &Exporter, reason: &str) -> (Scrape, String) {
    let scrape = exporter.scrape_until("a failed poll", |scrape| {
        scrape.sum(FAILURES, &[]).is_some_and(|count| count > 0.0)
    });
    assert_eq!(
        scrape.value(FAILURES, &[("reason", reason)]),
        scrape.value(FAILURES, &[])
    );
    (scrape, exporter.logged("poll failed"))
}

const EMPTY: &str = r#"{"Invocation":{"InvocationResults":{"InvocationResult":[]}}}"#;

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    cloud_assistant_exporter::timestamp::rfc3339(seconds as u32)
}

fn odd(action: &str, target: &str) -> (u16, String, Vec<u8>) {
    match action {
        "DescribeRegions" => json(
            r#"{"RequestId":7,"Regions":{"Region":[null,{"RegionId":null},{"RegionId":"cn-odd","RegionEndpoint":null},
            {"RegionId":"cn-good","RegionEndpoint":"127.0.0.1:1"}]}}"#,
        ),
        "DescribeInvocations" => json(
            r#"{"Invocations":{"Invocation":[null,{"InvokeId":null,"CommandId":"c-1"},
            {"InvokeId":"t-2","ContainerId":null,"CommandId":"c-2","CommandName":12,"InvokeInstances":null},
            {"InvokeId":"t-1","ContainerId":null,"CommandId":"c-1","CommandName":"two\r\u2028lines",
             "InvokeInstances":{"InvokeInstance":[null,{"InstanceId":null},{"InstanceId":"i-1"}]}}]}}"#,
        ),
        _ if target.contains("NextToken=8") => json(&format!(
            r#"{{"Invocation":{{"NextToken":null,"InvocationResults":{{"InvocationResult":[
            {{"InvokeId":"t-2","InstanceId":"i-1","CommandId":"c-2","InvocationStatus":"Odd\u2029one","FinishedTime":"{}"}}]}}}}}}"#,
            now()
        )),
        _ => json(&format!(
            r#"{{"Invocation":{{"NextToken":8,"InvocationResults":{{"InvocationResult":[1e999,"\ud800",
            {{"InvokeId":"t-1","InstanceId":"i-1","CommandId":"c-1","InvocationStatus":"Failed","ExitCode":1,
              "ErrorCode":"a\rb\u2028c\u0085d\u001ce","Output":"\ud800","\udc00":1e999,"FinishedTime":"{}"}}]}}}}}}"#,
            now()
        )),
    }
}

#[test]
fn odd_entries_cost_themselves_and_a_scrape_has_the_lines_that_it_shows() {
    let (exporter, _directory) = start(
        odd,
        "",
        "metrics: {commands: [{name: '.*'}], new_series_hold: 0s}\n",
    );
    let name = [("command", "two\u{fffd}\u{fffd}lines")];
    let scrape = exporter.scrape_until("both regions and the name", |scrape| {
        scrape.sum(UP, &[]) == Some(2.0)
            && scrape
                .sum("cloud_assistant_command_recent_results", &name)
                .is_some_and(|count| count >= 2.0)
    });
    for region in ["cn-odd", "cn-good"] {
        let of = |labels: &[(&str, &str)]| {
            let labels = [&[("region_id", region)], labels].concat();
            scrape.sum("cloud_assistant_recent_results", &labels)
        };
        assert_eq!(
            of(&[("error_code", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e")]),
            Some(1.0)
        );
        assert_eq!(of(&[("invocation_status", "Odd\u{fffd}one")]), Some(1.0));
        let own = |name: &str| scrape.sum(name, &[("region_id", region)]).unwrap();
        assert_eq!(
            own("cloud_assistant_exporter_skipped_rows_total"),
            2.0 * own("cloud_assistant_exporter_polls_total"),
            "two in each poll"
        );
    }
    // As Datadog's check reads it.
    let program = "import sys; text = sys.stdin.buffer.read().decode(); \
                   sys.exit(0 if text.splitlines() == text[:-1].split('\\n') else text.splitlines())";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let body = exporter.get("/metrics").body;
    child.stdin.take().unwrap().write_all(&body).unwrap();
    assert!(child.wait().unwrap().success());
}

/// 63 MiB of objects in 64 KB of gzip. They took 5.2 GB.
fn bomb(action: &str, _: &str) -> (u16, String, Vec<u8>) {
    let (head, tail) = match action {
        "DescribeRegions" => (r#"{"Regions":{"Region":["#, "]}}"),
        "DescribeInvocations" => (r#"{"Invocations":{"Invocation":["#, "]}}"),
        _ => (
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":["#,
            "]}}}",
        ),
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(head.as_bytes()).unwrap();
    for _ in 0..63 << 4 {
        gzip.write_all("{},".repeat((64 << 10) / 3).as_bytes()).unwrap();
    }
    gzip.write_all(b"{}").unwrap();
    gzip.write_all(tail.as_bytes()).unwrap();
    (
        200,
        "Content-Encoding: gzip\r\n".to_owned(),
        gzip.finish().unwrap(),
    )
}

#[test]
fn a_large_answer_of_small_things_takes_no_memory_but_its_own() {
    let (exporter, _directory) = start(bomb, "cn-hangzhou", "");
    let (_, line) = failed(&exporter, "malformed");
    assert!(line.contains("an answer with more than 100 rows"), "{line}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.process_id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!(
        "most memory while 63 MiB of rows were read: {} MiB",
        kilobytes >> 10
    );
    assert!(kilobytes < 300 << 10, "{peak}");
}

#[test]
fn an_error_with_a_good_status_is_what_its_code_says() {
    let (exporter, _directory) = start(
        |_, _| json(r#"{"RequestId":"R-200","Code":"Forbidden.RAM","Message":"no"}"#),
        "cn-hangzhou",
        "",
    );
    let (_, line) = failed(&exporter, "denied");
    assert!(
        line.contains("request_id=R-200") && line.contains("grant the RAM action"),
        "{line}"
    );
    let (exporter, _directory) = start(
        |_, _| {
            (
                403,
                String::new(),
                b"<Error><RequestId>R-XML</RequestId><Code>NoPermission</Code></Error>".to_vec(),
            )
        },
        "cn-hangzhou",
        "",
    );
    let (_, line) = failed(&exporter, "denied");
    assert!(
        line.contains("request_id=R-XML") && line.contains("code=NoPermission"),
        "{line}"
    );
}

#[test]
fn a_discovered_region_that_the_api_does_not_know_is_to_be_excluded() {
    let answers: Answers = |action, target| match action {
        "DescribeRegions" => {
            json(r#"{"Regions":{"Region":[{"RegionId":"cn-good"},{"RegionId":"cn-gone"}]}}"#)
        }
        _ if target.contains("cn-gone") => (
            404,
            String::new(),
            br#"{"Code":"InvalidRegionId.NotFound","RequestId":"R"}"#.to_vec(),
        ),
        "DescribeInvocations" => json(r#"{"Invocations":{"Invocation":[]}}"#),
        _ => json(EMPTY),
    };
    let (exporter, _directory) = start(answers, "", "");
    let (_, line) = failed(&exporter, "rejected");
    assert!(
        line.contains("add cn-gone to the account") && line.contains("exclude_regions"),
        "{line}"
    );
    exporter.scrape_until("the other region", |scrape| {
        scrape.sum(UP, &[("region_id", "cn-good")]) == Some(1.0)
    });
    // Where the configuration names it, that is to be corrected.
    let (exporter, _directory) = start(answers, "cn-gone", "");
    let (_, line) = failed(&exporter, "rejected");
    assert!(line.contains("correct the account"), "{line}");
}
