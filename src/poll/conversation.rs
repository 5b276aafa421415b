//! Handing answers to a scan.

use std::time::Duration;

use super::cloud::Reply;
use super::scan::cursor::HistoryCursor;
use super::scan::{Request, Scan};
use crate::aliyun::client::Answered;
use crate::aliyun::error::{CallError, Reason};
use crate::clock::Clock;
use crate::record::{NamesUnavailable, Record};

/// How long a poll waits for what DescribeInvocations tells: results must not wait for it.
pub(super) const INVOCATIONS_TIMEOUT: Duration = Duration::from_secs(10);

/// Hands an answer to the scan. Rule 4: a question that is denied or rejected by itself is left out, and so is what
/// DescribeInvocations would have told, whatever its failure is.
///
/// # Errors
/// When the scan cannot do without the answer.
pub(super) fn take(
    scan: &mut Scan,
    record: &Record,
    cursor: &mut HistoryCursor,
    (request, reply): (&Request, Result<Answered<Reply>, CallError>),
    clock: Clock,
) -> Result<(), CallError> {
    let reply = reply.map(|answered| {
        scan.answered(clock.at(answered.signed));
        answered.answer
    });
    let error = match reply {
        Ok(Reply::Results(page)) => return scan.on_results(record, cursor, page),
        Ok(Reply::Invocations(page)) => match scan.on_invocations(record, cursor, page) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let is_refused = matches!(error.reason, Reason::Denied | Reason::Rejected);
    if request.question.can_fail() {
        let why = if is_refused {
            NamesUnavailable::Refused
        } else {
            NamesUnavailable::Passing
        };
        scan.on_names_failed(record, cursor, why);
    } else if request.question.can_be_skipped() && is_refused {
        scan.skip(record, cursor);
    } else {
        return Err(error);
    }
    tracing::warn!(
        about = ?request.question,
        code = error.code.as_deref(),
        request_id = error.request_id.as_deref(),
        error = error.what,
        "left out of this poll, and asked again later"
    );
    Ok(())
}
