//! `log.results`: counted results as lines of the log.

use crate::config::LoggedResults;
use crate::record::{CountedResult, CountedResults, ListedResults};
use crate::timestamp;

/// What the record is to tell of, so that it can be logged.
pub(super) fn listed(results: LoggedResults) -> ListedResults {
    match results {
        LoggedResults::None => ListedResults::None,
        LoggedResults::Failed => ListedResults::Failed,
        LoggedResults::All => ListedResults::All,
    }
}

/// Writes one line for each result, and one that says how many more there were.
pub(super) fn write(results: &CountedResults) {
    for result in &results.results {
        write_one(result);
    }
    if results.more > 0 {
        tracing::info!(
            more = results.more,
            "more results were counted than are logged of one poll"
        );
    }
}

fn write_one(result: &CountedResult) {
    let ids = result.ids.as_ref();
    tracing::info!(
        invoke_id = ids.map(|ids| &*ids.invoke_id),
        instance_id = ids.map(|ids| &*ids.instance_id),
        container_id = ids.map(|ids| &*ids.container_id).filter(|id| !id.is_empty()),
        command_id = ids.map(|ids| &*ids.command_id),
        invocation_status = &*result.invocation_status,
        error_code = &*result.error_code,
        exit_code = &*result.exit_code,
        time = timestamp::rfc3339(result.time),
        "result"
    );
}
