//! Profiles of files, and the chain that looks for them.

use super::*;

/// One profile for each mode, as the CLI writes them.
fn cli_file(sts_token_file: &Path) -> String {
    format!(
        r#"{{"current":"ak","profiles":[
        {{"name":"ak","mode":"AK","access_key_id":"LTAI1","access_key_secret":"hunter2","sts_token":"","region_id":"cn-hangzhou"}},
        {{"name":"sts","mode":"StsToken","access_key_id":"STS.0","access_key_secret":"hunter2","sts_token":"hunter2-token"}},
        {{"name":"role","mode":"RamRoleArn","access_key_id":"LTAI1","access_key_secret":"hunter2","ram_role_arn":"{ROLE}","ram_session_name":"me","expired_seconds":1800,"external_id":"ex","policy":""}},
        {{"name":"ecs","mode":"EcsRamRole","ram_role_name":"node"}},
        {{"name":"oidc","mode":"OIDC","ram_role_arn":"{ROLE}","oidc_provider_arn":"{PROVIDER}","oidc_token_file":{token_file:?}}},
        {{"name":"chain","mode":"ChainableRamRoleArn","source_profile":"ecs","ram_role_arn":"{ROLE}"}},
        {{"name":"circle","mode":"ChainableRamRoleArn","source_profile":"back","ram_role_arn":"{ROLE}"}},
        {{"name":"back","mode":"ChainableRamRoleArn","source_profile":"circle","ram_role_arn":"{ROLE}"}},
        {{"name":"lost","mode":"ChainableRamRoleArn","source_profile":"nobody","ram_role_arn":"{ROLE}"}},
        {{"name":"sso","mode":"CloudSSO","access_token":"hunter2"}},
        {{"name":"half","mode":"AK","access_key_id":"LTAI1"}},
        {{"name":"tokenless","mode":"StsToken","access_key_id":"LTAI1","access_key_secret":"hunter2"}}]}}"#,
        token_file = sts_token_file.display().to_string()
    )
}

#[tokio::test]
async fn cli_profiles() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token_file) = (
        directory.path().join("config.json"),
        directory.path().join("token"),
    );
    fs::write(&token_file, "hunter2.token").unwrap();
    fs::write(&file, cli_file(&token_file)).unwrap();
    let sts = Server::start(|_| (200, session("STS.1")));
    let imds = Server::start(metadata);
    let obtain = async |name: Option<&str>| try_profile(&file, name, (&sts, &imds), &[]).await;
    for (name, id) in [
        (None, "LTAI1"),
        (Some("sts"), "STS.0"),
        (Some("role"), "STS.1"),
        (Some("ecs"), "STS.node"),
        (Some("oidc"), "STS.1"),
        (Some("chain"), "STS.1"),
    ] {
        let obtained = obtain(name).await.unwrap();
        assert_eq!(obtained.credentials.access_key_id, id, "{name:?}");
        let start = format!("profile {:?} of {}: ", name.unwrap_or("ak"), file.display());
        assert!(obtained.origin.starts_with(&start), "{}", obtained.origin);
    }
    let role = &sts.requests()[0];
    assert!(
        role.body
            .ends_with("&RoleSessionName=me&DurationSeconds=1800&ExternalId=ex"),
        "{}",
        role.body
    );

    for (name, expected) in [
        (
            "circle",
            "the profiles lead back to themselves: circle -> back -> circle; let one",
        ),
        (
            "lost",
            "its source_profile \"nobody\" is not in the file; correct",
        ),
        (
            "sso",
            "the mode \"CloudSSO\" cannot be used here; use one of AK, StsToken, RamRoleArn, ",
        ),
        (
            "half",
            "access_key_secret is missing, which the mode AK needs; add it",
        ),
        (
            "tokenless",
            "sts_token is missing, which the mode StsToken needs; add it",
        ),
        ("nobody", "profile: no profile \"nobody\" in "),
    ] {
        let error = obtain(Some(name)).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    for (text, expected) in [
        (
            "{\"profiles\": \"hunter2\"",
            "not the JSON of a CLI configuration, at line 1 column ",
        ),
        (
            "[\"ak\", [{\"name\": \"ak\"}]]",
            "not the JSON of a CLI configuration, at line 1 column 1;",
        ),
        (
            "{\"current\": \"ak\", \"profiles\": \"hunter2\"}",
            "its profiles are not a list; repair",
        ),
        (
            "{\"current\": 1e999, \"profiles\": [[\"ak\"], {\"name\": \"ak\"}]}",
            "profile: no default profile in ",
        ),
    ] {
        // Only so is it read as the CLI's, whatever is in it.
        let variables = [("ALIBABA_CLOUD_CONFIG_FILE", file.to_str().unwrap())];
        fs::write(&file, text).unwrap();
        let origin = Origin::Profile {
            name: None,
            file: None,
        };
        let error = try_obtain(origin, at_both(&sts, &imds), &variables)
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    fs::remove_file(&file).unwrap();
    let error = obtain(None).await.unwrap_err();
    assert!(
        error.starts_with(&format!("{}: cannot be read: ", file.display())),
        "{error}"
    );
}

#[tokio::test]
async fn a_profile_names_the_region_of_sts() {
    let text = format!(
        r#"{{"profiles":[{{"name":"a","mode":"OIDC","ram_role_arn":"{ROLE}","oidc_provider_arn":"{PROVIDER}",
        "oidc_token_file":"t","sts_region":"cn-beijing","enable_vpc":true}}]}}"#
    );
    let endpoint = |endpoints: &Endpoints| {
        let parsed = cli_profile::parse(&text, "file", Some("a"), endpoints, &Environment::default());
        match parsed.unwrap() {
            lookup::Lookup::Found { credentials, .. } => credentials.endpoints.sts.unwrap(),
            lookup::Lookup::Missing(reason) => panic!("{reason}"),
        }
    };
    assert_eq!(
        endpoint(&Endpoints::default()),
        "https://sts-vpc.cn-beijing.aliyuncs.com"
    );
    assert_eq!(endpoint(&at_sts("http://configured")), "http://configured");
    for (variables, expected) in [
        (&[][..], "https://sts.aliyuncs.com"),
        (
            &[("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true")],
            "https://sts.aliyuncs.com",
        ),
        (
            &[("ALIBABA_CLOUD_STS_REGION", "eu-west-1")],
            "https://sts.eu-west-1.aliyuncs.com",
        ),
        (
            &[
                ("ALIBABA_CLOUD_STS_REGION", "eu-west-1"),
                ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "TRUE"),
            ],
            "https://sts-vpc.eu-west-1.aliyuncs.com",
        ),
    ] {
        assert_eq!(
            sts::endpoint(&Endpoints::default(), &services(variables))
                .await
                .unwrap(),
            expected
        );
    }
}

#[tokio::test]
async fn ini_profiles() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token_file) = (
        directory.path().join("credentials"),
        directory.path().join("token"),
    );
    fs::write(&token_file, "hunter2.token").unwrap();
    let text = format!(
        "# a comment\n[default]\nenable = true\ntype = access_key\naccess_key_id = LTAI1\naccess_key_secret = hunter2=\n\n\
         [role]\nType: ram_role_arn\naccess_key_id=LTAI1\naccess_key_secret=hunter2\nrole_arn={ROLE}\nrole_session_name=me\n\
         [ecs]\ntype=ecs_ram_role\nrole_name=node\n\
         [oidc]\ntype=oidc_role_arn\nrole_arn={ROLE}\noidc_provider_arn={PROVIDER}\noidc_token_file_path={}\n\
         [rsa]\ntype=rsa_key_pair\nprivate_key_file=hunter2\n[half]\ntype=access_key\naccess_key_id=a\n[empty]\n",
        token_file.display()
    );
    fs::write(&file, text).unwrap();
    let sts = Server::start(|_| (200, session("STS.1")));
    let imds = Server::start(metadata);
    let obtain = async |name: Option<&str>, variables: &[(&str, &str)]| {
        try_profile(&file, name, (&sts, &imds), variables).await
    };
    let default = obtain(None, &[]).await.unwrap().credentials;
    assert_eq!(
        (default.access_key_id.as_str(), default.access_key_secret.expose()),
        ("LTAI1", "hunter2=")
    );
    for (name, id) in [("role", "STS.1"), ("ecs", "STS.node"), ("oidc", "STS.1")] {
        assert_eq!(
            obtain(Some(name), &[]).await.unwrap().credentials.access_key_id,
            id,
            "{name}"
        );
    }
    let named = obtain(None, &[("ALIBABA_CLOUD_PROFILE", "ecs")]).await.unwrap();
    assert_eq!(named.credentials.access_key_id, "STS.node");
    for (name, expected) in [
        (
            "rsa",
            "the type \"rsa_key_pair\" cannot be used here; use one of access_key, ",
        ),
        ("half", "access_key_secret is missing; add it to the section"),
        ("empty", "profile: the profile \"empty\" in "),
        ("nobody", "profile: no profile \"nobody\" in "),
    ] {
        let error = obtain(Some(name), &[]).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    fs::write(&file, "[default]\nhunter2\n").unwrap();
    let error = obtain(None, &[]).await.unwrap_err();
    assert!(
        error.contains("line 2 is neither [section] nor key = value; repair the file"),
        "{error}"
    );
}

/// The default chain in a home of its own. Each step is taken away in turn, and the next one is found.
#[tokio::test]
async fn the_chain_goes_on_to_what_is_set_up_next() {
    let home = tempfile::tempdir().unwrap();
    let token_file = home.path().join("token");
    fs::write(&token_file, "hunter2.token").unwrap();
    fs::create_dir(home.path().join(".aliyun")).unwrap();
    fs::create_dir(home.path().join(".alibabacloud")).unwrap();
    let cli = home.path().join(".aliyun/config.json");
    let (go_ini, ini) = (
        home.path().join(".alibabacloud/credentials"),
        home.path().join(".alibabacloud/credentials.ini"),
    );
    let key =
        |id: &str| format!("[default]\ntype=access_key\naccess_key_id={id}\naccess_key_secret=hunter2\n");
    fs::write(&cli, cli_file(&token_file).replace("LTAI1", "cli")).unwrap();
    fs::write(&go_ini, key("go")).unwrap();
    fs::write(&ini, key("ini")).unwrap();
    let sts = Server::start(|_| (200, session("STS.oidc")));
    let imds = Server::start(metadata);
    let uri = Server::start(|_| (200, wire("STS.uri")));
    let endpoints = at_both(&sts, &imds);
    let mut variables = vec![
        ("HOME", home.path().to_str().unwrap()),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "environment"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hunter2"),
        ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token_file.to_str().unwrap()),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str()),
    ];
    let obtain =
        async |variables: &[(&str, &str)]| try_obtain(Origin::Chain, endpoints.clone(), variables).await;
    let id = async |variables: &[(&str, &str)]| obtain(variables).await.unwrap().credentials.access_key_id;

    assert_eq!(id(&variables).await, "environment");
    variables.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    assert_eq!(id(&variables).await, "STS.oidc");
    // A broken token is not passed over.
    fs::remove_file(&token_file).unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("by OIDC: the token file ")
    );
    // A role alone is not OIDC.
    variables.retain(|(name, _)| !name.contains("OIDC"));
    assert_eq!(id(&variables).await, "cli");
    variables.push(("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"));
    assert_eq!(id(&variables).await, "go");
    variables.pop();
    // A profile that one file does not have is looked for in the next.
    variables.push(("ALIBABA_CLOUD_PROFILE", "default"));
    assert_eq!(id(&variables).await, "go");
    variables.pop();
    fs::write(&cli, "{").unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("not the JSON of a CLI configuration")
    );
    fs::remove_file(&cli).unwrap();
    assert_eq!(id(&variables).await, "go");
    fs::remove_file(&go_ini).unwrap();
    assert_eq!(id(&variables).await, "ini");
    fs::create_dir(&go_ini).unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("credentials: cannot be read: not a regular file")
    );
    fs::remove_dir(&go_ini).unwrap();
    fs::remove_file(&ini).unwrap();
    assert_eq!(id(&variables).await, "STS.node");
    variables.push(("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"));
    assert_eq!(id(&variables).await, "STS.uri");
    variables.retain(|(name, _)| *name != "ALIBABA_CLOUD_CREDENTIALS_URI");
    let home = home.path().display();
    assert_eq!(
        obtain(&variables).await.unwrap_err(),
        format!(
            "default credential chain: no credentials are configured (ALIBABA_CLOUD_ACCESS_KEY_ID is not set; the OIDC \
             variables of RRSA are not all set; no file {home}/.aliyun/config.json; no file \
             {home}/.alibabacloud/credentials, no file {home}/.alibabacloud/credentials.ini; the instance metadata \
             service is turned off; ALIBABA_CLOUD_CREDENTIALS_URI is not set); set credentials in the configuration, or \
             one of these"
        )
    );
}

#[tokio::test]
async fn the_chain_passes_over_metadata_services_without_a_role() {
    let uri = Server::start(|_| (200, wire("STS.uri")));
    let v1 = Server::start(metadata_v1);
    let no_role = Server::start(|request| match request.method.as_str() {
        "PUT" => (200, String::from("hunter2-imds")),
        _ => (404, String::new()),
    });
    let broken = Server::start(|request| match request.path.as_str() {
        "/latest/meta-data/ram/security-credentials/" => (200, String::from("node")),
        _ => (500, String::new()),
    });
    let chain = async |address: &str, more: &[(&str, &str)]| {
        let mut variables = vec![("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str())];
        variables.extend_from_slice(more);
        let obtained = try_obtain(Origin::Chain, at_metadata(address), &variables).await;
        obtained.map(|obtained| obtained.credentials.access_key_id)
    };
    assert_eq!(chain(&nowhere(), &[]).await.unwrap(), "STS.uri");
    assert_eq!(
        chain(&nowhere(), &[("ALIBABA_CLOUD_ECS_METADATA", "node")])
            .await
            .unwrap(),
        "STS.uri"
    );
    assert_eq!(chain(&no_role.address, &[]).await.unwrap(), "STS.uri");
    assert_eq!(chain(&v1.address, &[]).await.unwrap(), "STS.node");
    assert_eq!(
        chain(&v1.address, &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")])
            .await
            .unwrap(),
        "STS.uri"
    );
    // A role without credentials is broken, and so is a named one that the service does not know.
    assert!(
        chain(&broken.address, &[])
            .await
            .unwrap_err()
            .contains("RAM role node of the instance: refused")
    );
    let unknown = chain(&no_role.address, &[("ALIBABA_CLOUD_ECS_METADATA", "node")])
        .await
        .unwrap_err();
    assert!(unknown.contains("check that this role is attached"), "{unknown}");
}

#[tokio::test]
async fn a_file_named_by_a_variable_may_be_missing_but_not_unreadable() {
    let directory = tempfile::tempdir().unwrap();
    let uri = Server::start(|_| (200, wire("STS.uri")));
    for name in ["ALIBABA_CLOUD_CONFIG_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE"] {
        let obtain = async |path: &str| {
            let variables = [
                (name, path),
                ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
                ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str()),
            ];
            try_obtain(Origin::Chain, Endpoints::default(), &variables).await
        };
        let obtained = obtain("/nonexistent/file").await.unwrap();
        assert_eq!(obtained.credentials.access_key_id, "STS.uri");
        let error = obtain(directory.path().to_str().unwrap()).await.unwrap_err();
        assert!(error.contains("cannot be read: not a regular file"), "{error}");
    }
    let half = [("ALIBABA_CLOUD_ACCESS_KEY_SECRET", MARK)];
    let error = try_obtain(Origin::Chain, Endpoints::default(), &half)
        .await
        .unwrap_err();
    assert!(error.contains("ALIBABA_CLOUD_ACCESS_KEY_ID is not;"), "{error}");
    let variables = [
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", "hunter2://"),
    ];
    let error = try_obtain(Origin::Chain, Endpoints::default(), &variables)
        .await
        .unwrap_err();
    assert!(
        error.contains("does not begin with http:// or https://"),
        "{error}"
    );
}
