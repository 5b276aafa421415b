//! Keys of the files of others: each is honoured, or refused by its name.

use super::*;

/// What the last request asks STS for; or the key, where STS is not asked.
async fn asked(file: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let token = directory.path().join("token");
    fs::write(&token, "\u{feff}hunter2.token\n").unwrap();
    fs::write(&path, file.replace("TOKEN", token.to_str().unwrap())).unwrap();
    let sts = Server::start(|_| (200, session("STS.1")));
    let imds = Server::start(metadata);
    let obtained = try_profile(&path, None, (&sts, &imds), variables).await?;
    let key = obtained.credentials;
    let token = key.security_token.as_ref().map_or("", Secret::expose);
    Ok(match sts.requests().last() {
        Some(request) => request.body.clone(),
        None => format!("{} {} {token}", key.access_key_id, key.access_key_secret.expose()),
    })
}

/// A file whose current profile has these keys, among others that are odd.
fn cli(profile: &str) -> String {
    format!(
        r#"{{"current":"a","profiles":[null,7,{{"name":7}},{{"name":"b","mode":null}},{{"name":"a",{profile}}}]}}"#
    )
}

#[tokio::test]
async fn sessions_are_as_narrow_and_as_short_as_profiles_say() {
    let oidc = format!(
        r#""mode":"OIDC","ram_role_arn":"{ROLE}\n","oidc_provider_arn":"{PROVIDER}","oidc_token_file":"TOKEN",
        "ram_session_name":"me","expired_seconds":900,"policy":"{{}}""#
    );
    let body = asked(&cli(&oidc), &[]).await.unwrap();
    assert!(
        body.ends_with("&OIDCToken=hunter2.token&RoleSessionName=me&DurationSeconds=900&Policy=%7B%7D"),
        "{body}"
    );
    let ini = format!(
        "[default]   # the role of the pod\ntype = oidc_role_arn\nrole_arn = {ROLE}\noidc_provider_arn = {PROVIDER}\n\
         oidc_token_file_path = TOKEN\nrole_session_expiration = 1200\npolicy = {{\"Version\":\n  \"1\"}}\n"
    );
    let body = asked(&ini, &[]).await.unwrap();
    assert!(
        body.ends_with("&DurationSeconds=1200&Policy=%7B%22Version%22%3A%0A%221%22%7D"),
        "{body}"
    );
    let by_instance =
        format!(r#""mode":"RamRoleArnWithRoleName","ram_role_name":"node","ram_role_arn":"{ROLE}""#);
    let external = [("ALIBABA_CLOUD_EXTERNAL_ID", "ex\r\n")];
    let body = asked(&cli(&by_instance), &external).await.unwrap();
    assert!(body.ends_with("&DurationSeconds=3600&ExternalId=ex"), "{body}");
}

#[tokio::test]
async fn addresses_of_services_are_honoured() {
    let uri = Server::start(|_| (200, wire("STS.uri")));
    let in_file = format!(r#""mode":"CredentialsURI","credentials_uri":"{}/x""#, uri.address);
    let address = format!("{}/y", uri.address);
    let in_environment = [("ALIBABA_CLOUD_CREDENTIALS_URI", address.as_str())];
    let nowhere_else = r#""mode":"CredentialsURI""#;
    for (profile, variables) in [(in_file.as_str(), &[][..]), (nowhere_else, &in_environment)] {
        let key = asked(&cli(profile), variables).await.unwrap();
        assert!(key.starts_with("STS.uri "), "{key}");
    }
    assert_eq!(uri.paths(), ["GET /x", "GET /y"]);
    let error = asked(&cli(nowhere_else), &[]).await.unwrap_err();
    assert!(error.contains("credentials_uri is missing"), "{error}");

    let sts = |keys: &str, variables: &[(&str, &str)]| {
        let text = cli(&format!(
            r#""mode":"RamRoleArn","access_key_id":"a","access_key_secret":"b","ram_role_arn":"{ROLE}",{keys}"#
        ));
        let environment = services(variables).environment;
        match cli_profile::parse(&text, "file", None, &Endpoints::default(), &environment) {
            Ok(lookup::Lookup::Found { credentials, .. }) => {
                Ok(credentials.endpoints.sts.unwrap_or_default())
            }
            Ok(lookup::Lookup::Missing(reason)) => panic!("{reason}"),
            Err(error) => Err(error.to_string()),
        }
    };
    let region = r#""sts_region":"cn-beijing""#;
    let variable = [("ALIBABA_CLOUD_STS_ENDPOINT", "sts.example.com")];
    assert_eq!(sts(region, &[]).unwrap(), "https://sts.cn-beijing.aliyuncs.com");
    assert_eq!(sts(region, &variable).unwrap(), "", "left to the variable");
    let both = format!(r#"{region},"sts_endpoint":"sts-vpc.cn-x.aliyuncs.com""#);
    assert_eq!(
        sts(&both, &variable).unwrap(),
        "https://sts-vpc.cn-x.aliyuncs.com"
    );
    let error = sts(r#""sts_endpoint":"http://hunter2@x/y""#, &[]).unwrap_err();
    assert!(
        error.contains("sts_endpoint is not the address") && !error.contains(MARK),
        "{error}"
    );
}

#[tokio::test]
async fn what_an_editor_leaves_behind_is_no_part_of_a_key() {
    let profile = r#""mode":"StsToken","access_key_id":"id\n","access_key_secret":"hunter2\r\n","sts_token":"hunter2-t\n""#;
    let key = "id hunter2 hunter2-t";
    assert_eq!(asked(&cli(profile), &[]).await.unwrap(), key);
    assert_eq!(
        asked(&format!("\u{feff}{}", cli(profile)), &[]).await.unwrap(),
        key
    );
    let large = cli(profile).replace("null,7,", &"{\"name\":\"other\"},".repeat(200_000));
    assert!(large.len() > 3 << 20);
    assert_eq!(asked(&large, &[]).await.unwrap(), key);
    let ini = "[default]\ntype=sts\naccess_key_id=id\naccess_key_secret=hunter2\nsecurity_token=hunter2-t\n";
    assert_eq!(asked(&format!("\u{feff}{ini}"), &[]).await.unwrap(), key);

    let variables = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id\n"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hunter2\r\n"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "\n"),
    ];
    let key = try_obtain(Origin::Chain, Endpoints::default(), &variables)
        .await
        .unwrap();
    let key = key.credentials;
    assert_eq!(
        (key.access_key_id.as_str(), key.access_key_secret.expose()),
        ("id", "hunter2")
    );
    assert_eq!(key.security_token, None);
}

#[tokio::test]
async fn what_is_not_honoured_is_refused_by_name() {
    for (profile, expected) in [
        (
            r#""mode":"AK","access_key_id":7,"access_key_secret":"hunter2""#,
            "access_key_id is not a text",
        ),
        (
            r#""mode":"AK","access_key_id":"a""#,
            "access_key_secret is missing, which the mode AK needs",
        ),
        (
            r#""mode":"AK","access_key_id":"","access_key_secret":"""#,
            "profile: the profile \"a\" in ",
        ),
        (r#""mode":"AK","region_id":"cn-hangzhou""#, " has no access key; "),
        (r#""mode":"","output_format":"json""#, " has no access key; "),
        (
            r#""mode":"BearerToken","bearer_token":"hunter2""#,
            "the mode \"BearerToken\" cannot be used here",
        ),
        (
            r#""mode":"OIDC","expired_seconds":"900","ram_role_arn":"a","oidc_provider_arn":"b","oidc_token_file":"c""#,
            "expired_seconds is not a number of seconds",
        ),
    ] {
        let error = asked(&cli(profile), &[]).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let key = "type = access_key\naccess_key_id = id\naccess_key_secret = hunter2\n";
    for (more, expected) in [
        (
            "proxy = http://hunter2\n",
            "proxy is not honoured; set HTTPS_PROXY instead",
        ),
        ("host = x\n", "host is not honoured; set sts_endpoint or "),
        (
            "'security_token' = hunter2\n",
            "the key 'security_token' is in quotes; remove",
        ),
        (
            "security_token = \"hunter2\"\n",
            "security_token is in quotes, which would be sent; remove",
        ),
        ("security_token = hunter2%\n", "security_token holds a %, "),
        (
            "security_token = x\n  hunter2\n",
            "the line after security_token begins with spaces",
        ),
        (
            "security_token = x\nSecurity_Token = y\n",
            "line 6 has a key that is there already",
        ),
        ("enable = False\n", "has enable = false"),
        (
            "[default] # again\n",
            "line 5 begins a section that is there already",
        ),
    ] {
        let error = asked(&format!("[default]\n{key}{more}"), &[]).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let mine = key.replace("= id", "= mine");
    let others = format!("[client1]   # for: staging\n{key}torn\n{key}[default]\n{mine}");
    let of_default = asked(&others, &[]).await.unwrap();
    assert!(of_default.starts_with("mine "), "{of_default}");
}

/// Foreign values are shown only as far as it takes to recognise them.
#[tokio::test]
async fn a_message_is_short_whatever_is_wrong() {
    let long = "é".repeat(20_000);
    let oidc = format!(
        "\"ram_role_arn\":\"{long}\",\"oidc_provider_arn\":\"{long}\",\"oidc_token_file\":\"{long}\""
    );
    for file in [
        cli(&format!(r#""mode":"{long}""#)),
        cli(&format!(
            r#""mode":"ChainableRamRoleArn","ram_role_arn":"a","source_profile":"{long}""#
        )),
        cli(&format!(r#""mode":"OIDC",{oidc}"#)),
        cli(&format!(r#""mode":"EcsRamRole","ram_role_name":"{long}""#)),
        cli(&format!(
            r#""mode":"CredentialsURI","credentials_uri":"http://{}.invalid/""#,
            "a".repeat(20_000)
        )),
        format!(r#"{{"current":"{long}","profiles":[]}}"#),
        format!(r#"{{"current":"{long}","profiles":[{{"name":"{long}","mode":"AK"}}]}}"#),
        format!(
            r#"{{"current":"{long}","profiles":[{{"name":"{long}","mode":"ChainableRamRoleArn","source_profile":"{long}"}}]}}"#
        ),
        format!("[default]\ntype = {long}\n"),
        format!("[default]\ntype = access_key\n\"{long} = a\n"),
        format!("[default]\n{long}\n"),
        format!(
            "[default]\ntype = oidc_role_arn\nrole_arn = {long}\noidc_provider_arn = a\noidc_token_file_path = {long}\n"
        ),
    ] {
        let Err(error) = asked(&file, &[]).await else {
            panic!("{file:.200} is taken");
        };
        assert!(error.len() < 3000, "{} bytes: {error:.500}", error.len());
    }
    let named = [("ALIBABA_CLOUD_PROFILE", long.as_str())];
    for file in [cli("\"mode\":\"AK\""), String::from("[default]\ntype = sts\n")] {
        let error = asked(&file, &named).await.unwrap_err();
        assert!(error.len() < 1000, "{} bytes: {error:.500}", error.len());
    }
    // Of STS, whose refusal is told with what to grant.
    let sts = Server::start(|_| (403, refusal("NoPermission")));
    let origin = Origin::AssumeRole {
        role_arn: long.clone(),
        session_name: None,
        external_id: None,
        policy: None,
        duration: Duration::from_secs(900),
        source: Box::new(config::Credentials {
            origin: access_key(),
            endpoints: Endpoints::default(),
        }),
    };
    let error = try_obtain(origin, at_sts(&sts.address), &[]).await.unwrap_err();
    assert!(
        error.contains("grant the RAM action") && error.len() < 1500,
        "{} bytes",
        error.len()
    );
}

#[tokio::test]
async fn chains_of_profiles_have_a_bound() {
    let chain = |length: usize| {
        let links: Vec<String> = (0..length)
            .map(|link| {
                format!(
                    r#"{{"name":"{link}","mode":"ChainableRamRoleArn","ram_role_arn":"{ROLE}","source_profile":"{}"}}"#,
                    link + 1
                )
            })
            .collect();
        format!(
            r#"{{"current":"0","profiles":[{},{{"name":"{length}","mode":"AK","access_key_id":"a","access_key_secret":"b"}}]}}"#,
            links.join(",")
        )
    };
    assert!(asked(&chain(15), &[]).await.is_ok());
    for length in [16, 5000] {
        let error = asked(&chain(length), &[]).await.unwrap_err();
        assert!(
            error.contains("more than 16 profiles lead to each other"),
            "{error}"
        );
    }
}
