//! Why no credentials could be had.

use std::fmt;

/// Why a source gave no credentials. The source is configured, but broken: no other one was tried in its place.
///
/// Its text is `where: what is wrong; what to do`. It holds no secret, and of an answer nothing but the error code
/// and the request id, because messages of the cloud repeat what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsError {
    /// The source, such as `profile "monitoring" of /home/a/.aliyun/config.json`.
    pub origin: String,
    /// What is wrong.
    pub problem: Problem,
    /// What to do about it.
    pub advice: String,
}

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No source is set up at all; each with the reason it was passed over.
    NotConfigured(String),
    /// Settings, files or variables are missing or wrong.
    Broken(String),
    /// The service that hands out credentials said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code, such as `NoPermission`, where the answer has one.
        code: Option<String>,
        /// To ask the cloud's support with, where the answer has one.
        request_id: Option<String>,
    },
    /// The service could not be reached, or did not answer in time.
    Unreachable {
        /// The host that was asked, and the proxy that the request went through.
        host: String,
        /// Why, such as `Connection refused`.
        cause: String,
    },
    /// The service answered something else than credentials.
    Malformed(String),
}

impl CredentialsError {
    pub(super) fn broken(
        origin: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            origin: origin.into(),
            problem: Problem::Broken(what.into()),
            advice: advice.into(),
        }
    }

    /// Puts what led to the source before its name.
    pub(super) fn within(mut self, outer: &str) -> Self {
        self.origin = format!("{outer}: {}", self.origin);
        self
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.origin, self.problem, self.advice)
    }
}

impl std::error::Error for CredentialsError {}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured(passed) => write!(formatter, "no credentials are configured ({passed})"),
            Self::Broken(what) => formatter.write_str(what),
            Self::Refused {
                status,
                code,
                request_id,
            } => {
                write!(
                    formatter,
                    "refused with {}",
                    code.as_deref().unwrap_or("no error code")
                )?;
                write!(formatter, " (status {status}")?;
                if let Some(request_id) = request_id {
                    write!(formatter, ", request id {request_id}")?;
                }
                formatter.write_str(")")
            }
            Self::Unreachable { host, cause } => write!(formatter, "no answer from {host}: {cause}"),
            Self::Malformed(what) => write!(formatter, "the answer is not usable: {what}"),
        }
    }
}
