//! The skin, over real connections.

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{ACTION, ask, get, read_from, resign, send, signed, wait_until, write_to};
use crate::clock::{unix_now, utc};
use crate::signature::Request;
use crate::{AccessKey, ApiError, Clock, Cloud, Fault, FaultKind, Outcome, Simulator};

fn simulator() -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("id", "secret"));
    cloud
        .region("a", "cn-hangzhou")
        .add_settled(120, Outcome::success());
    Simulator::start(cloud)
}

#[test]
fn a_signed_request_is_answered_and_noted() {
    let simulator = simulator();
    let answer = ask(&simulator, "RegionId=cn-hangzhou&MaxResults=50").unwrap();
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.headers["content-type"], "application/json;charset=utf-8");
    let body = answer.json();
    assert_eq!(answer.headers["x-acs-request-id"], body["RequestId"]);
    let token = answer.token();
    let encoded = percent_encoding::utf8_percent_encode(&token, percent_encoding::NON_ALPHANUMERIC);
    ask(
        &simulator,
        &format!("RegionId=cn-hangzhou&MaxResults=50&NextToken={encoded}"),
    )
    .unwrap();
    ask(&simulator, "RegionId=cn-nowhere").unwrap();
    let requests = simulator.requests();
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.action.as_str()), ("POST", ACTION));
    assert_eq!(
        (first.account.as_deref(), first.region.as_str()),
        (Some("a"), "cn-hangzhou")
    );
    assert_eq!(first.parameters["MaxResults"], "50");
    assert_eq!(first.headers["x-acs-version"], "2014-05-26");
    assert!(first.signed && !first.page_token && first.status == 200 && first.fault.is_none());
    assert!(!first.headers.contains_key("authorization"));
    assert!(requests[1].page_token && requests[1].status == 200);
    assert_eq!(
        (requests[2].status, requests[2].code.as_deref()),
        (404, Some("InvalidRegionId.NotFound"))
    );
    simulator.forget_requests();
    assert!(simulator.requests().is_empty());
}

#[test]
fn parameters_come_from_query_and_form() {
    let simulator = simulator();
    let rows = |request: &Request| {
        let answer = send(&simulator, request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["Invocation"]["InvocationResults"]["InvocationResult"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        rows(&signed(
            &simulator,
            "GET",
            "RegionId=cn-hangzhou&MaxResults=20",
            ""
        )),
        20
    );
    assert_eq!(
        rows(&signed(
            &simulator,
            "POST",
            "",
            "RegionId=cn-hangzhou&MaxResults=30"
        )),
        30
    );
    assert_eq!(
        rows(&signed(
            &simulator,
            "POST",
            "RegionId=cn-hangzhou",
            "MaxResults=40"
        )),
        40
    );
}

#[test]
fn an_error_has_the_documented_body() {
    let simulator = simulator();
    let answer = ask(&simulator, "RegionId=cn-nowhere").unwrap();
    let body = answer.json();
    let id = body["RequestId"].as_str().unwrap();
    let expected = json!({
        "RequestId": id,
        "HostId": simulator.address().to_string(),
        "Code": "InvalidRegionId.NotFound",
        "Message": "The RegionId provided does not exist in our records.",
        "Recommend": format!("https://api.aliyun.com/troubleshoot?q=InvalidRegionId.NotFound&product=Ecs&requestId={id}"),
    });
    assert_eq!((answer.status, &body), (404, &expected));
    assert_eq!(answer.headers["x-acs-request-id"], id);
    simulator.cloud().deny("a", ACTION, None);
    let denied = ask(&simulator, "RegionId=cn-hangzhou").unwrap();
    assert_eq!((denied.status, denied.code().as_str()), (403, "Forbidden.RAM"));
    assert!(denied.json()["AccessDeniedDetail"].is_object());
}

#[test]
fn requests_that_are_not_signed_right_get_nothing() {
    let simulator = simulator();
    let code = |change: &dyn Fn(&mut Request)| {
        let mut request = signed(&simulator, "POST", "RegionId=cn-hangzhou", "");
        change(&mut request);
        send(&simulator, &request).unwrap().code()
    };
    let set = |request: &mut Request, name: &str, value: &str| {
        let header = request
            .headers
            .iter_mut()
            .find(|(other, _)| other == name)
            .unwrap();
        value.clone_into(&mut header.1);
        *request = resign(request);
    };
    assert_eq!(
        code(&|request| request.query.push_str("&MaxResults=50")),
        "SignatureDoesNotMatch"
    );
    assert_eq!(
        code(&|request| request.headers.retain(|(name, _)| name != "authorization")),
        "MissingParameter.AccessKeyId"
    );
    assert_eq!(
        code(&|request| set(request, "x-acs-date", &utc(unix_now() - 1_000))),
        "InvalidTimeStamp.Expired"
    );
    assert_eq!(
        code(&|request| set(request, "x-acs-date", "yesterday")),
        "InvalidTimeStamp.Format"
    );
    assert_eq!(
        code(&|request| set(request, "x-acs-version", "2014-05-27")),
        "InvalidAction.NotFound"
    );
    assert_eq!(
        code(&|request| set(request, "x-acs-action", "RunCommand")),
        "InvalidAction.NotFound"
    );
    assert_eq!(code(&|request| set(request, "x-acs-signature-nonce", "n")), "");
    assert_eq!(
        code(&|request| set(request, "x-acs-signature-nonce", "n")),
        "SignatureNonceUsed"
    );
    assert_eq!(
        simulator
            .requests()
            .iter()
            .filter(|received| received.signed)
            .count(),
        3
    );

    simulator.set_clock_skew(1_000);
    assert_eq!(code(&|_| {}), "InvalidTimeStamp.Expired");
    simulator.set_date_tolerance(Duration::from_secs(2_000));
    assert_eq!(code(&|_| {}), "");
}

#[test]
fn a_connection_is_kept() {
    let simulator = simulator();
    let mut stream = TcpStream::connect(simulator.address()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..3 {
        write_to(
            &mut stream,
            &signed(&simulator, "POST", "RegionId=cn-hangzhou", ""),
        );
        assert_eq!(read_from(&mut reader).unwrap().status, 200);
    }
}

#[test]
fn every_fault_does_what_its_name_says() {
    for kind in FaultKind::every() {
        let kind = if matches!(kind, FaultKind::Giant(_)) {
            FaultKind::Giant(3 << 20)
        } else {
            kind
        };
        if kind == FaultKind::Hang {
            continue;
        }
        let simulator = simulator();
        simulator
            .faults()
            .add(Fault::once(kind.clone()).within("cn-hangzhou"));
        let asked = Instant::now();
        let answer = ask(&simulator, "RegionId=cn-hangzhou&MaxResults=50");
        let took = asked.elapsed();
        assert_eq!(simulator.requests()[0].fault, Some(kind.name()));
        assert!(simulator.requests()[0].signed, "{kind:?}");
        let Some(answer) = answer else {
            assert_eq!(kind, FaultKind::CutHeaders);
            assert_eq!(simulator.requests()[0].status, 0);
            continue;
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let list = answer.json()["Invocation"]["InvocationResults"]["InvocationResult"].is_array();
        assert_eq!(answer.whole, kind != FaultKind::CutBody, "{kind:?}");
        match &kind {
            FaultKind::ThrottleHeader { retry_after_ms } => {
                assert_eq!((answer.status, answer.code().as_str()), (400, "Throttling.User"));
                assert_eq!(answer.headers["x-acs-retry-after"], retry_after_ms.to_string());
            }
            FaultKind::ThrottleCode { status, code } => {
                assert_eq!((answer.status, &answer.code()), (*status, code));
                assert!(!answer.headers.contains_key("x-acs-retry-after"));
            }
            FaultKind::Error(ApiError { status, code, .. }) => {
                assert_eq!((answer.status, &answer.code()), (*status, code));
            }
            FaultKind::LowerCaseError(error) => {
                assert_eq!(
                    (answer.status, &answer.json()["code"]),
                    (error.status, &json!(error.code))
                );
            }
            FaultKind::XmlError(error) => assert!(text.contains(&format!("<Code>{}</Code>", error.code))),
            FaultKind::Status429 => assert!(answer.status == 429 && answer.json().is_null()),
            FaultKind::Html502 => assert!(answer.status == 502 && text.starts_with("<html>")),
            FaultKind::PlainStatus(status) => assert!(answer.status == *status && answer.json().is_null()),
            FaultKind::Slow(delay) => assert!(list && took >= *delay),
            FaultKind::CutBody => assert!(answer.status == 200 && !answer.body.is_empty()),
            FaultKind::Giant(bytes) => assert!(answer.status == 200 && answer.body.len() as u64 > *bytes),
            FaultKind::NotJson | FaultKind::CutJson => {
                assert!(answer.status == 200 && answer.json().is_null() && !text.is_empty());
            }
            FaultKind::EmptyBody => assert!(answer.status == 200 && text.is_empty()),
            FaultKind::MissingField => assert!(answer.status == 200 && answer.json().is_object() && !list),
            FaultKind::RepeatedToken | FaultKind::RepeatPage => assert!(list),
            FaultKind::Redirect => assert!(answer.status == 302 && answer.headers.contains_key("location")),
            FaultKind::Hang | FaultKind::CutHeaders => panic!("{kind:?} has no answer"),
        }
        let next = ask(&simulator, "RegionId=cn-hangzhou").unwrap();
        assert_eq!(next.status, 200, "after {kind:?}");
        assert_eq!(simulator.requests()[1].fault, None);
    }
}

#[test]
fn pages_can_go_round_in_a_circle() {
    let simulator = simulator();
    let page = |token: &str| {
        let token = percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
        ask(
            &simulator,
            &format!("RegionId=cn-hangzhou&MaxResults=50&NextToken={token}"),
        )
        .unwrap()
    };
    let first = page("");
    let second = page(&first.token());
    simulator.faults().add(Fault::once(FaultKind::RepeatedToken));
    let looping = page(&first.token());
    assert_eq!(
        (looping.token(), looping.first_row()),
        (first.token(), second.first_row())
    );
    simulator.faults().add(Fault::once(FaultKind::RepeatPage));
    let again = page(&first.token());
    assert_eq!(
        (again.token(), again.first_row()),
        (second.token(), first.first_row())
    );
}

#[test]
fn a_request_that_hangs_is_in_flight_until_somebody_leaves() {
    let simulator = simulator();
    simulator.faults().add(Fault::once(FaultKind::Hang).times(2));
    let hang = || {
        let mut stream = TcpStream::connect(simulator.address()).unwrap();
        write_to(
            &mut stream,
            &signed(&simulator, "POST", "RegionId=cn-hangzhou", ""),
        );
        stream
    };
    let (one, mut other) = (hang(), hang());
    wait_until("two in flight", || simulator.in_flight() == 2);
    assert_eq!(
        ask(&simulator, "RegionId=cn-hangzhou").unwrap().status,
        200,
        "others are served"
    );
    drop(one);
    wait_until("one in flight", || simulator.in_flight() == 1);
    assert_eq!(simulator.max_in_flight(), 3);
    drop(simulator);
    assert_eq!(other.read(&mut [0; 1]).unwrap_or(0), 0, "closed");
}

#[test]
fn every_answer_can_be_made_to_wait() {
    let simulator = simulator();
    simulator.set_latency(Duration::from_millis(30));
    let asked = Instant::now();
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 200);
    assert!(asked.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_simulator_can_stop_and_come_back_with_its_cloud() {
    let simulator = simulator();
    let (address, cloud) = (simulator.address(), simulator.shared_cloud());
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 200);
    simulator.stop();
    assert!(TcpStream::connect(address).is_err());
    let simulator = Simulator::bind_shared(address, cloud).unwrap();
    assert_eq!(simulator.url(), format!("http://{address}"));
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 200);
    assert_eq!(simulator.cloud().truth("a", "cn-hangzhou").total(), 120);
}

#[test]
fn the_control_plane_tells_the_truth_and_changes_it() {
    let simulator = simulator();
    let post = |path: &str| get(&simulator, "POST", &format!("/simulator/{path}"));
    let scope = |simulator: &Simulator| get(simulator, "GET", "/simulator/truth").json()["scopes"][0].clone();
    ask(&simulator, "RegionId=cn-hangzhou").unwrap();
    assert_eq!(
        get(&simulator, "GET", "/simulator/requests").json()["by_action_and_region"][ACTION]["cn-hangzhou"],
        1
    );
    assert_eq!(scope(&simulator)["truth"]["by_status"], json!({"Success": 120}));
    assert_eq!(post("baseline").status, 200);
    let ran = post("run?account=a&region=cn-hangzhou&command=x&instances=3").json();
    let id = ran["invoke_id"].as_str().unwrap();
    assert_eq!(scope(&simulator)["truth"]["open"], json!({"Pending": 3}));
    assert_eq!(
        post(&format!(
            "settle?account=a&region=cn-hangzhou&invoke_id={id}&status=Failed&exit_code=4"
        ))
        .status,
        200
    );
    assert_eq!(
        post("add-settled?account=a&region=cn-hangzhou&count=2&status=Timeout").status,
        200
    );
    // Nothing drives this cloud.
    assert_eq!(
        post("trouble?account=a&region=cn-hangzhou&kind=BadRollout").status,
        400
    );
    let since = &scope(&simulator)["since_baseline"];
    assert_eq!(since["by_status"], json!({"Failed": 3, "Timeout": 2}));
    let settled = get(&simulator, "GET", "/simulator/settled").json()[0]["results"].clone();
    let settled = settled.as_array().unwrap();
    assert_eq!(settled.len(), 5, "as many as are counted");
    let failed = settled.iter().find(|result| result["invoke_id"] == id).unwrap();
    assert_eq!(
        (&failed["exit_code"], &failed["command"]),
        (&json!("4"), &json!("x"))
    );
    assert_eq!(
        since["results"][0],
        json!({"invocation_status": "Failed", "error_code": "ExitCodeNonzero", "exit_code": "4", "count": 3})
    );
    let before = simulator.cloud().now();
    assert_eq!(post("advance?seconds=60").status, 200);
    assert_eq!(simulator.cloud().now(), before + 60);
    assert_eq!(post("fault?kind=Html502&times=5").status, 200);
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 502);
    assert_eq!(post("clear-faults").status, 200);
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 200);
    assert_eq!(post("forget-requests").status, 200);
    assert!(simulator.requests().is_empty());
    for wrong in [
        "nonsense",
        "run",
        "advance",
        "settle?account=a&region=x&invoke_id=t-1",
        "fault?kind=x",
        "run?account=b&region=x&command=x&instances=1",
    ] {
        assert_eq!(post(wrong).status, 400, "{wrong}");
    }
}

#[test]
fn the_control_plane_makes_a_region_misbehave_and_behave() {
    let simulator = simulator();
    let post = |path: &str| get(&simulator, "POST", &format!("/simulator/{path}"));
    let rows = || {
        let body = ask(&simulator, "RegionId=cn-hangzhou&MaxResults=50")
            .unwrap()
            .json();
        let rows = &body["Invocation"]["InvocationResults"]["InvocationResult"];
        (rows.as_array().unwrap().len(), rows[0]["Dropped"].clone())
    };
    let scope = "account=a&region=cn-hangzhou";
    let before = rows();
    let begun = post(&format!("misbehave?{scope}&effect=hide&list=Pages&answers=1"));
    assert_eq!((begun.status, begun.json()), (200, json!({"number": 1})));
    let shown = get(&simulator, "GET", "/simulator/misbehaviour").json();
    assert_eq!(shown[0]["misbehaviour"][0]["number"], 1);
    assert_eq!(rows().0, 0);
    assert_eq!(rows(), before);
    let begun = post(&format!(
        "misbehave?{scope}&effect=show&field=Dropped&value=null&for=60"
    ));
    assert_eq!(begun.json(), json!({"number": 2}));
    assert_eq!(rows(), (50, Value::Null));
    assert_eq!(post("advance?seconds=60").status, 200);
    assert_eq!(rows(), before);
    let refuse = "effect=refuse&code=InvalidParameter.NextToken";
    assert_eq!(post(&format!("misbehave?{scope}&{refuse}&in=10")).status, 200);
    assert_eq!(rows(), before, "not yet");
    assert_eq!(post("advance?seconds=10").status, 200);
    assert_eq!(ask(&simulator, "RegionId=cn-hangzhou").unwrap().status, 400);
    assert_eq!(post(&format!("behave?{scope}&number=3")).status, 200);
    assert_eq!(rows(), before);
    assert_eq!(post(&format!("behave?{scope}")).status, 200);
    let pause = "fault?kind=ThrottleHeader&retry_after_ms=60000&times=forever&action=DescribeInvocations";
    assert_eq!(post(pause).status, 200);
    assert_eq!(rows(), before, "another action has the pause");
    for wrong in [
        "misbehave?account=b&region=x&effect=hide".to_owned(),
        format!("misbehave?{scope}"),
        format!("misbehave?{scope}&effect=show&field=x"),
        format!("misbehave?{scope}&effect=hide&list=Nonsense"),
        format!("misbehave?{scope}&effect=hide&run=x"),
        format!("behave?{scope}&number=x"),
    ] {
        assert_eq!(post(&wrong).status, 400, "{wrong}");
    }
}

#[test]
fn a_clock_that_moves_by_itself_moves_the_fleet_unless_it_is_paused() {
    let mut cloud = crate::scenario::fleet(Clock::Fast { speed: 600 }, 1);
    cloud.set_paused(true);
    let simulator = Simulator::start(cloud);
    let open = || {
        simulator
            .cloud()
            .truth("production", "cn-hangzhou")
            .open
            .values()
            .sum::<u64>()
    };
    let before = open();
    assert_eq!(before, 18, "only the schedules");
    simulator.cloud().set_paused(false);
    wait_until("a launch", || open() > before);
}
