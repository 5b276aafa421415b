//! Where the services are: the metadata service by both versions, and the hosts of STS.

use super::*;
use crate::config::{Home, Network};

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// A metadata service that gives a token, and answers these statuses to a GET with it and without.
fn refusing(with_token: u16, without: u16) -> Server {
    Server::start(move |request| {
        if request.method == "PUT" {
            return (200, String::from("hunter2-imds"));
        }
        let status = if request.headers.contains_key("x-aliyun-ecs-metadata-token") {
            with_token
        } else {
            without
        };
        let body = match request.path.as_str() {
            _ if status != 200 => String::new(),
            ROLES => String::from("node"),
            "/latest/meta-data/region-id" => String::from("cn-beijing\n"),
            _ => wire("STS.node"),
        };
        (status, body)
    })
}

#[tokio::test]
async fn a_token_that_is_refused_is_left_away() {
    let role = || Origin::EcsRamRole { role_name: None };
    for status in [403, 404, 500] {
        let server = refusing(status, 200);
        let obtained = try_obtain(role(), at_metadata(&server.address), &[])
            .await
            .unwrap();
        assert_eq!(obtained.credentials.access_key_id, "STS.node", "{status}");
        let disabled = [("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")];
        let error = try_obtain(role(), at_metadata(&server.address), &disabled)
            .await
            .unwrap_err();
        let without =
            |seen: &&Seen| seen.method == "GET" && !seen.headers.contains_key("x-aliyun-ecs-metadata-token");
        assert_eq!(server.requests().iter().filter(without).count(), 2, "{error}");
    }
    for (with_token, without, expected) in [
        (403, 403, "refuses to name a role (status 403)"),
        (404, 403, "no RAM role is attached to the instance"),
        (404, 404, "no RAM role is attached to the instance"),
        (500, 403, ": refused with no error code (status 500)"),
    ] {
        let server = refusing(with_token, without);
        let error = try_obtain(role(), at_metadata(&server.address), &[])
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{with_token} {without}: {error}");
        let says_so = error.contains("no RAM role");
        assert_eq!(says_so, with_token == 404, "{error}");
        assert!(says_so || error.contains(&server.address), "{error}");
    }
}

#[tokio::test]
async fn sts_is_where_it_is_said_to_be() {
    async fn endpoint(network: Network, variables: &[(&str, &str)]) -> Result<String, String> {
        let endpoints = Endpoints {
            metadata: Some(nowhere()),
            home: Home {
                network,
                region: Some(String::from("cn-home")),
                first_region: None,
            },
            ..Endpoints::default()
        };
        sts::endpoint(&endpoints, &services(variables))
            .await
            .map_err(|error| error.to_string())
    }
    let (region, vpc) = (
        ("ALIBABA_CLOUD_STS_REGION", "cn-beijing"),
        ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true"),
    );
    let named = |text| ("ALIBABA_CLOUD_STS_ENDPOINT", text);
    for (network, variables, expected) in [
        (Network::Public, vec![], "https://sts.aliyuncs.com"),
        (Network::Public, vec![vpc], "https://sts.aliyuncs.com"),
        (
            Network::Public,
            vec![region, vpc],
            "https://sts-vpc.cn-beijing.aliyuncs.com",
        ),
        (
            Network::Vpc,
            vec![region],
            "https://sts-vpc.cn-beijing.aliyuncs.com",
        ),
        (Network::Vpc, vec![], "https://sts-vpc.cn-home.aliyuncs.com"),
        (
            Network::Public,
            vec![named("sts-vpc.cn-x.aliyuncs.com"), region],
            "https://sts-vpc.cn-x.aliyuncs.com",
        ),
        (
            Network::Vpc,
            vec![named("http://127.0.0.1:8080/\n")],
            "http://127.0.0.1:8080",
        ),
    ] {
        let found = endpoint(network, &variables).await;
        assert_eq!(found.as_deref(), Ok(expected), "{variables:?}");
    }
    for wrong in ["hunter2:hunter2@x", "x/y", "ftp://x", "https://x?hunter2", "a b"] {
        let error = endpoint(Network::Public, &[named(wrong)]).await.unwrap_err();
        assert!(
            error.starts_with("ALIBABA_CLOUD_STS_ENDPOINT: is not the address of STS")
                && !error.contains(MARK),
            "{error}"
        );
    }
    let wrong = [("ALIBABA_CLOUD_STS_REGION", "evil.example/")];
    let error = endpoint(Network::Public, &wrong).await.unwrap_err();
    assert!(error.contains("is not the id of a region"), "{error}");
}

#[tokio::test]
async fn home_is_where_the_instance_is() {
    async fn home(address: &str, first_region: Option<&str>, variables: &[(&str, &str)]) -> String {
        let endpoints = Endpoints {
            metadata: Some(address.to_owned()),
            home: Home {
                network: Network::Vpc,
                region: None,
                first_region: first_region.map(str::to_owned),
            },
            ..Endpoints::default()
        };
        home_region(&endpoints, &services(variables)).await
    }
    for (with_token, without) in [(200, 403), (403, 200)] {
        let server = refusing(with_token, without);
        assert_eq!(
            home(&server.address, Some("cn-shanghai"), &[]).await,
            "cn-beijing"
        );
    }
    let server = refusing(404, 404);
    assert_eq!(home(&server.address, None, &[]).await, "cn-hangzhou");
    assert_eq!(home(&nowhere(), Some("cn-shanghai"), &[]).await, "cn-shanghai");
    let server = refusing(200, 200);
    let off = [("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
    assert_eq!(home(&server.address, None, &off).await, "cn-hangzhou");
    assert!(server.requests().is_empty(), "it is turned off");
}
