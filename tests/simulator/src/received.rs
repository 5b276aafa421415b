//! What the simulator was asked, for tests to look at.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::signature::Request;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts all requests.
    pub number: u64,
    /// GET or POST.
    pub method: String,
    /// x-acs-action, or the parameter Action.
    pub action: String,
    /// Whose access key it names, if it is known.
    pub account: Option<String>,
    /// The AccessKeyId it names.
    pub access_key_id: Option<String>,
    /// RegionId, `""` where there is none.
    pub region: String,
    /// The parameters of query and form.
    pub parameters: BTreeMap<String, String>,
    /// The headers, without the signature.
    pub headers: BTreeMap<String, String>,
    /// Whether the signature was found to be right.
    pub signed: bool,
    /// Whether it asks for a page behind the first.
    pub page_token: bool,
    /// The status of the answer; 0 while there is none, and for ever if the connection was closed instead.
    pub status: u16,
    /// Code of an error.
    pub code: Option<String>,
    /// The fault that hit it.
    pub fault: Option<String>,
    /// When it came.
    pub at: SystemTime,
}

impl Received {
    /// One that has just come, and of which nothing else is known yet. `caller` is the AccessKeyId, and whose it is.
    pub(crate) fn new(
        request: &Request,
        action: &str,
        caller: &(Option<String>, Option<String>),
        parameters: BTreeMap<String, String>,
    ) -> Self {
        let (access_key_id, account) = caller.clone();
        let mut headers = request.headers.clone();
        headers.retain(|(name, _)| name != "authorization");
        Self {
            number: 0,
            method: request.method.clone(),
            action: action.to_owned(),
            account,
            access_key_id,
            region: String::new(),
            parameters,
            headers: headers.into_iter().collect(),
            signed: false,
            page_token: false,
            status: 0,
            code: None,
            fault: None,
            at: SystemTime::now(),
        }
    }
}
