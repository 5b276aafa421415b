//! A real Prometheus, with TLS, a client certificate and a password, all of which change while it scrapes.

use cloud_assistant_exporter::web::{Body, Routes};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fixtures::{Folder, Pair, dns, hash};
use super::program::Program;
use super::site::{PATIENCE, Site, get};

/// How often everything changes; one scrape after each must come through, and one more.
const CHANGES: usize = 10;

fn web_config(password: &str) -> String {
    let hash = hash(password);
    format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.crt\n\
         basic_auth_users:\n  prometheus: {hash}\n"
    )
}

fn prometheus_config(site: &Site) -> String {
    format!(
        "scrape_configs:\n- job_name: exporter\n  scheme: https\n  scrape_interval: 300ms\n  \
         scrape_timeout: 300ms\n  static_configs: [{{targets: ['{}']}}]\n  \
         basic_auth: {{username: prometheus, password_file: password}}\n  \
         tls_config: {{server_name: localhost, ca_file: ca.crt, cert_file: client.crt, key_file: client.key}}\n",
        site.address
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_scrape_is_lost_when_everything_changes() {
    let servers = [Pair::server(), Pair::server()];
    let clients = [Pair::client(vec![dns("one")]), Pair::client(vec![dns("two")])];
    let folder = Folder::with_server(&servers[0]);
    folder.write("client.crt", &clients[0].certificate);
    let path = folder.configure(&web_config("password 0"));

    let (scraped, mut scrapes) = mpsc::unbounded_channel();
    let routes = Routes::new().get_limited("/metrics", 40, move |_| {
        scraped.send(()).unwrap();
        async {
            let mut answer = Response::new(Body::from("good 1\n"));
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            answer.headers_mut().insert(CONTENT_TYPE, format);
            answer
        }
    });
    let site = Site::with_routes(Some(&path), routes).await.unwrap();

    let scraper = Folder::with_server(&servers[0]);
    scraper.write(
        "ca.crt",
        &format!("{}{}", servers[0].certificate, servers[1].certificate),
    );
    scraper.write("client.crt", &clients[0].certificate);
    scraper.write("client.key", &clients[0].key);
    scraper.write("password", "password 0");
    let config = scraper.write("prometheus.yml", &prometheus_config(&site));
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            config.with_file_name("data").display()
        ))
        .arg("--web.listen-address=127.0.0.1:0");
    let Some(prometheus) = Program::start(command).await else {
        println!("skipped: prometheus is not installed");
        return;
    };

    let mut next = async || {
        timeout(PATIENCE, scrapes.recv())
            .await
            .expect("no scrape")
            .unwrap()
    };
    for change in 1..=CHANGES {
        next().await;
        // The next scrape begins 300 ms after this one, which leaves time to change both sides.
        let (server, client) = (&servers[change % 2], &clients[change % 2]);
        let password = format!("password {change}");
        folder.write("server.crt", &server.certificate);
        folder.write("server.key", &server.key);
        folder.write("client.crt", &client.certificate);
        folder.configure(&web_config(&password));
        scraper.write("client.crt", &client.certificate);
        scraper.write("client.key", &client.key);
        scraper.write("password", &password);
    }
    next().await;
    next().await;

    assert_eq!(value(&prometheus, "min_over_time(up[5m])").await, 1.0);
    // The last one may not be stored yet.
    assert!(value(&prometheus, "count_over_time(up[5m])").await >= CHANGES as f64);
}

/// What Prometheus answers to a query with one result.
async fn value(prometheus: &Program, query: &str) -> f64 {
    let answer = get(prometheus.address, &format!("/api/v1/query?query={query}"), "").await;
    let value = answer
        .rsplit_once(",\"")
        .and_then(|(_, value)| value.split('"').next());
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no value: {answer}"))
}
