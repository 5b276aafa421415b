//! What can go wrong between the exporter and the cloud, on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{ApiError, Parameters};

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Throttled, with `x-acs-retry-after`.
    ThrottleHeader {
        /// The milliseconds that the header asks to wait.
        retry_after_ms: u64,
    },
    /// Throttled, by the code alone.
    ThrottleCode {
        /// HTTP status: 400, 403 or 503.
        status: u16,
        /// `Throttling`, `Throttling.User`, `Throttling.Api` …
        code: String,
    },
    /// HTTP 429 without a body that could be read.
    Status429,
    /// Any error body.
    Error(ApiError),
    /// An error body with lower-case keys.
    LowerCaseError(ApiError),
    /// An error in XML, as some gateways send it.
    XmlError(ApiError),
    /// A gateway's page.
    Html502,
    /// A status with a short text.
    PlainStatus(u16),
    /// The right answer, but late.
    Slow(Duration),
    /// No answer at all.
    Hang,
    /// The connection is closed before the answer.
    CutHeaders,
    /// The connection is closed in the middle of the body.
    CutBody,
    /// So many bytes of body, streamed.
    Giant(u64),
    /// A good status, and a body that is no JSON.
    NotJson,
    /// A good status, and JSON that ends in the middle.
    CutJson,
    /// A good status, and nothing.
    EmptyBody,
    /// JSON without the list that was asked for.
    MissingField,
    /// NextToken is the one that was sent: a loop.
    RepeatedToken,
    /// The rows of the first page again, whatever page was asked for.
    RepeatPage,
    /// HTTP 302.
    Redirect,
}

impl FaultKind {
    /// An error with one of the documented codes.
    pub fn documented(code: &str) -> Self {
        Self::Error(crate::error::documented(code))
    }

    /// One of each, in a form in which a test can afford it.
    pub fn every() -> Vec<Self> {
        let throttle = |status, code: &str| Self::ThrottleCode {
            status,
            code: code.to_owned(),
        };
        vec![
            Self::ThrottleHeader { retry_after_ms: 50 },
            throttle(400, "Throttling.User"),
            throttle(403, "Throttling"),
            throttle(503, "Throttling.Api"),
            Self::Status429,
            Self::documented("InternalError"),
            Self::LowerCaseError(crate::error::documented("ServiceUnavailable")),
            Self::XmlError(crate::error::documented("ServiceUnavailable")),
            Self::Html502,
            Self::PlainStatus(500),
            Self::PlainStatus(504),
            Self::Slow(Duration::from_millis(50)),
            Self::Hang,
            Self::CutHeaders,
            Self::CutBody,
            Self::Giant(65 << 20),
            Self::NotJson,
            Self::CutJson,
            Self::EmptyBody,
            Self::MissingField,
            Self::RepeatedToken,
            Self::RepeatPage,
            Self::Redirect,
        ]
    }

    /// Whether the cloud is asked for the right answer all the same.
    pub(crate) fn asks_the_cloud(&self) -> bool {
        matches!(
            self,
            Self::Slow(_) | Self::CutBody | Self::CutJson | Self::RepeatedToken | Self::RepeatPage
        )
    }

    /// The name alone.
    pub fn name(&self) -> String {
        let shown = format!("{self:?}");
        shown.split([' ', '(']).next().unwrap_or_default().to_owned()
    }
}

/// When something goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Only for this action.
    pub action: Option<String>,
    /// Only for this account.
    pub account: Option<String>,
    /// Only for this region.
    pub region: Option<String>,
    /// Only for a request that has this parameter.
    pub parameter: Option<String>,
    /// So many requests that match pass unharmed first.
    pub skip: usize,
    /// So many are hit then; [`Fault::FOREVER`] for all.
    pub times: usize,
    /// What happens.
    pub kind: FaultKind,
}

impl Fault {
    /// Hits every request.
    pub const FOREVER: usize = usize::MAX;

    /// Hits the next request, whatever it is.
    pub fn once(kind: FaultKind) -> Self {
        Self {
            action: None,
            account: None,
            region: None,
            parameter: None,
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// Hits every request until the faults are cleared.
    pub fn forever(kind: FaultKind) -> Self {
        Self::once(kind).times(Self::FOREVER)
    }

    /// One kind of each: see [`FaultKind::every`].
    pub fn every_kind() -> Vec<FaultKind> {
        FaultKind::every()
    }

    /// Hits so many requests.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Lets so many pass first.
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Only for an action.
    pub fn on(self, action: &str) -> Self {
        Self {
            action: Some(action.to_owned()),
            ..self
        }
    }

    /// Only for an account.
    pub fn of(self, account: &str) -> Self {
        Self {
            account: Some(account.to_owned()),
            ..self
        }
    }

    /// Only in a region.
    pub fn within(self, region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            ..self
        }
    }

    /// Only for a request that has a parameter: `InvokeId`, `IncludeHistory`, `NextToken` …
    pub fn having(self, parameter: &str) -> Self {
        Self {
            parameter: Some(parameter.to_owned()),
            ..self
        }
    }

    fn matches(&self, action: &str, account: &str, region: &str, parameters: &Parameters) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let has = |wanted: &str| parameters.get(wanted).is_some_and(|value| !value.is_empty());
        is(&self.action, action)
            && is(&self.account, account)
            && is(&self.region, region)
            && self.parameter.as_deref().is_none_or(has)
    }
}

/// The faults of a simulator. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    hits: usize,
}

impl Faults {
    /// Adds one. Of several that match a request the one added first hits it.
    pub fn add(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.state().faults.clear();
    }

    /// How many requests were hit so far.
    pub fn hits(&self) -> usize {
        self.state().hits
    }

    /// How many requests are still to be hit; [`Fault::FOREVER`] if that never ends.
    pub fn left(&self) -> usize {
        self.state()
            .faults
            .iter()
            .fold(0, |left: usize, fault| left.saturating_add(fault.times))
    }

    /// What happens to a request.
    pub(crate) fn strike(
        &self,
        action: &str,
        account: &str,
        region: &str,
        parameters: &Parameters,
    ) -> Option<FaultKind> {
        let mut state = self.state();
        let mut struck = None;
        for fault in state
            .faults
            .iter_mut()
            .filter(|fault| fault.matches(action, account, region, parameters))
        {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                if fault.times != Fault::FOREVER {
                    fault.times -= 1;
                }
                struck = Some(fault.kind.clone());
                break;
            }
        }
        state.hits += usize::from(struck.is_some());
        state.faults.retain(|fault| fault.times > 0);
        struck
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_what_it_is_meant_for_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(
            Fault::once(FaultKind::Hang)
                .within("cn-hangzhou")
                .after(1)
                .times(2),
        );
        let strike = |region| faults.strike("DescribeInvocationResults", "a", region, &Parameters::default());
        assert_eq!(strike("cn-hangzhou"), None);
        assert_eq!(strike("cn-beijing"), None);
        assert_eq!(strike("cn-hangzhou"), Some(FaultKind::Hang));
        assert_eq!(faults.left(), 1);
        assert_eq!(strike("cn-hangzhou"), Some(FaultKind::Hang));
        assert_eq!(strike("cn-hangzhou"), None);
        assert_eq!((faults.hits(), faults.left()), (2, 0));
    }

    #[test]
    fn a_fault_can_be_meant_for_requests_with_a_parameter() {
        let faults = Faults::default();
        faults.add(Fault::once(FaultKind::Hang).having("InvokeId"));
        let strike = |name: &str, value: &str| {
            let pairs = [(name.to_owned(), value.to_owned())];
            faults.strike("DescribeInvocationResults", "a", "", &pairs.into_iter().collect())
        };
        assert_eq!(strike("InstanceId", "i"), None);
        assert_eq!(strike("InvokeId", ""), None);
        assert_eq!(strike("InvokeId", "t"), Some(FaultKind::Hang));
    }

    #[test]
    fn the_one_added_first_hits_and_all_can_be_cleared() {
        let faults = Faults::default();
        faults.add(Fault::once(FaultKind::Html502).on("DescribeRegions").of("a"));
        faults.add(Fault::forever(FaultKind::NotJson));
        assert_eq!(
            faults.strike("DescribeRegions", "a", "", &Parameters::default()),
            Some(FaultKind::Html502)
        );
        assert_eq!(
            faults.strike("DescribeRegions", "a", "", &Parameters::default()),
            Some(FaultKind::NotJson)
        );
        assert_eq!(faults.left(), Fault::FOREVER);
        faults.clear();
        assert_eq!(
            faults.strike("DescribeRegions", "a", "", &Parameters::default()),
            None
        );
    }
}
