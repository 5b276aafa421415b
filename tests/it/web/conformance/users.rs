//! Rows U and H1, headers, the rate limit, and the rows of X about them.

use super::fixtures::{Folder, Pair, basic, users};
use super::site::Site;
use super::tls_client::TlsClient;
use super::{Rows, has, is_ok};

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn is_401(answer: impl AsRef<str>) -> Result<(), String> {
    let answer = answer.as_ref();
    has(answer, "HTTP/1.1 401 Unauthorized\r\n")?;
    has(answer, "www-authenticate: Basic\r\n")?;
    has(answer, "content-type: text/plain; charset=utf-8\r\n")?;
    has(answer, "x-content-type-options: nosniff\r\n")?;
    has(answer, "\r\n\r\nUnauthorized\n")
}

#[tokio::test]
async fn conformance_of_users() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let mut rows = Rows::of("U, H1, X17");
    let plain = Site::start(Some(&folder.configure(&users()))).await.unwrap();
    rows.enter("U1", is_401(plain.get("/", "").await));
    rows.enter("U2", is_ok(plain.get("/", &basic("dave", "dave123")).await));
    for path in ["/-/reload", "/metrics", "/nope"] {
        rows.enter("every path", is_401(plain.get(path, "").await));
    }
    for line in [
        "Authorization: Bearer x\r\n",
        "Authorization: Basic !!\r\n",
        "Authorization: Basic YQ==\r\n",
    ] {
        rows.enter("X17", is_401(plain.get("/", line).await));
    }
    let site = Site::start(Some(&folder.configure(&format!("{TLS}{}", users()))))
        .await
        .unwrap();
    let client = TlsClient::trusting(&[&server]);
    let ask = |lines: String| async {
        client
            .get(site.address, "/", &{ lines })
            .await
            .map(|answer| answer.text)
    };
    rows.enter("U3", ask(String::new()).await.and_then(is_401));
    rows.enter("U4", ask(basic("dave", "dave123")).await.and_then(is_ok));
    rows.enter("U5", ask(basic("carol", "carol123")).await.and_then(is_ok));
    rows.enter("U6", ask(basic("dave", "bad")).await.and_then(is_401));
    rows.enter("U7", ask(basic("nobody", "dave123")).await.and_then(is_401));

    rows.enter("H1", is_ok(plain.get("/", &basic("alice", "alice123")).await));
    rows.enter("H1", is_401(plain.get("/", &basic("alice", "alice1234")).await));
    let logins = (0..300).map(|number| {
        let is_right = number % 2 == 0;
        let password = if is_right {
            "alice123".to_owned()
        } else {
            format!("wrong {}", number / 3)
        };
        let line = basic("alice", &password);
        let plain = &plain;
        async move {
            let answer = plain.get("/", &line).await;
            if is_right { is_ok(answer) } else { is_401(answer) }
        }
    });
    let mut outcome = Ok(());
    for result in all(logins).await {
        outcome = outcome.and(result);
    }
    rows.enter("H1", outcome);
    rows.end();
}

#[tokio::test]
async fn conformance_of_headers_and_rate() {
    let folder = Folder::with_server(&Pair::server());
    let mut rows = Rows::of("S17, S26, S27, X5, X6");
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n    \
                   X-Content-Type-Options: nosniff\n    \
                   Strict-Transport-Security: max-age=31536000; includeSubDomains\n    \
                   Content-Security-Policy: default-src 'self'\n";
    let lines = [
        "x-frame-options: deny\r\n",
        "x-xss-protection: 1\r\n",
        "x-content-type-options: nosniff\r\n",
        "strict-transport-security: max-age=31536000; includeSubDomains\r\n",
        "content-security-policy: default-src 'self'\r\n",
    ];
    let all_of = |answer: &str| lines.iter().try_for_each(|line| has(answer, line));
    let site = Site::start(Some(&folder.configure(headers))).await.unwrap();
    let answer = site.get("/", "").await;
    rows.enter("S17", is_ok(&answer).and_then(|()| all_of(&answer)));

    let none = |answer: &str| {
        let found = answer.contains("x-frame-options");
        if found {
            Err(format!("headers in {answer:?}"))
        } else {
            Ok(())
        }
    };
    let path = folder.configure(&format!("{headers}{}", users()));
    let answer = site.get("/", "").await;
    rows.enter("X6 (401)", is_401(&answer).and_then(|()| all_of(&answer)));
    folder.configure("nonsense");
    let answer = site.get("/", "").await;
    rows.enter("X6 (500)", is_500(&answer).and_then(|()| none(&answer)));

    let rate = |interval, burst| format!("{headers}rate_limit:\n  interval: {interval}\n  burst: {burst}\n");
    std::fs::write(&path, rate("0", 0)).unwrap();
    let unlimited = Site::start(Some(&path)).await.unwrap();
    for _ in 0..10 {
        rows.enter("S26", is_ok(unlimited.get("/", "").await));
    }
    std::fs::write(&path, rate("\"1s\"", 0)).unwrap();
    rows.enter("X5 (none at the start)", is_ok(unlimited.get("/", "").await));
    let limited = Site::start(Some(&path)).await.unwrap();
    let answer = limited.get("/", "").await;
    rows.enter("S27", is_429(&answer));
    rows.enter("X6 (429)", none(&answer));
    std::fs::write(&path, rate("0", 0)).unwrap();
    rows.enter("X5", is_429(&limited.get("/", "").await));
    rows.end();
}

pub(super) fn is_500(answer: &str) -> Result<(), String> {
    has(answer, "HTTP/1.1 500 Internal Server Error\r\n")?;
    has(answer, "x-content-type-options: nosniff\r\n")?;
    has(answer, "\r\n\r\nInternal Server Error\n")
}

fn is_429(answer: &str) -> Result<(), String> {
    has(answer, "HTTP/1.1 429 Too Many Requests\r\n")?;
    has(answer, "\r\n\r\nToo Many Requests\n")
}

/// Waits for all at once.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    use std::pin::Pin;
    let mut open: Vec<Pin<Box<_>>> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        open.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
        });
        if open.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}
