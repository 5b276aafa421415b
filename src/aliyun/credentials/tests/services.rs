//! What STS, the metadata service and a credentials URI answer, and what is made of it.

use super::*;

#[tokio::test]
async fn assume_role_is_signed_and_sent_in_the_body() {
    let server = Server::start(|_| (200, session("STS.1")));
    let obtained = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
        .await
        .unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.1");
    assert_eq!(
        obtained.credentials.security_token,
        Some(Secret::new("hunter2-token"))
    );
    assert!(obtained.credentials.expiration.is_some());
    assert_eq!(
        obtained.origin,
        format!("{ROLE} assumed by access key of the configuration")
    );
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/"));
    assert_eq!(request.headers["x-acs-action"], "AssumeRole");
    assert_eq!(request.headers["x-acs-version"], "2015-04-01");
    assert_eq!(request.headers["host"], server.address["http://".len()..]);
    assert!(request.headers["authorization"].starts_with("ACS3-HMAC-SHA256 Credential=LTAI1,"));
    assert_eq!(
        request.body,
        "RoleArn=acs%3Aram%3A%3A1234567890123456%3Arole%2Fexporter&RoleSessionName=me&DurationSeconds=900\
         &ExternalId=ex%20id%26&Policy=%7B%7D"
    );
    assert_eq!(request.headers["accept"], "application/json");
    assert!(!format!("{:?}", request.headers).contains(MARK));

    let odd = Origin::AccessKey {
        access_key_id: Given::Value(String::from("LTAI1\n")),
        access_key_secret: Given::Value(Secret::new(MARK)),
        security_token: Some(Given::Value(Secret::new("hunter2\n"))),
    };
    let error = try_obtain(assume_role(odd), at_sts(&server.address), &[])
        .await
        .unwrap_err();
    assert!(
        error.contains("holds characters that no key has; check how"),
        "{error}"
    );
}

#[tokio::test]
async fn what_sts_refuses_is_said_with_what_to_do() {
    for (status, code, expected) in [
        (
            403,
            "NoPermission",
            "grant the RAM action sts:AssumeRole on acs:ram::1234567890123456:role/exporter",
        ),
        (
            404,
            "EntityNotExist.Role",
            "check role_arn: there is no such role",
        ),
        (404, "InvalidAccessKeyId.NotFound", "check the access key id"),
        (400, "SignatureDoesNotMatch", "check the access key secret"),
        (400, "InvalidTimeStamp.Expired", "set the clock of this host"),
        (403, "InvalidSecurityToken.Expired", "check the security token"),
        (400, "InvalidParameter.DurationSeconds", "shorten duration"),
        (400, "Throttling.User", "STS is busy or down"),
        (503, "ServiceUnavailable", "STS is busy or down"),
        (400, "SomethingNew", "look the code up"),
    ] {
        let server = Server::start(move |_| (status, refusal(code)));
        let error = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        let start = format!(
            "{ROLE} assumed by access key of the configuration: refused with {code} (status {status}, request id 4-5-6); "
        );
        let advice = error.strip_prefix(&start).expect(&error);
        assert!(advice.starts_with(expected), "{error}");
    }
}

/// The values of an object of texts, in a list.
fn as_list(object: &str) -> String {
    let members = object.trim_matches(['{', '}']).split(',');
    let values: Vec<&str> = members.map(|member| member.split_once(':').unwrap().1).collect();
    format!("[{}]", values.join(","))
}

#[tokio::test]
async fn of_a_refusal_what_can_be_read_is_shown() {
    for (status, body, expected) in [
        (
            400,
            r#"{"Code":7,"RequestId":"4-5-6"}"#,
            "refused with 7 (status 400, request id 4-5-6); ",
        ),
        (
            400,
            r#"{"Code":null,"RequestId":"4-5-6"}"#,
            "with no error code (status 400, request id 4-5-6); ",
        ),
        (
            400,
            r#"{"Code":"NoPermission","RequestId":["x"]}"#,
            "refused with NoPermission (status 400); grant ",
        ),
        (
            403,
            r#"{"Code":"NoPermission","Message":1e999,"RequestId":8"#,
            "NoPermission (status 403, request id 8); grant ",
        ),
        (
            400,
            r#"["NoPermission","4-5-6"]"#,
            "refused with no error code (status 400); ",
        ),
        (
            400,
            "<?xml version='1.0'?><Error><RequestId>4-5-6</RequestId><HostId>sts</HostId><Code>NoPermission</Code>\
             <Message>hunter2</Message></Error>",
            "refused with NoPermission (status 400, request id 4-5-6); grant ",
        ),
    ] {
        let server = Server::start(move |_| (status, body.to_owned()));
        let of_sts = try_obtain(assume_role(access_key()), at_sts(&server.address), &[]);
        let uri = Secret::new(server.address.clone());
        let of_uri = try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[]);
        let advised = expected.split("; ").next().unwrap();
        for (error, expected) in [(of_sts.await, expected), (of_uri.await, advised)] {
            let error = error.unwrap_err();
            assert!(
                error.contains(expected) && !error.contains(MARK),
                "{error}\nexpected {expected}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_sts_is_told() {
    let huge = "x".repeat(70_000);
    for (status, body, expected) in [
        (
            200,
            String::from("<html>hunter2</html>"),
            "not the JSON that was expected, at line 1 column 1 of 20 bytes",
        ),
        (
            200,
            String::from(r#"{"Credentials":"hunter2"}"#),
            "its Credentials are not an object",
        ),
        (
            200,
            format!(r#"{{"Credentials":{}}}"#, as_list(&wire("STS.1"))),
            "its Credentials are not an object",
        ),
        (
            200,
            format!("[{}]", wire("STS.1")),
            "not the JSON that was expected",
        ),
        (200, String::from("{}"), "it has no Credentials"),
        (
            200,
            format!("{}}}", session("STS.1")),
            "not the JSON that was expected",
        ),
        (
            200,
            String::from(r#"{"Credentials":{"AccessKeyId":"hunter2"}}"#),
            "it has no AccessKeySecret",
        ),
        (
            200,
            session("STS.1").replace("2099-01-01T00", "hunter2"),
            "its Expiration is not a time",
        ),
        (
            200,
            session("STS.1").replace("Success", "hunter2 !"),
            "its Code is an odd text, not Success",
        ),
        (
            200,
            session("STS.1").replace("hunter2-token", ""),
            "it has no SecurityToken",
        ),
        (200, huge, "it is larger than 64 KiB"),
        (
            302,
            String::new(),
            "refused with no error code (status 302); STS is busy or down",
        ),
        (
            400,
            String::from(r#"{"Code":"signed hunter2"}"#),
            "refused with no error code (status 400); check sts_endpoint",
        ),
    ] {
        let server = Server::start(move |_| (status, body.clone()));
        let error = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let error = try_obtain(assume_role(access_key()), at_sts(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(error.contains("no answer from 127.0.0.1:"), "{error}");
    assert!(
        error.ends_with("or set sts_endpoint or ALIBABA_CLOUD_STS_REGION"),
        "{error}"
    );
}

#[tokio::test]
async fn roles_are_chained() {
    let server = Server::start(|request| {
        let id = &request.headers["authorization"];
        (
            200,
            session(if id.contains("Credential=LTAI1,") {
                "STS.1"
            } else {
                "STS.2"
            }),
        )
    });
    let inner = config::Credentials {
        origin: assume_role(access_key()),
        endpoints: at_sts(&server.address),
    };
    let mut outer = assume_role(access_key());
    if let Origin::AssumeRole { source, .. } = &mut outer {
        **source = inner;
    }
    let obtained = try_obtain(outer, at_sts(&server.address), &[]).await.unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.2");
    let second = &server.requests()[1];
    assert_eq!(second.headers["x-acs-security-token"], "hunter2-token");

    let missing = Origin::AccessKey {
        access_key_id: Given::File("/nonexistent/id".into()),
        access_key_secret: Given::Value(Secret::new(MARK)),
        security_token: None,
    };
    let error = try_obtain(assume_role(missing), at_sts(&server.address), &[])
        .await
        .unwrap_err();
    let expected = "source of acs:ram::1234567890123456:role/exporter: access key of the configuration: \
                    /nonexistent/id cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn oidc_reads_its_token_anew_and_keeps_it_out_of_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    let server = Server::start(|request| {
        if request.body.contains("hunter2.one") {
            (200, session("STS.1"))
        } else {
            (200, session("STS.2"))
        }
    });
    let obtain = || try_obtain(oidc(&token_file), at_sts(&server.address), &[]);
    let error = obtain().await.unwrap_err();
    assert!(
        error.starts_with(&format!("{ROLE} by OIDC: the token file ")),
        "{error}"
    );
    assert!(error.contains("token cannot be read: "), "{error}");

    fs::write(&token_file, "hunter2.one\n").unwrap();
    assert_eq!(obtain().await.unwrap().credentials.access_key_id, "STS.1");
    fs::write(&token_file, "hunter2.two").unwrap();
    assert_eq!(obtain().await.unwrap().credentials.access_key_id, "STS.2");
    fs::write(&token_file, "\n").unwrap();
    assert!(
        obtain()
            .await
            .unwrap_err()
            .contains("holds 0 characters, not a token")
    );
    fs::remove_file(&token_file).unwrap();
    fs::create_dir(&token_file).unwrap();
    assert!(
        obtain()
            .await
            .unwrap_err()
            .contains("cannot be read: not a regular file")
    );

    let request = &server.requests()[0];
    assert!(
        request
            .path
            .starts_with("/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp=20")
    );
    assert!(!request.path.contains("hunter2"));
    assert!(
        request
            .body
            .contains("&OIDCToken=hunter2.one&RoleSessionName=cloud-assistant-exporter&DurationSeconds=3600")
    );
    assert!(!request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn oidc_refusals_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    fs::write(&token_file, "hunter2.one").unwrap();
    for (code, expected) in [
        (
            "AuthenticationFail.OIDCToken.Expired",
            "check that the token file is renewed",
        ),
        ("AuthenticationFail.NoPermission", "name the OIDC provider"),
        ("EntityNotExist.OIDCProvider", "check provider_arn"),
    ] {
        let server = Server::start(move |_| (400, refusal(code)));
        let error = try_obtain(oidc(&token_file), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        assert!(
            error.contains(&format!("refused with {code} ")) && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_role_of_the_instance_by_both_versions() {
    let role = || Origin::EcsRamRole { role_name: None };
    let server = Server::start(metadata);
    let obtained = try_obtain(role(), at_metadata(&server.address), &[])
        .await
        .unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.node");
    assert_eq!(obtained.origin, "RAM role node of the instance");
    assert_eq!(server.paths().len(), 3);
    assert_eq!(
        server.requests()[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"],
        "21600"
    );

    // A name that is known saves a question, wherever it is known from.
    let server = Server::start(metadata);
    let named = Origin::EcsRamRole {
        role_name: Some(String::from("node")),
    };
    assert!(try_obtain(named, at_metadata(&server.address), &[]).await.is_ok());
    let variables = [("ALIBABA_CLOUD_ECS_METADATA", "node")];
    assert!(
        try_obtain(role(), at_metadata(&server.address), &variables)
            .await
            .is_ok()
    );
    assert_eq!(server.paths().len(), 4);

    let server = Server::start(metadata_v1);
    assert!(
        try_obtain(role(), at_metadata(&server.address), &[])
            .await
            .is_ok()
    );
    let variables = [("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")];
    let error = try_obtain(role(), at_metadata(&server.address), &variables)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        format!(
            "ecs_ram_role: no instance metadata service of version 2 answers at {}, and ALIBABA_CLOUD_IMDSV1_DISABLED \
             turns off version 1; check that the exporter runs on an ECS instance with a RAM role",
            server.address
        )
    );
}

#[tokio::test]
async fn broken_metadata_services_are_told() {
    let role = |name: Option<&str>| Origin::EcsRamRole {
        role_name: name.map(str::to_owned),
    };
    let error = try_obtain(role(None), at_metadata(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("ecs_ram_role: no instance metadata service answers at 127.0.0.1:"),
        "{error}"
    );
    let error = try_obtain(role(Some("node")), at_metadata(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("ecs_ram_role: no instance metadata service answers at 127.0.0.1:"),
        "{error}"
    );

    for (name, list, credentials, expected) in [
        (
            None,
            (404, String::new()),
            (404, String::new()),
            "no RAM role is attached to the instance",
        ),
        (
            None,
            (200, String::new()),
            (404, String::new()),
            "no RAM role is attached to the instance",
        ),
        (
            None,
            (500, String::new()),
            (404, String::new()),
            ": refused with no error code (status 500)",
        ),
        (
            None,
            (200, String::from("<html>")),
            (200, String::new()),
            "has characters that no role has",
        ),
        (
            None,
            (200, String::from("node")),
            (500, String::new()),
            "RAM role node of the instance: refused with",
        ),
        (
            None,
            (200, String::from("node")),
            (200, String::from("<html>")),
            "not the JSON that was expected",
        ),
        (
            None,
            (200, String::from("node")),
            (200, String::from(r#"{"Code":"Failed"}"#)),
            "its Code is Failed, not Success",
        ),
        (
            Some("other"),
            (200, String::from("node")),
            (404, String::new()),
            "check that this role is attached",
        ),
    ] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/latest/api/token" => (200, String::from("hunter2-imds")),
            "/latest/meta-data/ram/security-credentials/" => list.clone(),
            _ => credentials.clone(),
        });
        let error = try_obtain(role(name), at_metadata(&server.address), &[])
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}

#[tokio::test]
async fn credentials_uri() {
    let server = Server::start(|request| match request.path.as_str() {
        "/ok?key=hunter2" => (200, wire("STS.uri")),
        "/no-code" => (200, wire("STS.uri").replace(r#""Code":"Success","#, "")),
        "/no-token" => (200, wire("STS.uri").replace("SecurityToken", "Token")),
        "/html" => (200, String::from("<html>hunter2</html>")),
        "/list" => (200, as_list(&wire("STS.uri"))),
        "/number" => (200, wire("STS.uri").replace(r#""Success""#, "200")),
        "/line-break" => (
            200,
            wire(r"STS.uri\r\n").replace("hunter2-token", r"hunter2-token\n"),
        ),
        "/two-lines" => (200, wire(r"STS.uri\nSTS.other")),
        "/space" => (200, wire("STS.uri").replace("hunter2-token", "hunter2 token")),
        "/odd" => (
            200,
            wire("STS.uri").replace('}', r#","Other":1e999,"More":"\ud800"}"#),
        ),
        _ => (401, String::from("who is hunter2?")),
    });
    let obtain = |path: &str| {
        let uri = Secret::new(format!("{}{path}", server.address));
        try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
    };
    assert_eq!(
        obtain("/ok?key=hunter2").await.unwrap().credentials.access_key_id,
        "STS.uri"
    );
    let trimmed = obtain("/line-break").await.unwrap().credentials;
    assert_eq!(trimmed.access_key_id, "STS.uri");
    assert!(trimmed.security_token.unwrap().expose().ends_with("token"));
    assert!(obtain("/no-code").await.is_ok());
    assert!(obtain("/odd").await.is_ok());
    for (path, expected) in [
        ("/list", "not the JSON that was expected, at line 1 column 1 of "),
        ("/number", "its Code is 200, not Success"),
        ("/two-lines", "its AccessKeyId holds spaces, line breaks"),
        ("/space", "its SecurityToken holds spaces, line breaks"),
    ] {
        let error = obtain(path).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        obtain("/no-token")
            .await
            .unwrap_err()
            .contains("it has no SecurityToken")
    );
    assert!(
        obtain("/html")
            .await
            .unwrap_err()
            .contains("not the JSON that was expected")
    );
    assert_eq!(
        obtain("/?key=hunter2").await.unwrap_err(),
        "credentials URI: refused with no error code (status 401); check the service at the configured address \
         (credentials.uri or ALIBABA_CLOUD_CREDENTIALS_URI)"
    );
    let uri = Secret::new(format!("{}/?key=hunter2", nowhere()));
    let error = try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("credentials URI: no answer from 127.0.0.1:"),
        "{error}"
    );
    let uri = Secret::new("hunter2");
    let error = try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
        .await
        .unwrap_err();
    assert!(
        error.contains("does not begin with http:// or https://"),
        "{error}"
    );
}
