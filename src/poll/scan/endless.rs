//! Lists without end: each page is a good answer, and has a NextToken that was never seen before.

use super::cursor::HistoryCursor;
use super::{Question, Scan};
use crate::aliyun::error::Reason;
use crate::aliyun::rows::{Page, decode};
use crate::clock::Now;
use crate::record::{Record, Settings};

/// How many pages are read, and what is said then.
fn read(rows_a_page: usize) -> (usize, String) {
    let record = Record::new(Settings::default());
    let mut scan = Scan::sweep(Now::default(), 1);
    let mut cursor = HistoryCursor::default();
    for page in 1..50_000 {
        assert_eq!(
            scan.next_request(&cursor).map(|next| next.question),
            Some(Question::List)
        );
        let rows: Vec<String> = (0..rows_a_page)
            .map(|row| format!(r#"{{"InvokeId":"t-{page}","InstanceId":"i-{row}"}}"#))
            .collect();
        let body = format!(
            r#"{{"Invocation":{{"InvocationResults":{{"InvocationResult":[{}]}}}}}}"#,
            rows.join(",")
        );
        let page_of_rows = Page {
            next_token: Some(page.to_string()),
            ..decode(body.as_bytes(), None).unwrap()
        };
        if let Err(error) = scan.on_results(&record, &mut cursor, page_of_rows) {
            assert_eq!((error.reason, error.retryable), (Reason::Malformed, false));
            return (page, error.what);
        }
    }
    panic!("it reads on for ever")
}

#[test]
fn a_list_has_at_most_5000_pages() {
    assert_eq!(read(0), (5_001, "a list of more than 5000 pages".to_owned()));
    assert_eq!(read(1), (5_001, "a list of more than 5000 pages".to_owned()));
}

#[test]
fn a_list_has_at_most_200000_rows() {
    assert_eq!(read(50), (4_001, "a list of more than 200000 rows".to_owned()));
}
