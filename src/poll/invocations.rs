//! Rule 4: when DescribeInvocations is asked. What it tells never holds results back.

use std::time::Duration;

use super::scan::{Invocations, Scan};
use crate::record::{Looks, Pauses};

/// What has become of asking DescribeInvocations.
#[derive(Debug, Default)]
pub(super) struct AskingInvocations {
    /// The looks in vain.
    looks: Looks,
    /// Whether it could not be asked which invocations are schedules when that was due.
    owes_schedules: bool,
}

impl AskingInvocations {
    /// Has a scan ask it, unless that is paused: by the API, or because it has failed.
    pub(super) fn prepare(&self, scan: Scan, paused: Duration, pauses: Pauses) -> Scan {
        if !paused.is_zero() || !self.looks.is_due(scan.began().steady, pauses) {
            return scan.without_invocations();
        }
        match self.owes_schedules {
            true => scan.asking_schedules(),
            false => scan,
        }
    }

    /// A scan is complete.
    pub(super) fn note(&mut self, scan: &Scan, pauses: Pauses) {
        let asked_schedules = scan.was_to_ask_schedules();
        match scan.invocations() {
            Invocations::NotAsked => self.owes_schedules |= asked_schedules,
            Invocations::Answered => {
                self.looks = Looks::default();
                self.owes_schedules &= !asked_schedules;
            }
            Invocations::Failed(_) => {
                self.looks.in_vain(scan.began().steady, pauses);
                self.owes_schedules |= asked_schedules;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::poll::scan::cursor::HistoryCursor;
    use crate::poll::scan::{Question, Request};
    use crate::record::{NamesUnavailable, Record};

    const PAUSES: Pauses = Pauses {
        least: Duration::from_secs(60),
        most: Duration::from_secs(480),
    };

    fn scan(steady: u64, is_sweep: bool) -> Scan {
        let began = Now {
            wall: 1_700_000_000,
            steady: Duration::from_secs(steady),
        };
        match is_sweep {
            true => Scan::sweep(began, 10),
            false => Scan::poll(began, 10),
        }
    }

    /// Reads an empty list; returns whether it was asked which invocations are schedules.
    fn converse(scan: &mut Scan, fails: bool) -> bool {
        let record = Record::new(crate::poll::tests::exporter::settings());
        let (mut cursor, mut asked) = (HistoryCursor::default(), false);
        while let Some(Request { question, .. }) = scan.next_request(&cursor) {
            if question == Question::List {
                let page = crate::aliyun::rows::Page {
                    rows: Vec::new(),
                    skipped: 0,
                    next_token: None,
                };
                scan.on_results(&record, &mut cursor, page).unwrap();
            } else if fails {
                scan.on_names_failed(&record, &mut cursor, NamesUnavailable::Passing);
                asked = true;
            } else {
                let page = crate::aliyun::invocations::InvocationsPage::default();
                scan.on_invocations(&record, &mut cursor, page).unwrap();
                asked = true;
            }
        }
        asked
    }

    #[test]
    fn what_a_sweep_could_not_ask_a_poll_asks_after_a_pause() {
        let mut asking = AskingInvocations::default();
        let mut turn = |steady, is_sweep, paused, fails| {
            let mut scan = asking.prepare(scan(steady, is_sweep), Duration::from_secs(paused), PAUSES);
            let asked = converse(&mut scan, fails);
            asking.note(&scan, PAUSES);
            asked
        };
        assert!(turn(0, true, 0, true), "it fails");
        assert!(!turn(30, false, 0, false), "and is not asked again at once");
        assert!(!turn(61, false, 5, false), "nor while the API wants a pause");
        assert!(turn(62, false, 0, false), "what was due is asked later");
        assert!(!turn(63, false, 0, false), "once");
    }
}
