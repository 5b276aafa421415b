//! The control plane: unsigned, for scripts that have no other hold on a simulator than its port.

mod misbehaviour;

use std::collections::BTreeMap;

use hyper::Response;
use serde_json::{Value, json};

use crate::answer::{self, Answer, JSON};
use crate::shared::Shared;
use crate::signature::{Request, pairs};
use crate::{ApiError, DOCUMENTED, Fault, FaultKind, InvocationStatus, Outcome, truth};

/// Answers `/simulator/…`.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Response<Answer> {
    let parameters: BTreeMap<String, String> = pairs(&request.query).into_iter().collect();
    let name = request.path.trim_start_matches("/simulator/");
    let done = match (request.method.as_str(), name) {
        ("GET", "truth") => Ok(counts(shared)),
        ("GET", "settled") => Ok(settled(shared)),
        ("GET", "misbehaviour") => Ok(misbehaviours(shared)),
        ("GET", "requests") => Ok(requests(shared)),
        ("GET", "errors") => Ok(documented_errors()),
        ("POST", name) => change(shared, name, &parameters),
        _ => Err(format!("there is no {} {}", request.method, request.path)),
    };
    match done {
        Ok(body) => answer::whole(200, JSON, format!("{body:#}\n")),
        Err(why) => answer::whole(400, JSON, format!("{:#}\n", json!({ "error": why }))),
    }
}

fn counts(shared: &Shared) -> Value {
    let cloud = shared.cloud();
    let scopes: Vec<Value> = cloud
        .scopes()
        .into_iter()
        .map(|(account, region)| {
            let held = cloud.find_region(&account, &region);
            json!({
                "account": account,
                "region_id": region,
                "rows": held.map(crate::Region::rows),
                "truth": cloud.truth(&account, &region).to_json(),
                "since_baseline": cloud.truth_since_baseline(&account, &region).to_json(),
            })
        })
        .collect();
    json!({ "now": cloud.now_text(), "scopes": scopes })
}

/// Every result that has settled since the baseline.
fn settled(shared: &Shared) -> Value {
    let cloud = shared.cloud();
    let scopes = cloud.scopes().into_iter();
    scopes
        .filter_map(|(account, region_id)| {
            let invocations = cloud.find_region(&account, &region_id)?.invocations.values();
            let results: Vec<Value> = invocations.flat_map(truth::settled_since_baseline).collect();
            Some(json!({"account": account, "region_id": region_id, "results": results}))
        })
        .collect()
}

fn misbehaviours(shared: &Shared) -> Value {
    let cloud = shared.cloud();
    let scopes = cloud.scopes().into_iter();
    scopes
        .filter_map(|(account, region_id)| {
            let region = cloud.find_region(&account, &region_id)?;
            let all = misbehaviour::show(region);
            Some(json!({"account": account, "region_id": region_id, "misbehaviour": all}))
        })
        .collect()
}

/// Every documented error, for those who want to see each.
fn documented_errors() -> Value {
    let errors = DOCUMENTED.iter();
    errors
        .map(|(status, code, message)| json!({"status": status, "code": code, "message": message}))
        .collect()
}

fn requests(shared: &Shared) -> Value {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let (mut refused, mut open) = (0, 0);
    let requests = shared.requests();
    for received in &requests {
        *counts
            .entry(received.action.clone())
            .or_default()
            .entry(received.region.clone())
            .or_default() += 1;
        refused += u64::from(received.status >= 400);
        open += u64::from(received.status == 0);
    }
    json!({ "total": requests.len(), "refused": refused, "without_answer": open, "by_action_and_region": counts,
        "in_flight": shared.in_flight(), "max_in_flight": shared.max_in_flight() })
}

fn change(shared: &Shared, name: &str, parameters: &BTreeMap<String, String>) -> Result<Value, String> {
    let text = |name: &str| {
        parameters
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| format!("{name} is missing"))
    };
    let number = |name: &str| {
        text(name)?
            .parse::<i64>()
            .map_err(|_| format!("{name} is not a number"))
    };
    let mut cloud = shared.cloud();
    match name {
        "baseline" => cloud.mark_baseline(),
        "pause" => cloud.set_paused(true),
        "resume" => cloud.set_paused(false),
        "tick" => {
            let now = cloud.now();
            cloud.tick(now);
        }
        "advance" => {
            let seconds = number("seconds")?;
            if cloud.clock.runs_by_itself() {
                return Err("the clock moves by itself".to_owned());
            }
            cloud.advance(seconds);
        }
        "run" => {
            let instances = usize::try_from(number("instances")?).map_err(|error| error.to_string())?;
            if !cloud.accounts.contains_key(text("account")?) || instances == 0 {
                return Err("no such account, or no instances".to_owned());
            }
            let invoke_id = cloud
                .region(text("account")?, text("region")?)
                .run(text("command")?, instances);
            return Ok(json!({ "invoke_id": invoke_id.as_str() }));
        }
        "settle" => {
            let outcome = outcome(parameters)?;
            if !cloud.accounts.contains_key(text("account")?) {
                return Err("no such account".to_owned());
            }
            let region = cloud.region(text("account")?, text("region")?);
            let invoke_id = text("invoke_id")?;
            if !region.sequences.contains_key(invoke_id) {
                return Err(format!("there is no {invoke_id}"));
            }
            region.settle_all(invoke_id, &outcome);
        }
        "add-settled" => {
            let outcome = outcome(parameters)?;
            let count = usize::try_from(number("count")?).map_err(|error| error.to_string())?;
            if !cloud.accounts.contains_key(text("account")?) {
                return Err("no such account".to_owned());
            }
            cloud
                .region(text("account")?, text("region")?)
                .add_settled(count, outcome);
        }
        "misbehave" | "behave" => {
            if !cloud.accounts.contains_key(text("account")?) {
                return Err("no such account".to_owned());
            }
            let region = cloud.region(text("account")?, text("region")?);
            if name == "misbehave" {
                let number = region.misbehave(misbehaviour::read(parameters, region.now)?);
                return Ok(json!({ "number": number }));
            }
            match misbehaviour::number(parameters, "number")? {
                Some(number) => region.lift(number),
                None => region.behave(),
            }
        }
        "trouble" => cloud.trouble(text("account")?, text("region")?, text("kind")?)?,
        "fault" => shared.faults.add(fault(parameters)?),
        "clear-faults" => shared.faults.clear(),
        "forget-requests" => {
            drop(cloud);
            shared.forget_requests();
        }
        _ => return Err(format!("there is no POST /simulator/{name}")),
    }
    Ok(json!({ "done": name }))
}

/// `kind=Html502&times=2&action=…&account=…&region=…&skip=1`, or `kind=Error&status=…&code=…&message=…`, or
/// `kind=ThrottleHeader&retry_after_ms=…`. `times=forever` is for good.
fn fault(parameters: &BTreeMap<String, String>) -> Result<Fault, String> {
    let text = |name: &str| parameters.get(name).cloned();
    let number = |name: &str, usual: usize| match parameters.get(name) {
        Some(text) => text.parse().map_err(|_| format!("{name} is not a number")),
        None => Ok(usual),
    };
    let name = text("kind").unwrap_or_default();
    let kind = match name.as_str() {
        "Error" => {
            let status = number("status", 500)?
                .try_into()
                .map_err(|_| "no such status".to_owned())?;
            let code = text("code").unwrap_or_default();
            FaultKind::Error(ApiError::new(status, code, text("message").unwrap_or_default()))
        }
        "ThrottleHeader" => FaultKind::ThrottleHeader {
            retry_after_ms: misbehaviour::number(parameters, "retry_after_ms")?.unwrap_or(50),
        },
        name => FaultKind::every()
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("there is no fault {name}"))?,
    };
    Ok(Fault {
        action: text("action"),
        account: text("account"),
        region: text("region"),
        parameter: text("parameter"),
        skip: number("skip", 0)?,
        times: match parameters.get("times").map(String::as_str) {
            Some("forever") => Fault::FOREVER,
            _ => number("times", 1)?,
        },
        kind,
    })
}

/// `status=Failed&exit_code=3&error_code=…`, with what is usual for the status where nothing is said.
fn outcome(parameters: &BTreeMap<String, String>) -> Result<Outcome, String> {
    let status = parameters.get("status").map_or("Success", String::as_str);
    let status: InvocationStatus = status.parse()?;
    if status.is_open() {
        return Err(format!("nothing ends as {status}"));
    }
    let mut outcome = Outcome::with_status(status);
    if let Some(code) = parameters.get("exit_code") {
        outcome.exit_code = Some(code.parse().map_err(|_| "exit_code is not a number".to_owned())?);
    }
    if let Some(code) = parameters.get("error_code") {
        outcome.error_code.clone_from(code);
    }
    Ok(outcome)
}
