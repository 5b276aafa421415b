//! Temporary keys, from each place that gives them out.

use serde_json::Value;

use super::client::{ACTION, Answer, FORM, get, send, signed_as, signed_v1, unsigned};
use crate::clock::{parse_utc, unix_now, utc};
use crate::{AccessKey, Clock, Cloud, Fault, FaultKind, Role, Simulator};

const ROLE: &str = "acs:ram::123456789012:role/exporter";
const PROVIDER: &str = "acs:ram::123456789012:oidc-provider/ack";
const TOKEN: &str = "eyJhbGciOi.one+two/three==";
const STS: &str = "2015-04-01";
const ROLE_FORM: &str = "RoleArn=acs%3Aram%3A%3A123456789012%3Arole%2Fexporter&RoleSessionName=exporter";

fn simulator() -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("caller", AccessKey::new("id", "secret"));
    cloud.add_account("production", AccessKey::new("production-key", "secret"));
    cloud.region("production", "cn-hangzhou").run("x", 3);
    cloud.add_role(Role::new(ROLE, "production").with_oidc(PROVIDER, TOKEN));
    Simulator::start(cloud)
}

fn caller() -> AccessKey {
    AccessKey::new("id", "secret")
}

/// Takes the key from an answer, after a look at what else it must hold.
fn key_of(credentials: &Value, lifetime: i64) -> AccessKey {
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let left = parse_utc(&text("Expiration")).unwrap() - unix_now();
    assert!((lifetime - 5..=lifetime).contains(&left), "{left} of {lifetime}");
    AccessKey::with_token(
        &text("AccessKeyId"),
        &text("AccessKeySecret"),
        &text("SecurityToken"),
    )
}

/// The code of the answer that a key gets, or the number of rows.
fn tried(simulator: &Simulator, key: &AccessKey) -> String {
    let request = signed_as(
        simulator,
        key,
        (ACTION, "2014-05-26"),
        "POST",
        "RegionId=cn-hangzhou",
        "",
    );
    let answer = send(simulator, &request).unwrap();
    match answer.json()["Invocation"]["InvocationResults"]["InvocationResult"].as_array() {
        Some(rows) => format!("{} rows", rows.len()),
        None => answer.code(),
    }
}

fn assume(simulator: &Simulator, key: &AccessKey, form: &str) -> Answer {
    send(
        simulator,
        &signed_as(simulator, key, ("AssumeRole", STS), "POST", "", form),
    )
    .unwrap()
}

#[test]
fn a_role_is_assumed_with_either_signature() {
    let simulator = simulator();
    let v3 = assume(&simulator, &caller(), &format!("{ROLE_FORM}&DurationSeconds=900"));
    let v1 = signed_v1(
        &simulator,
        &caller(),
        "Action=AssumeRole&Version=2015-04-01",
        ROLE_FORM,
    );
    let v1 = send(&simulator, &v1).unwrap();
    for (answer, lifetime) in [(v3, 900), (v1, 3_600)] {
        let body = answer.json();
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(
            body["AssumedRoleUser"]["Arn"],
            "acs:ram::123456789012:assumed-role/exporter/exporter"
        );
        let key = key_of(&body["Credentials"], lifetime);
        assert!(key.id.starts_with("STS."));
        assert_eq!(
            tried(&simulator, &key),
            "3 rows",
            "the key is one of the role's account"
        );
        let bare = AccessKey::new(&key.id, &key.secret);
        assert_eq!(tried(&simulator, &bare), "MissingSecurityToken");
    }
    assert_eq!(
        tried(&simulator, &caller()),
        "0 rows",
        "which its own account is not"
    );
    let issued = simulator.cloud().issued_keys();
    assert_eq!(issued.len(), 2);
    assert_eq!(
        (issued[0].by.as_str(), issued[0].account.as_str()),
        ("AssumeRole", "production")
    );
    let requests = simulator.requests();
    assert!(requests[0].signed && requests[0].action == "AssumeRole" && requests[0].region.is_empty());
}

#[test]
fn a_role_is_not_assumed_by_mistake() {
    let simulator = simulator();
    let form = |extra: &str| format!("{ROLE_FORM}&{extra}");
    let long = "p".repeat(2_049);
    for (form, status, code) in [
        (
            "RoleSessionName=exporter".to_owned(),
            400,
            "MissingParameter.RoleArn",
        ),
        (
            "RoleArn=acs:ram::1:role/x&RoleSessionName=exporter".to_owned(),
            404,
            "EntityNotExist.Role",
        ),
        (
            ROLE_FORM.replace("=exporter", "=e"),
            400,
            "InvalidParameter.RoleSessionName",
        ),
        (
            ROLE_FORM.replace("=exporter", "=a%20b"),
            400,
            "InvalidParameter.RoleSessionName",
        ),
        (
            form("DurationSeconds=899"),
            400,
            "InvalidParameter.DurationSeconds",
        ),
        (
            form("DurationSeconds=3601"),
            400,
            "InvalidParameter.DurationSeconds",
        ),
        (form("ExternalId=x"), 400, "InvalidParameter.ExternalId"),
        (form(&format!("Policy={long}")), 400, "InvalidParameter.Policy"),
    ] {
        let answer = assume(&simulator, &caller(), &form);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{form}");
    }
    let code = |form: &str| assume(&simulator, &caller(), form).code();
    simulator.cloud().role_mut(ROLE).external_id = Some("shared".to_owned());
    assert_eq!(code(ROLE_FORM), "NoPermission");
    assert_eq!(code(&form("ExternalId=other")), "NoPermission");
    assert_eq!(code(&form("ExternalId=shared")), "");
    simulator.cloud().role_mut(ROLE).trusted_accounts = vec!["production".to_owned()];
    assert_eq!(code(&form("ExternalId=shared")), "NoPermission");
    simulator.cloud().role_mut(ROLE).trusted_accounts.clear();
    simulator.cloud().deny("caller", "AssumeRole", None);
    assert_eq!(code(&form("ExternalId=shared")), "NoPermission");
    assert_eq!(simulator.cloud().issued_keys().len(), 1, "one only was right");
}

#[test]
fn a_role_of_a_role_is_assumed_with_its_temporary_key() {
    let simulator = simulator();
    let next = "acs:ram::2:role/next";
    let mut role = Role::new(next, "caller");
    role.trusted_accounts = vec!["production".to_owned()];
    simulator.cloud().add_role(role);
    let first = key_of(
        &assume(&simulator, &caller(), ROLE_FORM).json()["Credentials"],
        3_600,
    );
    let form = format!("RoleArn={next}&RoleSessionName=chain");
    let second = assume(&simulator, &first, &form);
    assert_eq!(
        tried(&simulator, &key_of(&second.json()["Credentials"], 3_600)),
        "0 rows"
    );
    assert_eq!(assume(&simulator, &caller(), &form).code(), "NoPermission");
}

#[test]
fn an_oidc_token_stands_for_a_signature() {
    let simulator = simulator();
    let with = |query: &str, form: &str| {
        let path = format!("/?Version={STS}&Action=AssumeRoleWithOIDC&Format=JSON{query}");
        unsigned(&simulator, "POST", &path, &[("content-type", FORM)], form)
    };
    let now = format!("&Timestamp={}", utc(unix_now()));
    let token = "OIDCToken=eyJhbGciOi.one%2Btwo%2Fthree%3D%3D";
    let provider = "OIDCProviderArn=acs:ram::123456789012:oidc-provider/ack";
    let good = format!("{ROLE_FORM}&{provider}&{token}");
    let answer = with(&now, &good);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let key = key_of(&answer.json()["Credentials"], 3_600);
    assert_eq!(tried(&simulator, &key), "3 rows");
    let received = &simulator.requests()[0];
    assert!(!received.signed && received.action == "AssumeRoleWithOIDC");

    let old = format!("&Timestamp={}", utc(unix_now() - 1_000));
    let cases = [
        ("", good.clone(), "MissingParameter.Timestamp"),
        (old.as_str(), good.clone(), "InvalidTimeStamp.Expired"),
        (
            &now,
            format!("{ROLE_FORM}&{provider}"),
            "MissingParameter.OIDCToken",
        ),
        (
            &now,
            format!("{ROLE_FORM}&{provider}&OIDCToken=abc"),
            "InvalidParameter.OIDCToken",
        ),
        (
            &now,
            format!("{ROLE_FORM}&{provider}&OIDCToken=wrong"),
            "AuthenticationFail.OIDCToken.Invalid",
        ),
        (
            &now,
            format!("{ROLE_FORM}&{token}"),
            "MissingParameter.OIDCProviderArn",
        ),
        (
            &now,
            format!("{ROLE_FORM}&{token}&OIDCProviderArn=other"),
            "EntityNotExist.OIDCProvider",
        ),
        (
            &now,
            format!("{provider}&{token}&RoleSessionName=x1"),
            "MissingParameter.RoleArn",
        ),
    ];
    for (query, form, code) in cases {
        assert_eq!(with(query, &form).code(), code, "{query} {form}");
    }
    let in_url = with(&format!("{now}&{token}"), &format!("{ROLE_FORM}&{provider}"));
    assert_eq!(
        in_url.code(),
        "MissingParameter.OIDCToken",
        "a token has no place in a URL"
    );
    simulator.cloud().rotate_oidc_token(ROLE, "another-token");
    assert_eq!(with(&now, &good).code(), "AuthenticationFail.OIDCToken.Expired");
    assert_eq!(
        with(&now, &good.replace(token, "OIDCToken=another-token")).status,
        200
    );
}

#[test]
fn a_caller_learns_who_it_is() {
    let simulator = simulator();
    let request = signed_as(&simulator, &caller(), ("GetCallerIdentity", STS), "POST", "", "");
    let body = send(&simulator, &request).unwrap().json();
    assert_eq!(
        (&body["AccountId"], &body["IdentityType"]),
        (&"caller".into(), &"RAMUser".into())
    );
    let wrong_version = signed_as(
        &simulator,
        &caller(),
        ("GetCallerIdentity", "2014-05-26"),
        "POST",
        "",
        "",
    );
    assert_eq!(
        send(&simulator, &wrong_version).unwrap().code(),
        "InvalidAction.NotFound"
    );
}

#[test]
fn temporary_keys_end_by_time_or_by_hand() {
    let simulator = simulator();
    simulator.cloud().temporary_key_lifetime = Some(120);
    let key = key_of(
        &assume(&simulator, &caller(), ROLE_FORM).json()["Credentials"],
        120,
    );
    assert_eq!(tried(&simulator, &key), "3 rows");
    simulator.set_clock_skew(130);
    assert_eq!(tried(&simulator, &key), "InvalidSecurityToken.Expired");
    simulator.set_clock_skew(0);
    assert_eq!(tried(&simulator, &key), "3 rows");
    simulator.cloud().revoke_issued_keys("production");
    assert_eq!(tried(&simulator, &key), "InvalidSecurityToken.Expired");
    assert_eq!(
        tried(&simulator, &AccessKey::new("production-key", "secret")),
        "3 rows",
        "which does not end"
    );
    simulator.cloud().remove_key(&key.id);
    assert_eq!(tried(&simulator, &key), "InvalidAccessKeyId.NotFound");
}

const CREDENTIALS: &str = "/latest/meta-data/ram/security-credentials/";

#[test]
fn the_metadata_service_gives_keys_to_those_with_a_token() {
    let simulator = simulator();
    {
        let metadata = &mut simulator.cloud().metadata;
        metadata.role = Some(("exporter-role".to_owned(), "production".to_owned()));
        metadata.v1 = false;
    }
    let ttl = "X-aliyun-ecs-metadata-token-ttl-seconds";
    let put = |seconds: &str| unsigned(&simulator, "PUT", "/latest/api/token", &[(ttl, seconds)], "");
    for wrong in ["0", "21601", "x"] {
        assert_eq!(put(wrong).status, 400, "{wrong}");
    }
    let token = String::from_utf8(put("21600").body).unwrap();
    let read = |token: &str, path: &str| {
        unsigned(
            &simulator,
            "GET",
            path,
            &[("X-aliyun-ecs-metadata-token", token)],
            "",
        )
    };
    let role = read(&token, CREDENTIALS);
    assert_eq!(
        (role.status, role.body.as_slice()),
        (200, b"exporter-role".as_slice())
    );
    assert_eq!(read(&token, "/latest/meta-data/region-id").body, b"cn-hangzhou");
    let one = read(&token, &format!("{CREDENTIALS}exporter-role")).json();
    assert_eq!(one["Code"], "Success");
    let key = key_of(&one, 6 * 3_600);
    assert_eq!(tried(&simulator, &key), "3 rows");
    let again = read(&token, &format!("{CREDENTIALS}exporter-role")).json();
    assert_eq!(
        again["AccessKeyId"], one["AccessKeyId"],
        "the same until it is time for the next"
    );
    simulator.set_clock_skew(6 * 3_600 - 1_700);
    let token = String::from_utf8(put("60").body).unwrap();
    let next = read(&token, &format!("{CREDENTIALS}exporter-role")).json();
    assert_ne!(next["AccessKeyId"], one["AccessKeyId"]);
    simulator.set_clock_skew(0);
    assert_eq!(tried(&simulator, &key), "3 rows", "the one before is still good");

    assert_eq!(read(&token, &format!("{CREDENTIALS}other-role")).status, 404);
    assert_eq!(read("forged", CREDENTIALS).status, 403);
    assert_eq!(get(&simulator, "GET", CREDENTIALS).status, 403, "no token");
    simulator.cloud().metadata.forget_tokens();
    assert_eq!(read(&token, CREDENTIALS).status, 403);
    let actions: Vec<String> = simulator
        .requests()
        .into_iter()
        .map(|received| received.action)
        .collect();
    assert!(
        actions.contains(&"MetadataToken".to_owned()) && actions.contains(&"MetadataCredentials".to_owned())
    );
}

#[test]
fn the_metadata_service_of_old_needs_no_token() {
    let simulator = simulator();
    assert_eq!(get(&simulator, "GET", CREDENTIALS).status, 404, "no role");
    simulator.cloud().metadata.role = Some(("r".to_owned(), "production".to_owned()));
    simulator.cloud().metadata.v2 = false;
    assert_eq!(
        unsigned(&simulator, "PUT", "/latest/api/token", &[], "").status,
        404
    );
    assert_eq!(get(&simulator, "GET", CREDENTIALS).body, b"r");
    assert_eq!(get(&simulator, "POST", CREDENTIALS).status, 405);
    assert_eq!(get(&simulator, "GET", "/latest/anything").status, 404);
    simulator.cloud().metadata.failing = true;
    let failing = get(&simulator, "GET", &format!("{CREDENTIALS}r"));
    assert_ne!(failing.json()["Code"], "Success");
    simulator
        .faults()
        .add(Fault::once(FaultKind::PlainStatus(500)).on("MetadataRole"));
    assert_eq!(get(&simulator, "GET", CREDENTIALS).status, 500);
}

#[test]
fn a_credentials_uri_gives_keys_with_and_without_a_code() {
    let simulator = simulator();
    simulator
        .cloud()
        .serve_credentials("/credentials/production", "production");
    let body = get(&simulator, "GET", "/credentials/production").json();
    assert_eq!(body["Code"], "Success");
    assert_eq!(tried(&simulator, &key_of(&body, 3_600)), "3 rows");
    simulator
        .cloud()
        .serve_credentials("/credentials/production", "production")
        .with_code = false;
    let body = get(&simulator, "GET", "/credentials/production").json();
    assert_eq!(body.as_object().unwrap().len(), 4);
    key_of(&body, 3_600);
    assert_eq!(
        get(&simulator, "GET", "/credentials/other").code(),
        "InvalidAction.NotFound"
    );
}
