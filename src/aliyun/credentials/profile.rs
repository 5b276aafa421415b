//! Profiles in the files that the CLI and the SDKs share: which file, which profile, and whether it is set up at all.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::CredentialsError;
use super::files::Files;
use super::http::Services;
use super::lookup::Lookup;
use super::{Step, cli_profile, ini_profile};
use crate::config::Endpoints;
use crate::shown;

/// How a file is written.
#[derive(Clone, Copy)]
enum Form {
    Cli,
    Ini,
    /// JSON where it begins with a brace, as the CLI writes it.
    ByContent,
}

/// A profile that is configured by name, by file, or neither: then the first file that has it is used.
pub(super) async fn configured(
    name: Option<&str>,
    file: Option<&Path>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Step, CredentialsError> {
    let name = name.or_else(|| services.environment.profile());
    if let Some(file) = file {
        return read(file, Form::ByContent, true, name, endpoints, services, files).await;
    }
    match of_cli(name, endpoints, services, files).await? {
        Step::Found(obtained) => Ok(Step::Found(obtained)),
        Step::Passed(reason) => match of_ini(name, endpoints, services, files).await? {
            Step::Found(obtained) => Ok(Step::Found(obtained)),
            Step::Passed(other) => Ok(Step::Passed(format!("{reason}, {other}"))),
        },
    }
}

/// The CLI's file: `ALIBABA_CLOUD_CONFIG_FILE`, else `~/.aliyun/config.json`.
pub(super) async fn of_cli(
    name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Step, CredentialsError> {
    let paths = candidates(services, "ALIBABA_CLOUD_CONFIG_FILE", &[".aliyun/config.json"]);
    first_of(
        &paths,
        Form::Cli,
        "the CLI's file",
        name,
        endpoints,
        services,
        files,
    )
    .await
}

/// The INI file: `ALIBABA_CLOUD_CREDENTIALS_FILE`, else `~/.alibabacloud/credentials` as the Go SDK names it, else
/// `~/.alibabacloud/credentials.ini` as those for Python and Java do.
pub(super) async fn of_ini(
    name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Step, CredentialsError> {
    let names = [".alibabacloud/credentials", ".alibabacloud/credentials.ini"];
    let paths = candidates(services, "ALIBABA_CLOUD_CREDENTIALS_FILE", &names);
    first_of(
        &paths,
        Form::Ini,
        "the INI file",
        name,
        endpoints,
        services,
        files,
    )
    .await
}

/// The file that a variable names, else those in the home directory.
fn candidates(services: &Services, variable: &str, in_home: &[&str]) -> Vec<PathBuf> {
    let environment = &services.environment;
    match environment.get(variable) {
        Some(path) => vec![PathBuf::from(path)],
        None => in_home
            .iter()
            .filter_map(|path| environment.in_home(path))
            .collect(),
    }
}

/// The profile in the first of the files that has it; `what` says to a person which file they are.
async fn first_of(
    paths: &[PathBuf],
    form: Form,
    what: &str,
    name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Step, CredentialsError> {
    let mut passed = vec![];
    for path in paths {
        match read(path, form, false, name, endpoints, services, files).await? {
            Step::Found(obtained) => return Ok(Step::Found(obtained)),
            Step::Passed(reason) => passed.push(reason),
        }
    }
    if passed.is_empty() {
        passed.push(format!("no home directory for {what}"));
    }
    Ok(Step::Passed(passed.join(", ")))
}

/// Obtains the credentials of a profile of a file. A file that is not there is passed over, unless the configuration
/// names it.
async fn read(
    path: &Path,
    form: Form,
    must_exist: bool,
    name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Step, CredentialsError> {
    let place = shown::path(path);
    let text = match files.read_profiles(path).await {
        Ok(text) => text,
        Err(error)
            if !must_exist && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            return Ok(Step::Passed(format!("no file {place}")));
        }
        Err(error) => {
            let advice = "check the path, and that the exporter's user may read it";
            return Err(CredentialsError::broken(
                place,
                format!("cannot be read: {error}"),
                advice,
            ));
        }
    };
    let is_json = match form {
        Form::Cli => true,
        Form::Ini => false,
        Form::ByContent => text.trim_start().starts_with('{'),
    };
    let found = if is_json {
        cli_profile::parse(&text, &place, name, endpoints, &services.environment)?
    } else {
        ini_profile::parse(&text, &place, name, endpoints)?
    };
    let (name, credentials) = match found {
        Lookup::Found { name, credentials } => (name, credentials),
        Lookup::Missing(reason) => return Ok(Step::Passed(reason)),
    };
    let origin = format!("profile {} of {place}", shown::shown(&name));
    match super::obtain(&credentials, services, files).await {
        Ok(mut obtained) => {
            obtained.origin = format!("{origin}: {}", obtained.origin);
            Ok(Step::Found(obtained))
        }
        Err(error) => Err(error.within(&origin)),
    }
}
