//! The way to the cloud: proxies, certificates, and the hosts that the cloud names.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use simulator::{AccessKey, Clock, Cloud, Outcome, Role, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::{Exporter, command, config_path, eventually};
use crate::fleet::{account, account_with, assert_no_secrets, check, config};

const REGION: &str = "cn-hangzhou";
const ROLE: &str = "acs:ram::1000000000000001:role/exporter";
const UP: &str = "cloud_assistant_up";
const RESULTS: &str = "cloud_assistant_results_total";

fn cloud() -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("test-key", "hunter2"));
    cloud.add_role(Role::new(ROLE, "a"));
    cloud.metadata.role = Some(("node".to_owned(), "a".to_owned()));
    cloud.region("a", REGION).add_settled(2, Outcome::success());
    cloud.region("a", "ap-southeast-5");
    cloud.region_endpoint = "ecs-of.{region_id}.example.com".to_owned();
    Simulator::start(cloud)
}

/// A proxy that notes what it is asked for, and leads every tunnel to one address, every other request to where it
/// says.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(tunnels_to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let noted = Arc::clone(&noted);
                thread::spawn(move || Self::serve(stream, tunnels_to, &noted));
            }
        });
        Self { address, asked }
    }

    /// One connection carries one tunnel or one plain request.
    fn serve(mut stream: TcpStream, tunnels_to: SocketAddr, noted: &Mutex<Vec<String>>) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let (method, target) = line.split_once(' ')?;
        let target = target.split(' ').next()?.to_owned();
        noted
            .lock()
            .unwrap()
            .push(format!("{method} {}", target.split('?').next()?));
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
            reader.read_line(&mut headers).ok().filter(|read| *read > 0)?;
        }
        if method == "CONNECT" {
            let to = TcpStream::connect(tunnels_to).ok()?;
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .ok()?;
            let (mut from, mut back) = (stream.try_clone().ok()?, to.try_clone().ok()?);
            let answers = thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
            let mut to = to;
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
            let _ = answers.join();
            return Some(());
        }
        let rest = target.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let length = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let mut to = TcpStream::connect(host).ok()?;
        write!(to, "{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}").ok()?;
        to.write_all(&body).ok()?;
        std::io::copy(&mut to, &mut stream).ok()?;
        stream.shutdown(Shutdown::Both).ok()
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked.dedup();
        asked
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Speaks TLS for these names in front of an address; gives its own address and the authority in PEM.
fn tls_in_front_of(to: SocketAddr, names: &[&str]) -> (SocketAddr, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::default();
    server.subject_alt_names = names
        .iter()
        .map(|name| SanType::DnsName((*name).try_into().unwrap()))
        .collect();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || relay(stream, to, config));
        }
    });
    (address, pem)
}

/// Carries one request and its answer: the head and body are read whole, and the connection is closed after it.
fn relay(stream: TcpStream, to: SocketAddr, config: Arc<ServerConfig>) -> Option<()> {
    let connection = ServerConnection::new(config).ok()?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut onward = TcpStream::connect(to).ok()?;
    let (first, rest) = head.split_once("\r\n")?;
    write!(onward, "{first}\r\nConnection: close\r\n{rest}").ok()?;
    onward.write_all(&body).ok()?;
    let mut stream = reader.into_inner();
    std::io::copy(&mut onward, &mut stream).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

/// The hosts that DescribeRegions names are asked by https through the proxy, with the roots of SSL_CERT_FILE; STS
/// likewise, and the metadata service without the proxy.
#[test]
fn named_hosts_are_asked_by_https_through_the_proxy() {
    let directory = tempdir().unwrap();
    let simulator = cloud();
    let names = [
        "ecs-cn-hangzhou.aliyuncs.com",
        "sts.aliyuncs.com",
        "sts-vpc.cn-beijing.aliyuncs.com",
        "ecs-of.cn-hangzhou.example.com",
        "ecs-of.ap-southeast-5.example.com",
    ];
    let (tls, authority) = tls_in_front_of(simulator.address(), &names);
    let roots = directory.path().join("roots.pem").display().to_string();
    std::fs::write(&roots, authority).unwrap();
    let proxy = Proxy::start(tls);
    let proxy_url = proxy.url();
    let plain = |name: &str, credentials: &str| account(name, "''", &[], credentials);
    let metadata = simulator.url();
    let accounts = [
        plain(
            "role",
            &format!(
                "{{type: assume_role, role_arn: '{ROLE}', source: {{type: access_key, access_key_id: test-key, \
                 access_key_secret: hunter2}}}}"
            ),
        ),
        plain(
            "node",
            &format!("{{type: ecs_ram_role, metadata_endpoint: '{metadata}'}}"),
        ),
    ];
    let config = config(directory.path(), &accounts, "");
    let variables = [
        ("HTTPS_PROXY", proxy_url.as_str()),
        ("HTTP_PROXY", proxy_url.as_str()),
        ("SSL_CERT_FILE", roots.as_str()),
    ];
    let exporter = Exporter::start_with(directory.path(), &config, &[], &variables);
    exporter.scrape_until("two regions of each", |scrape| {
        scrape.all(UP).filter(|(_, up)| *up == 1.0).count() == 4
    });
    simulator
        .cloud()
        .region("a", REGION)
        .add_settled(60, Outcome::failed(1));
    exporter.scrape_until("the results", |scrape| {
        scrape.sum(RESULTS, &[("account", "role")]) == Some(60.0)
    });
    assert_eq!(
        proxy.asked(),
        [
            "CONNECT ecs-cn-hangzhou.aliyuncs.com:443",
            "CONNECT ecs-of.ap-southeast-5.example.com:443",
            "CONNECT ecs-of.cn-hangzhou.example.com:443",
            "CONNECT sts.aliyuncs.com:443",
        ],
        "all but the metadata service"
    );
    assert!(
        simulator
            .requests()
            .iter()
            .any(|request| request.action == "MetadataCredentials")
    );
    assert_no_secrets(&exporter, directory.path());
    drop(exporter);

    // STS as the variables of the SDKs say.
    let more = [
        ("ALIBABA_CLOUD_STS_REGION", "cn-beijing"),
        ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true"),
    ];
    let variables: Vec<_> = variables.into_iter().chain(more).collect();
    let (content, said) = check(directory.path(), &config, &variables);
    assert!(content, "{said}");
    assert!(
        proxy
            .asked()
            .contains(&"CONNECT sts-vpc.cn-beijing.aliyuncs.com:443".to_owned())
    );

    // The system's roots do not know the authority of this test, and SSL_CERT_FILE stands in their place.
    let (content, said) = check(directory.path(), &config, &[variables[0], variables[1]]);
    assert!(!content && said.contains("certificate"), "{said}");
}

/// Plain requests go through HTTP_PROXY, but not those that NO_PROXY names, nor those to the metadata service.
#[test]
fn plain_requests_go_through_the_proxy_unless_they_are_excepted() {
    let directory = tempdir().unwrap();
    let simulator = cloud();
    let proxy = Proxy::start(simulator.address());
    let (proxy_url, url) = (proxy.url(), simulator.url());
    let uri = format!("{url}/credentials/a");
    simulator.cloud().serve_credentials("/credentials/a", "a");
    let accounts = [
        account(
            "uri",
            &url,
            &[REGION],
            &format!("{{type: credentials_uri, uri: {uri}, sts_endpoint: '{url}'}}"),
        ),
        account(
            "node",
            &url,
            &[REGION],
            &format!("{{type: ecs_ram_role, metadata_endpoint: '{url}'}}"),
        ),
    ];
    let config = config(directory.path(), &accounts, "");
    let exporter = Exporter::start_with(directory.path(), &config, &[], &[("HTTP_PROXY", &proxy_url)]);
    exporter.scrape_until("both up", |scrape| {
        scrape.all(UP).filter(|(_, up)| *up == 1.0).count() == 2
    });
    let asked = proxy.asked();
    assert_eq!(
        asked,
        [format!("GET {uri}"), format!("POST {url}/")],
        "no metadata service"
    );
    drop(exporter);

    simulator.forget_requests();
    proxy.asked.lock().unwrap().clear();
    let variables = [
        ("HTTP_PROXY", proxy_url.as_str()),
        ("NO_PROXY", "localhost,127.0.0.0/8"),
    ];
    let exporter = Exporter::start_with(directory.path(), &config, &[], &variables);
    exporter.scrape_until("both up", |scrape| {
        scrape.all(UP).filter(|(_, up)| *up == 1.0).count() == 2
    });
    eventually("more requests", || {
        (simulator.requests().len() > 10).then_some(())
    });
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());

    // A proxy that is not there fails the polls with what is wrong, and not the metadata service.
    drop(exporter);
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let exporter = Exporter::start_with(directory.path(), &config, &[], &[("HTTP_PROXY", &nowhere)]);
    exporter.scrape_until("both down", |scrape| {
        scrape.all(UP).filter(|(_, up)| *up == 0.0).count() == 2
    });
    let failures = "cloud_assistant_exporter_credentials_refresh_failures_total";
    let scrape = exporter.scrape();
    assert_eq!(scrape.value(failures, &[("account", "node")]), 0.0);
    assert!(scrape.value(failures, &[("account", "uri")]) > 0.0);
    assert!(exporter.log().contains("Connection refused"));
    assert_no_secrets(&exporter, directory.path());
}

/// With an exception of the public rule each, and with those that have none.
const ASKED: [&str; 8] = [
    "ap-southeast-5",
    "cn-beijing",
    "cn-hangzhou",
    "cn-north-2-gov-1",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "eu-central-1",
    "us-east-1",
];

/// The hosts of a region: the one by rule, and the one that DescribeRegions names.
fn public_host(region: &str) -> String {
    match region {
        "cn-hangzhou" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1" => {
            "ecs-cn-hangzhou.aliyuncs.com".to_owned()
        }
        "cn-north-2-gov-1" => "ecs.aliyuncs.com".to_owned(),
        region => format!("ecs.{region}.aliyuncs.com"),
    }
}

/// Every host that is asked, as a proxy sees them: regions that are configured and that were found, their discovery, and
/// STS; over the Internet, and inside of a VPC, of which the metadata service or `home_region` says where it is.
#[test]
fn every_host_is_of_the_network_that_is_configured() {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("test-key", "hunter2"));
    cloud.add_role(Role::new(ROLE, "a"));
    cloud.metadata.region_id = "cn-shanghai".to_owned();
    for region in ASKED {
        cloud.region("a", region);
    }
    cloud.region_endpoint = "ecs-of.{region_id}.example.com".to_owned();
    let simulator = Simulator::start(cloud);
    let metadata = simulator.url();
    let with = |form: &str| ASKED.map(|region| form.replace('*', region)).to_vec();
    let vpc = with("ecs-vpc.*.aliyuncs.com");
    let cases = [
        (
            "public",
            "",
            vec!["ecs-cn-hangzhou.aliyuncs.com", "sts.aliyuncs.com"],
        ),
        (
            "vpc",
            "",
            vec![
                "ecs-vpc.cn-shanghai.aliyuncs.com",
                "sts-vpc.cn-shanghai.aliyuncs.com",
            ],
        ),
        (
            "vpc",
            "home_region: cn-beijing",
            vec![
                "ecs-vpc.cn-beijing.aliyuncs.com",
                "sts-vpc.cn-beijing.aliyuncs.com",
            ],
        ),
    ];
    for (network, home, at_home) in cases {
        let mut expected: Vec<String> = at_home.iter().map(|host| (*host).to_owned()).collect();
        if network == "vpc" {
            expected.extend(vpc.iter().cloned());
        } else {
            expected.extend(ASKED.map(public_host));
            expected.extend(with("ecs-of.*.example.com"));
        }
        expected.sort();
        expected.dedup();
        let names: Vec<&str> = expected.iter().map(String::as_str).collect();
        let directory = tempdir().unwrap();
        let (tls, authority) = tls_in_front_of(simulator.address(), &names);
        let roots = directory.path().join("roots.pem").display().to_string();
        std::fs::write(&roots, authority).unwrap();
        let proxy = Proxy::start(tls);
        let credentials = format!(
            "{{type: assume_role, role_arn: '{ROLE}', metadata_endpoint: '{metadata}', source: {{type: access_key, \
             access_key_id: test-key, access_key_secret: hunter2}}}}"
        );
        let more = format!("network: {network}\n{home}");
        let accounts = [
            account_with("listed", "''", &ASKED, &credentials, &more),
            account_with("found", "''", &[], &credentials, &more),
        ];
        let config = config(directory.path(), &accounts, "");
        let url = proxy.url();
        let variables = [("HTTPS_PROXY", url.as_str()), ("SSL_CERT_FILE", roots.as_str())];
        let exporter = Exporter::start_with(directory.path(), &config, &[], &variables);
        exporter.scrape_until("eight regions of each", |scrape| {
            scrape.all(UP).filter(|(_, up)| *up == 1.0).count() == 16
        });
        let expected: Vec<String> = expected
            .iter()
            .map(|host| format!("CONNECT {host}:443"))
            .collect();
        assert_eq!(proxy.asked(), expected, "{network} {home}");
        let warned = exporter
            .log()
            .contains("each answers only inside of a VPC of its own");
        assert_eq!(warned, network == "vpc");
        assert_no_secrets(&exporter, directory.path());
    }
}

/// A proxy that cannot be used is an error before anything is opened; an empty variable hides nothing; and a proxy that
/// does not answer is named in what fails.
#[test]
fn proxies_are_used_or_named() {
    let directory = tempdir().unwrap();
    let key = "{type: access_key, access_key_id: test-key, access_key_secret: hunter2}";
    let uri = "{type: credentials_uri, uri: 'http://credentials.example/hunter2'}";
    let accounts = [
        account_with("key", "''", &[REGION], key, "network: vpc"),
        account("uri", "''", &[REGION], uri),
    ];
    let config = config(directory.path(), &accounts, "");
    for (name, value) in [
        ("HTTP_PROXY", "http://hunter2:port"),
        ("https_proxy", "socks5://hunter2:1080"),
        ("ALL_PROXY", "http://"),
    ] {
        let refused = Exporter::try_start(directory.path(), &config, &[], &[(name, value)]);
        let (status, log) = refused.err().expect("it must not start");
        let expected = format!("{name}: is not the address of a proxy that can be used");
        assert!(!status.success() && log.contains(&expected), "{log}");
        assert!(!log.contains("hunter2") && !log.contains("Listening"), "{log}");
        let checked = command()
            .arg(format!(
                "--config.file={}",
                config_path(directory.path()).display()
            ))
            .arg("--config.check")
            .env(name, value)
            .output()
            .unwrap();
        let said = String::from_utf8(checked.stderr).unwrap();
        assert!(!checked.status.success() && said.contains(&expected), "{said}");
    }
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let address = format!("http://user:hunter2@{nowhere}");
    let variables = [
        ("HTTPS_PROXY", ""),
        ("https_proxy", address.as_str()),
        ("HTTP_PROXY", address.as_str()),
    ];
    let (content, said) = check(directory.path(), &config, &variables);
    for expected in [
        format!("no answer from credentials.example through the proxy http://{nowhere} of HTTP_PROXY: Connection refused"),
        format!("no answer from ecs-vpc.cn-hangzhou.aliyuncs.com through the proxy http://{nowhere} of https_proxy: "),
        "Connection refused (os error 111); with network: vpc a region answers only inside of a VPC of its own".to_owned(),
    ] {
        assert!(!content && said.contains(&expected), "{said}\nexpected {expected}");
    }
}
