//! HTTP/2 with a client of the usual kind.

use bytes::Bytes;
use cloud_assistant_exporter::web::{Body, Routes};
use hyper::Response;
use hyper::header::CONTENT_LENGTH;
use reqwest::{Client, StatusCode, Version};

use super::fixtures::{Folder, Pair};
use super::site::Site;

#[tokio::test]
async fn requests_share_a_connection() {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let text = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n\
                http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    let chunk = Bytes::from(vec![b'x'; 100_000]);
    let routes = Routes::new().get_limited("/metrics", 40, move |_| {
        let page = Body::from_chunks(vec![chunk.clone(); 50]);
        async { Response::new(page) }
    });
    let site = Site::with_routes(Some(&folder.configure(text)), routes)
        .await
        .unwrap();
    let client = Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(server.certificate.as_bytes()).unwrap()])
        .resolve("localhost", site.address)
        .build()
        .unwrap();
    let url = |path: &str| format!("https://localhost:{}{path}", site.address.port());
    // Read at once: unread answers would fill the window that all share.
    let pages = (0..20).map(|_| {
        let page = client.get(url("/metrics")).send();
        tokio::spawn(async {
            let page = page.await.unwrap();
            assert_eq!((page.status(), page.version()), (StatusCode::OK, Version::HTTP_2));
            assert_eq!(page.headers()["x-frame-options"], "deny");
            page.bytes().await.unwrap().len()
        })
    });
    for page in pages.collect::<Vec<_>>() {
        assert_eq!(page.await.unwrap(), 5_000_000);
    }
    let head = client.head(url("/metrics")).send().await.unwrap();
    assert_eq!((head.status(), head.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(head.headers()[CONTENT_LENGTH], "5000000");
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    let refused = client.post(url("/metrics")).body("x").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    let large = client
        .post(url("/metrics"))
        .body(vec![0; 1 << 20])
        .send()
        .await
        .unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        client.get(url("/nope")).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}
