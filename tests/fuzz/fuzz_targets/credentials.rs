//! Credentials by the default chain: the CLI's file, the INI file, STS, the metadata service and a credentials URI. What is
//! found belongs to the profile that was asked for, id, secret and token to each other, and no error holds a secret.

#![no_main]

use std::fs;
use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::aliyun::credentials::{
    Credentials, CredentialsError, Environment, Provider, Services, Source,
};
use cloud_assistant_exporter::aliyun::http::Http;
use cloud_assistant_exporter::config::Proxies;
use cloud_assistant_exporter::config::{self, Endpoints, Origin};
use cloud_assistant_exporter_fuzz::server::{self, Answers};
use cloud_assistant_exporter_fuzz::{Input, json, parts, temporary_directory};
use libfuzzer_sys::fuzz_target;
use reqwest::{Client, Proxy};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

const LONGEST_MESSAGE: usize = 16 << 10;

/// Begins every secret that is made here.
const SECRET: &str = "hunter2";

struct World {
    runtime: Runtime,
    tasks: LocalSet,
    address: String,
    client: Client,
    answers: Answers,
}

thread_local! {
    static WORLD: World = World::new();
}

impl World {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (tasks, answers) = (LocalSet::new(), Answers::default());
        let address = tasks.block_on(&runtime, server::start(Rc::clone(&answers)));
        // Whatever host an input names, nothing leaves this machine.
        let client = Client::builder()
            .proxy(Proxy::all(&address).expect("an address"))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            runtime,
            tasks,
            address,
            client,
            answers,
        }
    }
}

/// What an input is made of.
#[derive(Debug, Default)]
struct Case {
    cli: Option<String>,
    ini: Option<String>,
    environment: Vec<(String, String)>,
    answers: Vec<(u16, String)>,
}

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => {
            let case = written(text);
            check_written(text, &case);
        }
        Some(Input::Choices(mut choices)) => {
            if let Ok((case, asked)) = made(&mut choices) {
                check_made(&case, &asked);
            }
        }
        None => {}
    }
});

fn obtain(case: &Case) -> std::result::Result<Credentials, CredentialsError> {
    let home = temporary_directory();
    for (path, content) in [
        (".aliyun/config.json", &case.cli),
        (".alibabacloud/credentials", &case.ini),
    ] {
        if let Some(content) = content {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
    }
    WORLD.with(|world| {
        *world.answers.borrow_mut() = case.answers.iter().cloned().collect();
        let variables = case.environment.iter().cloned();
        let environment: Environment = variables
            .chain([("HOME".to_owned(), home.path().display().to_string())])
            .collect();
        let credentials = config::Credentials {
            origin: Origin::Chain,
            endpoints: Endpoints {
                sts: Some(world.address.clone()),
                metadata: Some(world.address.clone()),
                ..Endpoints::default()
            },
        };
        let no_proxies = Proxies::read(&[]).expect("none");
        let services = Services {
            http: Http::new(no_proxies).expect("a client"),
            metadata: world.client.clone(),
            environment,
        };
        let provider = Provider::new(Source::new(credentials, services));
        let found = world.tasks.block_on(&world.runtime, provider.current());
        let found = found.map(|credentials| (*credentials).clone());
        match &found {
            Ok(credentials) => {
                assert!(!credentials.access_key_id.trim().is_empty());
                assert!(!credentials.access_key_secret.expose().trim().is_empty());
                assert!(provider.origin().is_some_and(|origin| !origin.is_empty()));
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.len() <= LONGEST_MESSAGE, "a message of {} bytes", text.len());
            }
        }
        found
    })
}

/// `-- cli --`, `-- ini --`, `-- environment --` and `-- 200 --` for each answer in turn.
fn written(text: &str) -> Case {
    let mut case = Case::default();
    for (name, content) in parts(text) {
        match name {
            "cli" => case.cli = Some(content.to_owned()),
            "ini" => case.ini = Some(content.to_owned()),
            "environment" => {
                let pairs = content.lines().filter_map(|line| line.split_once('='));
                case.environment
                    .extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            status => case
                .answers
                .extend(status.parse().ok().map(|status| (status, content.to_owned()))),
        }
    }
    // A home elsewhere would be read.
    case.environment
        .retain(|(name, _)| name != "HOME" && !name.ends_with("_FILE"));
    case
}

fn check_written(text: &str, case: &Case) {
    let found = obtain(case);
    let shown = match &found {
        Ok(credentials) => format!("{credentials:?}"),
        Err(error) => error.to_string(),
    };
    let mut secrets = Vec::new();
    for document in case.cli.iter().chain(case.answers.iter().map(|(_, body)| body)) {
        collect(&serde_json::from_str(document).unwrap_or_default(), &mut secrets);
    }
    for secret in secrets {
        let is_telling = secret.len() >= 6 && text.matches(&secret).count() <= 1;
        assert!(!is_telling || !shown.contains(&secret), "{secret:?} in {shown}");
    }
}

/// The texts that are secrets by their names.
fn collect(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, secrets)),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    (
                        "access_key_secret" | "sts_token" | "AccessKeySecret" | "SecurityToken",
                        Value::String(secret),
                    ) => {
                        secrets.push(secret.clone());
                    }
                    (_, value) => collect(value, secrets),
                }
            }
        }
        _ => {}
    }
}

const PROFILES: [&str; 4] = ["default", "prod", "Prod", "a b"];

/// A case, and the profile that it asks for in either file.
fn made(choices: &mut Unstructured<'_>) -> Result<(Case, [String; 2])> {
    let mut case = Case::default();
    let named = match choices.ratio(1_u8, 3)? {
        true => Some(*choices.choose(&PROFILES)?),
        false => None,
    };
    if let Some(name) = named {
        case.environment
            .push(("ALIBABA_CLOUD_PROFILE".to_owned(), name.to_owned()));
    }
    let current = *choices.choose(&PROFILES)?;
    if choices.ratio(3_u8, 4)? {
        case.cli = Some(cli(choices, current)?);
    }
    if choices.ratio(3_u8, 4)? {
        case.ini = Some(ini(choices)?);
    }
    for _ in 0..choices.int_in_range(0..=4)? {
        let status = *choices.choose(&[200, 200, 200, 302, 400, 403, 404, 500])?;
        let body = match choices.int_in_range(0..=5)? {
            0 => "token".to_owned(),
            1 => "role".to_owned(),
            2 => format!(
                "{{\"Code\":{},\"RequestId\":{},\"Message\":\"{SECRET}\"}}",
                json::value(choices)?,
                json::value(choices)?
            ),
            3 => format!("{{\"Credentials\":{}}}", answer(choices)?),
            _ => answer(choices)?,
        };
        case.answers.push((status, body));
    }
    for name in [
        "ALIBABA_CLOUD_IMDSV1_DISABLED",
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
        "ALIBABA_CLOUD_CLI_PROFILE_DISABLED",
    ] {
        if choices.ratio(1_u8, 8)? {
            case.environment.push((name.to_owned(), "true".to_owned()));
        }
    }
    if choices.ratio(1_u8, 8)? {
        case.environment.push((
            "ALIBABA_CLOUD_CREDENTIALS_URI".to_owned(),
            format!("http://{SECRET}@localhost/{SECRET}"),
        ));
    }
    let asked = [named.unwrap_or(current), named.unwrap_or("default")];
    Ok((case, asked.map(str::to_owned)))
}

/// What stands where a value should: absent, of another type, or nothing.
fn no_text(choices: &mut Unstructured<'_>) -> Result<&'static str> {
    choices
        .choose(&["null", "0", "[]", "{}", "true", "\"\"", "[null]", "1e999"])
        .copied()
}

fn member(choices: &mut Unstructured<'_>, name: &str, value: &str) -> Result<Option<String>> {
    Ok(match choices.int_in_range(0..=15)? {
        0 => None,
        1 => Some(format!("\"{name}\":{}", no_text(choices)?)),
        2 => Some(format!("\"{name}\":{}", json::text(&format!("{value}\n")))),
        _ => Some(format!("\"{name}\":{}", json::text(value))),
    })
}

fn object(choices: &mut Unstructured<'_>, members: &[(&str, &str)]) -> Result<String> {
    let mut written = Vec::new();
    for (name, value) in members {
        written.extend(member(choices, name, value)?);
    }
    Ok(format!("{{{}}}", written.join(",")))
}

fn answer(choices: &mut Unstructured<'_>) -> Result<String> {
    let id = *choices.choose(&["answer-1", "answer-2"])?;
    let expiration = *choices.choose(&[
        "2099-01-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "2001-01-01T00:00:00Z",
        "soon",
        "9999-12-31T23:59:59Z",
    ])?;
    let code = *choices.choose(&["Success", "Success", "Failed"])?;
    object(
        choices,
        &[
            ("Code", code),
            ("AccessKeyId", id),
            ("AccessKeySecret", &format!("{SECRET}-of-{id}")),
            ("SecurityToken", &format!("{SECRET}-token-of-{id}")),
            ("Expiration", expiration),
        ],
    )
}

fn cli(choices: &mut Unstructured<'_>, current: &str) -> Result<String> {
    const MODES: [&str; 10] = [
        "AK",
        "AK",
        "StsToken",
        "RamRoleArn",
        "EcsRamRole",
        "OIDC",
        "ChainableRamRoleArn",
        "CredentialsURI",
        "RamRoleArnWithRoleName",
        "X",
    ];
    let mut profiles = Vec::new();
    for name in PROFILES {
        if choices.ratio(1_u8, 4)? {
            continue;
        }
        let id = format!("cli-{name}");
        let mode = *choices.choose(&MODES)?;
        let source = *choices.choose(&PROFILES)?;
        let mut profile = object(
            choices,
            &[
                ("access_key_id", &id),
                ("access_key_secret", &format!("{SECRET}-of-{id}")),
                ("sts_token", &format!("{SECRET}-token-of-{id}")),
                ("ram_role_arn", "acs:ram::1:role/a"),
                ("ram_session_name", "session"),
                ("ram_role_name", "role"),
                ("source_profile", source),
                ("sts_region", "cn-hangzhou"),
                ("policy", "{}"),
                ("oidc_provider_arn", "acs:ram::1:oidc-provider/a"),
                ("oidc_token_file", "/nonexistent"),
                ("credentials_uri", &format!("http://localhost/{SECRET}")),
            ],
        )?;
        profile.truncate(profile.len() - 1);
        let comma = if profile == "{" { "" } else { "," };
        let seconds = *choices.choose(&[
            "0",
            "900",
            "-1",
            "\"900\"",
            "1e999",
            "18446744073709551615",
            "null",
        ])?;
        profiles.push(format!(
            "{profile}{comma}\"name\":{},\"mode\":{},\"expired_seconds\":{seconds}}}",
            json::text(name),
            json::text(mode)
        ));
    }
    if choices.ratio(1_u8, 12)? {
        profiles.push(json::value(choices)?);
    }
    let text = format!(
        "{{\"current\":{},\"profiles\":[{}],\"meta_path\":\"\"}}",
        json::text(current),
        profiles.join(",")
    );
    Ok(match choices.ratio(1_u8, 16)? {
        true => format!("\u{feff}{text}"),
        false => text,
    })
}

fn ini(choices: &mut Unstructured<'_>) -> Result<String> {
    const TYPES: [&str; 6] = [
        "access_key",
        "access_key",
        "ram_role_arn",
        "ecs_ram_role",
        "oidc_role_arn",
        "x",
    ];
    let mut text = String::new();
    for name in PROFILES {
        if choices.ratio(1_u8, 4)? {
            continue;
        }
        text += &format!(
            "[{name}]{}\n",
            choices.choose(&["", "", "", "  # for: staging", " ; other", "\r"])?
        );
        let id = format!("ini-{name}");
        let kind = *choices.choose(&TYPES)?;
        let secret = format!("{SECRET}-of-{id}");
        for (key, value) in [
            ("type", kind),
            ("access_key_id", &*id),
            ("access_key_secret", &*secret),
            ("role_arn", "acs:ram::1:role/a"),
            ("role_session_name", "session"),
            ("oidc_provider_arn", "acs:ram::1:oidc-provider/a"),
            ("oidc_token_file_path", "/nonexistent"),
        ] {
            if choices.ratio(1_u8, 16)? {
                continue;
            }
            let key = match choices.ratio(1_u8, 16)? {
                true => key.to_ascii_uppercase(),
                false => key.to_owned(),
            };
            let equals = *choices.choose(&["=", " = ", ":", ": "])?;
            let behind = *choices.choose(&["", "", "", "", " # note: x", "\r", " "])?;
            text += &format!("{key}{equals}{value}{behind}\n");
        }
        text += choices.choose(&["", "\n", "# a comment [x]\n", "; another = one\n", "odd\n"])?;
    }
    Ok(text)
}

fn check_made(case: &Case, asked: &[String; 2]) {
    match obtain(case) {
        Err(error) => assert!(!error.to_string().contains(SECRET), "{error}\n{case:?}"),
        Ok(credentials) => {
            assert!(!format!("{credentials:?}").contains(SECRET), "{credentials:?}");
            let id = credentials.access_key_id.as_str();
            let of_asked = id == format!("cli-{}", asked[0])
                || id == format!("ini-{}", asked[1])
                || id.starts_with("answer-");
            assert!(of_asked, "{id:?} is of another profile than {asked:?}: {case:?}");
            assert_eq!(
                credentials.access_key_secret.expose(),
                format!("{SECRET}-of-{id}"),
                "{case:?}"
            );
            if let Some(token) = &credentials.security_token {
                assert_eq!(token.expose(), format!("{SECRET}-token-of-{id}"), "{case:?}");
            }
        }
    }
}
