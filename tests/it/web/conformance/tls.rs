//! Rows S, and the rows of X about what is negotiated and which clients are let in.

use cloud_assistant_exporter::web::WebError;
use rustls::CipherSuite;
use rustls::crypto::ring::{cipher_suite as suite, kx_group};
use tokio::io::AsyncWriteExt;

use super::fixtures::{Folder, Pair, block, dns};
use super::site::{Site, read_all};
use super::tls_client::TlsClient;
use super::{Rows, has, is_ok};

const T: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
                 client_auth_type: VerifyClientCertIfGiven\n";
const ONLY_AES_128: [rustls::SupportedCipherSuite; 1] = [suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
const AES_128_THEN_256: [rustls::SupportedCipherSuite; 2] = [
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
];
const CHACHA: [rustls::SupportedCipherSuite; 1] = [suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];

/// All 13 of Go's names.
const ALL_SUITES: &str = "[TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, \
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, \
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, \
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, \
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, \
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]";

/// A folder with a server's files, and the client that trusts them.
struct Place {
    folder: Folder,
    server: Pair,
    client: TlsClient,
}

impl Place {
    fn new() -> Self {
        let server = Pair::server();
        Self {
            folder: Folder::with_server(&server),
            client: TlsClient::trusting(&[&server]),
            server,
        }
    }

    async fn start(&self, text: &str) -> Result<Site, WebError> {
        Site::start(Some(&self.folder.configure(text))).await
    }

    /// What a client gets from a server with that file.
    async fn ask(&self, text: &str, client: &TlsClient) -> Result<super::super::tls_client::Answer, String> {
        let site = self.start(text).await.map_err(|error| error.to_string())?;
        client.get(site.address, "/", "").await
    }

    async fn is_ok(&self, text: &str, client: &TlsClient) -> Result<(), String> {
        is_ok(self.ask(text, client).await?.text)
    }

    async fn has_suite(&self, text: &str, client: &TlsClient, suite: CipherSuite) -> Result<(), String> {
        let answer = self.ask(text, client).await?;
        is_ok(answer.text)?;
        has(format!("{:?}", answer.suite), &format!("{suite:?}"))
    }

    async fn is_refused(&self, text: &str, client: &TlsClient, part: &str) -> Result<(), String> {
        match self.ask(text, client).await {
            Ok(answer) => Err(format!("answered: {answer:?}")),
            Err(error) => has(error, part),
        }
    }

    async fn is_start_error(&self, text: &str, part: &str) -> Result<(), String> {
        match self.start(text).await {
            Ok(_) => Err("it started".to_owned()),
            Err(error) => has(error.to_string(), part),
        }
    }
}

#[tokio::test]
async fn conformance_of_negotiation() {
    let place = Place::new();
    let client = &place.client;
    let mut rows = Rows::of("S1-S16, X8, X16, X18");

    let plain = Site::start(None).await.unwrap();
    rows.enter("S1", is_ok(plain.get("/", "").await));
    let error = client.get(plain.address, "/", "").await.map(|_| ()).unwrap_err();
    rows.enter(
        "S2",
        has(error, "InvalidContentType").map_err(|error| format!("plain HTTP: {error}")),
    );
    let site = place.start(T).await.unwrap();
    let answer = site.get("/", "").await;
    let expected = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    rows.enter("S3", (answer == expected).then_some(()).ok_or(answer));
    rows.enter(
        "S4",
        client
            .get(site.address, "/", "")
            .await
            .and_then(|answer| is_ok(answer.text)),
    );

    let inline = format!(
        "tls_server_config:\n  client_auth_type: VerifyClientCertIfGiven\n  cert: {}  key: {}",
        block(&place.server.certificate),
        block(&place.server.key)
    );
    rows.enter("S5", place.is_ok(&inline, client).await);
    rows.enter("S6", offer_tls_1_1(&site).await);
    let with = |lines: &str| format!("{T}{lines}");
    rows.enter(
        "S7",
        place
            .is_ok(&with(&format!("  cipher_suites: {ALL_SUITES}\n")), client)
            .await,
    );

    let tls12 = |suites: &str, rest: &str| {
        let names: Vec<_> = suites
            .split(' ')
            .map(|bits| format!("TLS_ECDHE_ECDSA_WITH_AES_{bits}"))
            .collect();
        with(&format!(
            "  min_version: TLS12\n  max_version: TLS12\n  cipher_suites: [{}]\n{rest}",
            names.join(", ")
        ))
    };
    let s8 = tls12("128_GCM_SHA256 256_GCM_SHA384", "");
    let both = client.clone().suites(&AES_128_THEN_256);
    let (aes_128, aes_256) = (AES_128_THEN_256[0].suite(), AES_128_THEN_256[1].suite());
    rows.enter(
        "S8",
        place.is_ok(&s8, &client.clone().suites(&ONLY_AES_128)).await,
    );
    rows.enter(
        "S9",
        place
            .is_refused(&s8, &client.clone().suites(&CHACHA), "HandshakeFailure")
            .await,
    );
    rows.enter("S10", place.has_suite(&s8, &both, aes_128).await);
    let s11 = tls12(
        "256_GCM_SHA384 128_GCM_SHA256",
        "  prefer_server_cipher_suites: false\n",
    );
    rows.enter("S11", place.has_suite(&s11, &both, aes_128).await);
    let x18 = tls12(
        "256_GCM_SHA384 128_GCM_SHA256",
        "  prefer_server_cipher_suites: true\n",
    );
    rows.enter("X18", place.has_suite(&x18, &both, aes_256).await);

    let s12 = with("  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n");
    rows.enter("S12", place.is_ok(&s12, client).await);
    // S13 wants an answer by curve P-521, which neither provider of rustls has. It cannot pass; what can be had is
    // an error at the start.
    let s13 = with("  min_version: TLS13\n  curve_preferences: [CurveP521]\n");
    rows.enter(
        "not passing: S13, a start error instead",
        place.is_start_error(&s13, "CurveP521").await,
    );
    let s14 = with("  min_version: TLS13\n  curve_preferences: [X25519]\n");
    let only_p384 = client.clone().curves(&[kx_group::SECP384R1]);
    rows.enter(
        "S14",
        place.is_refused(&s14, &only_p384, "HandshakeFailure").await,
    );
    let s15 = with(
        "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n\
         http_server_config: {http2: false}\n",
    );
    rows.enter("S15", place.is_ok(&s15, client).await);
    let s16 = s15.replace("false", "true");
    rows.enter(
        "S16",
        place.is_start_error(&s16, "missing an HTTP/2-required").await,
    );

    let offering = client.clone().protocols(&["h2", "http/1.1"]);
    for (row, http2, expected) in [("X16", true, "h2"), ("X16", false, "http/1.1")] {
        let site = place
            .start(&with(&format!("http_server_config: {{http2: {http2}}}\n")))
            .await
            .unwrap();
        let stream = offering.connect(site.address).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy);
        rows.enter(row, has(format!("{chosen:?}"), expected));
    }
    let http1_only = with("http_server_config: {http2: false}\n");
    rows.enter("X16", place.is_ok(&http1_only, &offering).await);

    let other = Pair::server();
    let x8 = format!(
        "{T}  cert: {}  key: {}",
        block(&other.certificate),
        block(&other.key)
    );
    let answer = place
        .ask(&x8, &TlsClient::trusting(&[&place.server, &other]))
        .await;
    let shown = answer.map(|answer| answer.certificate);
    rows.enter(
        "X8",
        (shown == Ok(place.server.der.clone()))
            .then_some(())
            .ok_or_else(|| format!("{shown:?}")),
    );
    rows.end();
}

#[tokio::test]
async fn conformance_of_client_certificates() {
    let place = Place::new();
    let anonymous = &place.client;
    let mut rows = Rows::of("S21-S25, X11, X12");
    let pair = Pair::client(vec![
        dns("test3"),
        rcgen::SanType::Rfc822Name("ops@example.com".try_into().unwrap()),
        rcgen::SanType::IpAddress("192.0.2.7".parse().unwrap()),
        rcgen::SanType::URI("spiffe://example/scraper".try_into().unwrap()),
    ]);
    place.folder.write("client.crt", &pair.certificate);
    let known = anonymous.clone().identity(&pair);
    let stranger = anonymous.clone().identity(&Pair::client(vec![dns("test3")]));
    let files = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
    let with = |rest: &str| format!("{files}  {rest}\n");

    rows.enter(
        "S21",
        place
            .is_ok(&with("client_auth_type: RequireAnyClientCert"), &stranger)
            .await,
    );
    let s22 = format!(
        "tls_server_config:\n  cert_file: server.crt\n  client_auth_type: RequireAnyClientCert\n  key: {}",
        block(&place.server.key)
    );
    rows.enter("S22", place.is_ok(&s22, &stranger).await);
    let s23 = with("client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.crt");
    rows.enter("S23", place.is_ok(&s23, &known).await);
    rows.enter("S23", place.is_refused(&s23, &stranger, "alert").await);
    rows.enter(
        "S23",
        place.is_refused(&s23, anonymous, "CertificateRequired").await,
    );
    let named = |names: &str| format!("{s23}  client_allowed_sans: [{names}]\n");
    rows.enter("S24", place.is_ok(&named("one, test3, two"), &known).await);
    rows.enter(
        "S25",
        place.is_refused(&named("bad"), &known, "BadCertificate").await,
    );
    for name in ["ops@example.com", "192.0.2.7", "'spiffe://example/scraper'"] {
        rows.enter("X12", place.is_ok(&named(name), &known).await);
    }
    for name in ["example.com", "192.0.2.70", "'spiffe://example/'"] {
        rows.enter(
            "X12",
            place.is_refused(&named(name), &known, "BadCertificate").await,
        );
    }
    let any = with("client_auth_type: RequireClientCert");
    rows.enter(
        "X11",
        place.is_refused(&any, anonymous, "CertificateRequired").await,
    );
    rows.enter("X11", place.is_ok(&any, &stranger).await);

    // Beyond the table: what is asked for but not demanded, and no authority at all.
    let request = with("client_auth_type: RequestClientCert");
    rows.enter("request, none", place.is_ok(&request, anonymous).await);
    rows.enter("request, any", place.is_ok(&request, &stranger).await);
    let if_given = with("client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: client.crt");
    rows.enter("if given, none", place.is_ok(&if_given, anonymous).await);
    rows.enter("if given, known", place.is_ok(&if_given, &known).await);
    rows.enter(
        "if given, stranger",
        place.is_refused(&if_given, &stranger, "alert").await,
    );
    let nobody = with("client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: /dev/null");
    rows.enter(
        "empty authority",
        place.is_refused(&nobody, &known, "alert").await,
    );

    // Beyond what webpki takes: a certificate marked CA:TRUE that is itself the configured authority, as Go has it.
    let authority = Pair::authority();
    place.folder.write("client.crt", &authority.certificate);
    rows.enter(
        "CA:TRUE, the same",
        place.is_ok(&s23, &anonymous.clone().identity(&authority)).await,
    );
    let another = anonymous.clone().identity(&Pair::authority());
    rows.enter(
        "CA:TRUE, another",
        place.is_refused(&s23, &another, "alert").await,
    );
    rows.end();
}

/// S6: rustls cannot offer TLS 1.1, so its first message is made by hand.
async fn offer_tls_1_1(site: &Site) -> Result<(), String> {
    let version = [0x03, 0x02];
    let mut hello = version.to_vec();
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 2, 0xc0, 0x09]); // one suite: TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    hello.extend([1, 0]); // no compression
    let body_length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01, 0, body_length + 4, 1, 0, 0, body_length];
    record.extend(hello);
    let mut stream = site.connect().await;
    stream.write_all(&record).await.unwrap();
    // Alert, fatal, protocol version.
    let answer = read_all(&mut stream).await.into_bytes();
    if answer.first() == Some(&0x15) && answer.ends_with(&[2, 70]) {
        Ok(())
    } else {
        Err(format!("{answer:?}"))
    }
}
