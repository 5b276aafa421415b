//! Label values: bounded in number, kept as small numbers, first come first kept.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::table::{Saving, encode};
use crate::result::{KnownStatus, Row, Status, label_text};

/// At most so many unknown InvocationStatuses are kept as they are.
const MAX_UNKNOWN_STATUSES: usize = 20;

/// What a value beyond the bound is shown as.
pub(super) const OTHER: &str = "other";

/// The number of [`OTHER`] among codes.
const FOLDED: u16 = 1;

/// The settled combinations that exist at 0 from the first result of a scope on: a first increment must not be lost to
/// `increase()`. InvocationStatus, ErrorCode, ExitCode.
pub(super) const KNOWN_SETTLED: [(KnownStatus, &str, &str); 12] = [
    (KnownStatus::Success, "", "0"),
    (KnownStatus::Failed, "ExitCodeNonzero", "1"),
    (KnownStatus::Timeout, "ExecutionTimeout", ""),
    (KnownStatus::Error, "ExecutionException", ""),
    (KnownStatus::Aborted, "DeliveryTimeout", ""),
    (KnownStatus::Aborted, "ClientNotRunning", ""),
    (KnownStatus::Aborted, "ClientNotResponse", ""),
    (KnownStatus::Aborted, "InstanceNotRunning", ""),
    (KnownStatus::Aborted, "InstanceNotExists", ""),
    (KnownStatus::Invalid, "", ""),
    (KnownStatus::Cancelled, "", ""),
    (KnownStatus::Terminated, "", ""),
];

/// Three label values of one scope: InvocationStatus, ErrorCode, ExitCode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResultLabels {
    /// A known status by its place in [`KnownStatus::ALL`], else [`StatusNumber::OTHER`] and up.
    pub status: StatusNumber,
    /// In the scope's error codes.
    pub error_code: u16,
    /// In the scope's exit codes.
    pub exit_code: u16,
}

impl ResultLabels {
    /// As one number, for a key of saved state.
    pub fn packed(self) -> u64 {
        u64::from(self.status.0) << 32 | u64::from(self.error_code) << 16 | u64::from(self.exit_code)
    }

    /// The combination of a key.
    pub fn unpacked(key: u64) -> Self {
        Self {
            status: StatusNumber((key >> 32) as u8),
            error_code: (key >> 16) as u16,
            exit_code: key as u16,
        }
    }
}

/// An InvocationStatus as a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatusNumber(pub u8);

impl StatusNumber {
    /// An unknown status beyond the bound.
    pub(super) const OTHER: Self = Self(KnownStatus::ALL.len() as u8);
    /// The status of a row that has none.
    const MISSING: Self = Self(Self::OTHER.0 + 1);
    /// The first unknown status that is kept.
    const FIRST_UNKNOWN: u8 = Self::MISSING.0 + 1;

    /// The number of a known one.
    pub fn of(status: KnownStatus) -> Self {
        Self(status as u8)
    }

    /// The known status behind the number, if it is one.
    pub fn known(self) -> Option<KnownStatus> {
        KnownStatus::ALL.get(usize::from(self.0)).copied()
    }

    /// Whether a result with it is still to settle.
    pub fn is_open(self) -> bool {
        self.known().is_some_and(KnownStatus::is_open)
    }

    /// Whether that is how it should be.
    pub fn is_success(self) -> bool {
        self == Self::of(KnownStatus::Success)
    }
}

/// Which labels of a row were folded into `other`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// `invocation_status`.
    pub status: bool,
    /// `error_code`.
    pub error_code: bool,
    /// `exit_code`.
    pub exit_code: bool,
}

/// Texts with numbers: 0 is `""`, 1 is `other`, then come the codes of the zero combinations.
#[derive(Debug, Clone)]
pub(super) struct Values {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
    /// How many of `texts` are codes of the zero combinations, which have their room whatever comes.
    reserved: usize,
}

impl Values {
    fn new(reserved: impl Iterator<Item = &'static str>) -> Self {
        let mut values = Self {
            texts: Vec::new(),
            numbers: HashMap::new(),
            reserved: 0,
        };
        values.push("".into());
        values.push(OTHER.into());
        for text in reserved {
            if !values.numbers.contains_key(text) {
                values.push(text.into());
                values.reserved += 1;
            }
        }
        values
    }

    fn push(&mut self, text: Arc<str>) -> u16 {
        let number = self.texts.len() as u16;
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The number of `text`, a new one where there is room, and whether it had to be folded into `other`.
    ///
    /// The reserved codes are among the `max`; a bound that is lower than their number bounds the others alone.
    fn number(&mut self, text: &str, max: u16) -> (u16, bool) {
        let known = self.known(text, max);
        known.unwrap_or_else(|| (self.push(text.into()), false))
    }

    /// The same, but for a text that gets a new number.
    fn known(&self, text: &str, max: u16) -> Option<(u16, bool)> {
        if let Some(number) = self.find(text) {
            return Some((number, false));
        }
        let max = usize::from(max);
        let room = if max > self.reserved {
            max - self.reserved
        } else {
            max
        };
        let is_full = self.texts.len() - 2 - self.reserved >= room;
        is_full.then_some((1, true))
    }

    /// The number of a text that is held.
    pub(super) fn find(&self, text: &str) -> Option<u16> {
        self.numbers.get(text).copied()
    }

    /// The text of a number that this table has given out.
    pub(super) fn text(&self, number: u16) -> &str {
        self.texts.get(usize::from(number)).map_or(OTHER, |text| text)
    }
}

/// A row's labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labelled {
    pub labels: ResultLabels,
    pub folded: Folded,
}

/// The labels of one scope, to which rows add what is new.
#[derive(Debug)]
pub(super) struct Labels {
    /// Pictures share them.
    texts: Arc<LabelTexts>,
    bounds: Bounds,
    /// How many of each are saved: statuses, error codes, exit codes.
    saved: [u16; 3],
}

impl Labels {
    pub(super) fn new(bounds: Bounds) -> Self {
        // Scopes share them until they list something else.
        static FIRST: LazyLock<Arc<LabelTexts>> = LazyLock::new(Arc::default);
        let texts = Arc::clone(&FIRST);
        Self {
            saved: texts.len(),
            texts,
            bounds,
        }
    }

    pub(super) fn texts(&self) -> &Arc<LabelTexts> {
        &self.texts
    }

    /// The labels of a row.
    pub(super) fn of_row(&mut self, row: &Row) -> Labelled {
        // Pictures have the same texts, which are copied for a new one only.
        let known = self.texts.known_labels(row, self.bounds);
        known.unwrap_or_else(|| Arc::make_mut(&mut self.texts).of_row(row, self.bounds))
    }

    /// The number of an ErrorCode or OssOutputErrorCode, and whether it was folded.
    pub(super) fn error_code(&mut self, text: &str) -> (u16, bool) {
        let known = self.texts.error_codes.known(text, self.bounds.error_codes);
        known.unwrap_or_else(|| Arc::make_mut(&mut self.texts).error_code(text, self.bounds))
    }

    /// What is new since the last call.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Saving<NewLabel>> {
        let texts = &self.texts;
        let kinds = [NewLabel::Status, NewLabel::ErrorCode, NewLabel::ExitCode];
        let before = std::mem::replace(&mut self.saved, texts.len());
        let ranges = before.into_iter().zip(texts.len());
        kinds.into_iter().zip(ranges).flat_map(move |(kind, (from, to))| {
            let labels = (from..to).map(kind);
            labels.map(|label| (label, Some(encode(&texts.text(label)))))
        })
    }

    /// Puts a saved label back. Labels come in the order of their numbers; false where one is missing before.
    pub(super) fn restore(&mut self, label: NewLabel, bytes: &[u8]) -> bool {
        let texts = Arc::make_mut(&mut self.texts);
        let text = postcard::from_bytes(bytes);
        let is_sound = text.is_ok_and(|text| texts.restore(label, text));
        self.saved = texts.len();
        is_sound
    }
}

/// The label values of one scope.
#[derive(Debug, Clone)]
pub(super) struct LabelTexts {
    /// Unknown InvocationStatuses, numbered from [`StatusNumber::FIRST_UNKNOWN`].
    statuses: Vec<Arc<str>>,
    /// ErrorCode and OssOutputErrorCode.
    pub error_codes: Values,
    /// ExitCode.
    pub exit_codes: Values,
}

/// A value that was given a number, to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewLabel {
    /// The n-th unknown status.
    Status(u16),
    /// The n-th error code.
    ErrorCode(u16),
    /// The n-th exit code.
    ExitCode(u16),
}

impl LabelTexts {
    /// Whether a result that has these labels now may have had them all along: they are others only where there was no
    /// room for them.
    pub(super) fn has_unfolded(&self, before: ResultLabels, now: ResultLabels) -> bool {
        let is_code = |values: &Values, before: u16, now: u16| {
            before == now || before == FOLDED && usize::from(now) > usize::from(FOLDED) + values.reserved
        };
        let is_unknown = now.status.0 >= StatusNumber::FIRST_UNKNOWN;
        (before.status == now.status || before.status == StatusNumber::OTHER && is_unknown)
            && is_code(&self.error_codes, before.error_code, now.error_code)
            && is_code(&self.exit_codes, before.exit_code, now.exit_code)
    }

    /// The labels of a row that has none to be added.
    fn known_labels(&self, row: &Row, bounds: Bounds) -> Option<Labelled> {
        Some(labelled(
            self.known_status(&row.status)?,
            self.error_codes.known(&row.error_code, bounds.error_codes)?,
            self.exit_codes.known(&exit_text(row), bounds.exit_codes)?,
        ))
    }

    fn of_row(&mut self, row: &Row, bounds: Bounds) -> Labelled {
        labelled(
            self.status(&row.status),
            self.error_code(&row.error_code, bounds),
            self.exit_codes.number(&exit_text(row), bounds.exit_codes),
        )
    }

    fn error_code(&mut self, text: &str, bounds: Bounds) -> (u16, bool) {
        self.error_codes.number(text, bounds.error_codes)
    }

    fn status(&mut self, status: &Status) -> (StatusNumber, bool) {
        if let Some(known) = self.known_status(status) {
            return known;
        }
        if let Status::Unknown(text) = status {
            self.statuses.push((&**text).into());
        }
        (unknown_status(self.statuses.len() - 1), false)
    }

    /// The same, but for a status that gets a new number.
    fn known_status(&self, status: &Status) -> Option<(StatusNumber, bool)> {
        let text = match status {
            Status::Known(known) => return Some((StatusNumber::of(*known), false)),
            Status::Unknown(text) if text.is_empty() => return Some((StatusNumber::MISSING, false)),
            Status::Unknown(text) => text,
        };
        if **text == *OTHER {
            return Some((StatusNumber::OTHER, false));
        }
        let place = self.statuses.iter().position(|known| **known == **text);
        let is_full = self.statuses.len() >= MAX_UNKNOWN_STATUSES;
        match place {
            Some(place) => Some((unknown_status(place), false)),
            None => is_full.then_some((StatusNumber::OTHER, true)),
        }
    }

    /// How many there are: statuses, error codes, exit codes.
    fn len(&self) -> [u16; 3] {
        let (error_codes, exit_codes) = (&self.error_codes.texts, &self.exit_codes.texts);
        [self.statuses.len(), error_codes.len(), exit_codes.len()].map(|len| len as u16)
    }

    /// The combination of a known status with codes that are reserved, or `""`.
    pub(super) fn reserved(&self, status: KnownStatus, error_code: &str, exit_code: &str) -> ResultLabels {
        ResultLabels {
            status: StatusNumber::of(status),
            error_code: self.error_codes.find(error_code).unwrap_or_default(),
            exit_code: self.exit_codes.find(exit_code).unwrap_or_default(),
        }
    }

    /// The settled combinations that exist at 0.
    pub(super) fn zeros(&self) -> impl Iterator<Item = ResultLabels> {
        let known = KNOWN_SETTLED.iter();
        known.map(|(status, error, exit)| self.reserved(*status, error, exit))
    }

    /// Whether the combination is one of them.
    pub(super) fn is_zero(&self, combination: ResultLabels) -> bool {
        self.zeros().any(|zero| zero == combination)
    }

    /// Whether one with that status is.
    pub(super) fn is_zero_status(&self, status: StatusNumber) -> bool {
        KNOWN_SETTLED
            .iter()
            .any(|(known, ..)| StatusNumber::of(*known) == status)
    }

    /// Whether these numbers have been given out: two that have not would be shown as the same series.
    pub(super) fn has(&self, labels: ResultLabels) -> bool {
        self.has_status(labels.status)
            && self.has_error_code(labels.error_code)
            && usize::from(labels.exit_code) < self.exit_codes.texts.len()
    }

    /// The same of a status.
    pub(super) fn has_status(&self, status: StatusNumber) -> bool {
        usize::from(status.0) < usize::from(StatusNumber::FIRST_UNKNOWN) + self.statuses.len()
    }

    /// The same of an error code.
    pub(super) fn has_error_code(&self, number: u16) -> bool {
        usize::from(number) < self.error_codes.texts.len()
    }

    /// The text of a status.
    pub(super) fn status_text(&self, number: StatusNumber) -> &str {
        if let Some(known) = number.known() {
            return known.as_str();
        }
        match number {
            StatusNumber::OTHER => OTHER,
            StatusNumber::MISSING => "",
            StatusNumber(unknown) => self
                .statuses
                .get(usize::from(unknown - StatusNumber::FIRST_UNKNOWN))
                .map_or(OTHER, |text| text),
        }
    }

    /// The text to save for a label.
    pub(super) fn text(&self, label: NewLabel) -> &str {
        match label {
            NewLabel::Status(place) => self.statuses.get(usize::from(place)).map_or(OTHER, |text| text),
            NewLabel::ErrorCode(number) => self.error_codes.text(number),
            NewLabel::ExitCode(number) => self.exit_codes.text(number),
        }
    }

    /// Takes back a saved label. They come in the order of their numbers; false where one is missing before, or two are
    /// the same.
    pub(super) fn restore(&mut self, label: NewLabel, text: &str) -> bool {
        // Earlier versions have saved control characters.
        let clean = label_text(text);
        let (values, number) = match label {
            NewLabel::Status(place) => {
                self.statuses.push(clean.as_ref().into());
                return self.statuses.len() == usize::from(place) + 1
                    && self.statuses.len() <= MAX_UNKNOWN_STATUSES;
            }
            NewLabel::ErrorCode(number) => (&mut self.error_codes, number),
            NewLabel::ExitCode(number) => (&mut self.exit_codes, number),
        };
        if values.find(text).is_some() {
            return false;
        }
        let mut clean = clean.into_owned();
        while values.find(&clean).is_some() {
            clean.push(char::REPLACEMENT_CHARACTER);
        }
        values.push(clean.into()) == number
    }
}

fn exit_text(row: &Row) -> String {
    row.exit_code.map(|code| code.to_string()).unwrap_or_default()
}

/// The number of the unknown status at that place.
fn unknown_status(place: usize) -> StatusNumber {
    StatusNumber(StatusNumber::FIRST_UNKNOWN + place as u8)
}

/// Three labels, each with whether it was folded.
fn labelled(
    (status, status_folded): (StatusNumber, bool),
    (error_code, error_code_folded): (u16, bool),
    (exit_code, exit_code_folded): (u16, bool),
) -> Labelled {
    Labelled {
        labels: ResultLabels {
            status,
            error_code,
            exit_code,
        },
        folded: Folded {
            status: status_folded,
            error_code: error_code_folded,
            exit_code: exit_code_folded,
        },
    }
}

/// Only `""`, `other` and the codes of the zero combinations.
impl Default for LabelTexts {
    fn default() -> Self {
        Self {
            statuses: Vec::new(),
            error_codes: Values::new(KNOWN_SETTLED.iter().map(|(_, error_code, _)| *error_code)),
            exit_codes: Values::new(KNOWN_SETTLED.iter().map(|(_, _, exit_code)| *exit_code)),
        }
    }
}

/// `metrics.max_error_codes` and `metrics.max_exit_codes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Distinct error codes besides `""` and `other`.
    pub error_codes: u16,
    /// Distinct exit codes besides `""` and `other`.
    pub exit_codes: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_kept_and_the_known_ones_always() {
        // Eight codes are reserved, so that two others have room.
        let mut labels = Labels::new(Bounds {
            error_codes: 10,
            exit_codes: 2,
        });
        let mut number = |text: &str| labels.error_code(text);
        assert_eq!([number(""), number("other")], [(0, false), (1, false)]);
        assert_eq!(
            [number("A"), number("B"), number("C"), number("A")].map(|(_, folded)| folded),
            [false, false, true, false]
        );
        assert_eq!(number("C").0, 1);
        assert!(
            !number("DeliveryTimeout").1,
            "a code of the zero combinations has room"
        );
        assert!(number("D").1);
        let new: Vec<NewLabel> = labels.changes().map(|(label, _)| label).collect();
        assert_eq!(new, [NewLabel::ErrorCode(10), NewLabel::ErrorCode(11)]);
        assert_eq!(labels.changes().count(), 0);
        let codes = &labels.texts().error_codes;
        assert_eq!((codes.text(10), codes.find("B")), ("A", Some(11)));
    }

    #[test]
    fn a_bound_below_the_reserved_codes_bounds_the_others() {
        let mut labels = LabelTexts::default();
        let bounds = Bounds {
            error_codes: 3,
            exit_codes: 2,
        };
        let folded = ["A", "B", "C", "D"].map(|text| labels.error_code(text, bounds).1);
        assert_eq!(folded, [false, false, false, true]);
    }

    #[test]
    fn unknown_statuses_are_bounded() {
        let mut labels = LabelTexts::default();
        for n in 0..MAX_UNKNOWN_STATUSES {
            let status = Status::Unknown(format!("S{n}").into());
            let (number, folded) = labels.status(&status);
            assert_eq!(
                (labels.status_text(number), folded),
                (format!("S{n}").as_str(), false)
            );
        }
        assert_eq!(
            labels.status(&Status::Unknown("S20".into())),
            (StatusNumber::OTHER, true)
        );
        assert_eq!(
            labels.status(&Status::Unknown("S3".into())).0.0,
            StatusNumber::FIRST_UNKNOWN + 3
        );
        let (missing, folded) = labels.status(&Status::Unknown("".into()));
        assert_eq!((labels.status_text(missing), folded), ("", false));
        assert_eq!(labels.len()[0], MAX_UNKNOWN_STATUSES as u16);
    }

    #[test]
    fn combinations_fit_a_key() {
        let combination = ResultLabels {
            status: StatusNumber(33),
            error_code: 60_000,
            exit_code: 7,
        };
        assert_eq!(ResultLabels::unpacked(combination.packed()), combination);
    }
}
