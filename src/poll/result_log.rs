//! `log.results`: counted results as lines of the log.

use crate::config::LoggedResults;
use crate::record::{CountedResult, CountedResults, ListedResults};
use crate::shown::cut;
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
    let id = |text: &str| (!text.is_empty()).then(|| cut(text));
    tracing::info!(
        invoke_id = ids.and_then(|ids| id(&ids.invoke_id)),
        instance_id = ids.and_then(|ids| id(&ids.instance_id)),
        container_id = ids.and_then(|ids| id(&ids.container_id)),
        command_id = ids.and_then(|ids| id(&ids.command_id)),
        invocation_status = &*result.invocation_status,
        error_code = &*result.error_code,
        exit_code = &*result.exit_code,
        time = timestamp::rfc3339(result.time),
        "result"
    );
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::result::Ids;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_short_however_long_the_ids_of_the_cloud_are() {
        let long: Box<str> = "i".repeat(100_000).into();
        let result = CountedResult {
            ids: Some(Ids {
                invoke_id: "t-1".into(),
                instance_id: long.clone(),
                container_id: "".into(),
                command_id: long,
            }),
            invocation_status: "Failed".into(),
            error_code: "".into(),
            exit_code: "1".into(),
            time: 1_800_000_000,
        };
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || write_one(&result));
        let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(line.contains("t-1") && line.contains("Failed"), "{line}");
        assert!(
            !line.contains("container_id") && line.len() < 1000,
            "{} bytes",
            line.len()
        );
    }
}
