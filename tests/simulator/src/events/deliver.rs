//! Sends what was emitted.

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Emission, Emitted, HttpTarget};
use crate::clock::unix_now;
use crate::shared::Shared;

/// How often it is looked for what has been emitted.
const TICK: Duration = Duration::from_millis(2);
/// After the first one.
const RETRIES: usize = 3;
/// As long as CloudMonitor waits; EventBridge does not say.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Sends events until the runtime ends.
pub(crate) async fn deliver(shared: &Arc<Shared>) -> Infallible {
    let mut chance = Rng::with_seed(1);
    let mut seed = 1;
    loop {
        sleep(TICK).await;
        let (emission, emitted) = {
            let mut cloud = shared.cloud();
            let Some(emission) = cloud.emission.clone() else {
                continue;
            };
            (emission, cloud.take_emitted())
        };
        if emission.seed != seed {
            seed = emission.seed;
            chance = Rng::with_seed(seed);
        }
        for event in emitted {
            if chance.u8(0..100) < emission.lost {
                continue;
            }
            let times = 1 + usize::from(chance.u8(0..100) < emission.doubled);
            for _ in 0..times {
                let delay = between(&mut chance, &emission.delay);
                send(shared, &emission, event.clone(), delay, chance.fork()).await;
            }
        }
    }
}

/// At once where it is not late, so that events without delay keep their order.
async fn send(shared: &Arc<Shared>, emission: &Emission, emitted: Emitted, delay: Duration, chance: Rng) {
    if let Some(target) = emission.http.clone() {
        let (shared, event, retry) = (
            Arc::clone(shared),
            emitted.event.to_string(),
            emission.retry.clone(),
        );
        tokio::spawn(async move {
            sleep(delay).await;
            to_http(&shared, &target, &event, &retry, chance).await;
        });
    }
    if let Some(name) = emission.queue.clone() {
        let text = emitted.event.to_string();
        let body = if emission.base64 {
            STANDARD.encode(text)
        } else {
            text
        };
        let account = emitted.account;
        let shared = Arc::clone(shared);
        let put = async move {
            sleep(delay).await;
            shared.cloud().put_message(&account, &name, body);
            shared.messages.notify_waiters();
        };
        if delay.is_zero() {
            put.await;
        } else {
            tokio::spawn(put);
        }
    }
}

async fn to_http(
    shared: &Shared,
    target: &HttpTarget,
    event: &str,
    retry: &RangeInclusive<Duration>,
    mut chance: Rng,
) {
    for attempt in 0..=RETRIES {
        if attempt > 0 {
            sleep(between(&mut chance, retry)).await;
        }
        let answer = timeout(ANSWER_WITHIN, post(target, event)).await;
        let status = answer.ok().flatten().unwrap_or(0);
        shared.delivered(status);
        if (200..300).contains(&status) {
            return;
        }
    }
}

/// The status of the answer, if there is one.
async fn post(target: &HttpTarget, event: &str) -> Option<u16> {
    let rest = target.url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let stream = TcpStream::connect(host).await.ok()?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let mut request = Request::post(format!("/{path}"))
        .header(HOST, host)
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json;charset=utf-8")
        .header("x-eventbridge-signature-timestamp", format!("{}000", unix_now()))
        .header("x-eventbridge-signature-version", "1.0");
    if let Some(token) = &target.token {
        request = request.header("x-eventbridge-signature-token", token);
    }
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::copy_from_slice(event.as_bytes())))
        .ok()?;
    let exchange = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let _ = answer.into_body().collect().await;
        Some(status)
    };
    tokio::pin!(connection);
    tokio::select! {
        status = exchange => status,
        _ = &mut connection => None,
    }
}

fn between(chance: &mut Rng, range: &RangeInclusive<Duration>) -> Duration {
    let share = chance.f64();
    *range.start() + (range.end().saturating_sub(*range.start())).mul_f64(share)
}
