//! A failure as it is kept: small, since there may be a hundred thousand of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::labels::ResultLabels;
use crate::result::{Delivery, Identity, Ids, Seconds};

/// What is kept of an ErrorInfo, in bytes.
const MAX_ERROR_INFO: usize = 256;

/// A settled result that is not Success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct Failure {
    /// Of the result; with its run for one of a schedule.
    pub identity: Identity,
    /// Its time.
    pub time: Seconds,
    /// Its newest state.
    pub labels: ResultLabels,
    /// Which run of a schedule it is; 0 for a result that is none.
    pub run: u32,
    /// FinishedTime − StartTime.
    pub duration: Option<u32>,
    /// Where to look.
    pub ids: PackedIds,
    /// The beginning of ErrorInfo. Many results have the same.
    pub error_info: Arc<str>,
    /// How the delivery of its output has ended, where it has.
    pub delivery: Option<Box<Delivery>>,
}

/// A failure that pictures share, as it is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(in crate::record) struct Kept(pub Arc<Failure>);

/// Four ids in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct PackedIds {
    text: Box<str>,
    /// Where InvokeId, InstanceId and ContainerId end.
    ends: [u32; 3],
}

impl Failure {
    /// Whether it is one that this program has saved.
    pub(super) fn is_sound(&self) -> bool {
        let status = self.labels.status;
        !status.is_open() && !status.is_success() && self.error_info.len() <= MAX_ERROR_INFO
    }
}

impl PackedIds {
    pub(in crate::record) fn of(ids: &Ids) -> Self {
        let parts = [
            &ids.invoke_id,
            &ids.instance_id,
            &ids.container_id,
            &ids.command_id,
        ];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let ends = parts.map(|part| {
            text.push_str(part);
            text.len() as u32
        });
        Self {
            text: text.into(),
            ends: [ends[0], ends[1], ends[2]],
        }
    }

    /// InvokeId, InstanceId, ContainerId, CommandId.
    pub(super) fn parts(&self) -> [&str; 4] {
        let [invoke, instance, container] = self.ends.map(|end| end as usize);
        [
            &self.text[..invoke],
            &self.text[invoke..instance],
            &self.text[instance..container],
            &self.text[container..],
        ]
    }

    fn unpacked(&self) -> Ids {
        let [invoke_id, instance_id, container_id, command_id] = self.parts().map(Into::into);
        Ids {
            invoke_id,
            instance_id,
            container_id,
            command_id,
        }
    }
}

/// What is kept of an ErrorInfo: its beginning, in one line.
pub(super) fn shortened(error_info: &str) -> String {
    let beginning = &error_info[..error_info.floor_char_boundary(MAX_ERROR_INFO)];
    beginning.replace(char::is_control, " ").trim().to_owned()
}

/// The saved form; what came later stands at its end.
#[derive(Serialize, Deserialize)]
struct Saved {
    first: SavedFirst,
    run: u32,
    duration: Option<u32>,
    error_info: Box<str>,
    delivery: Option<SavedDelivery>,
}

/// What a failure was saved as at first.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedFirst {
    identity: Identity,
    time: Seconds,
    ids: Ids,
    labels: ResultLabels,
}

#[derive(Serialize, Deserialize)]
struct SavedDelivery {
    finished: bool,
    error_code: Box<str>,
    uri: Box<str>,
}

impl From<SavedFirst> for Kept {
    fn from(first: SavedFirst) -> Self {
        Self::from(Saved {
            first,
            run: 0,
            duration: None,
            error_info: "".into(),
            delivery: None,
        })
    }
}

impl From<Saved> for Kept {
    fn from(saved: Saved) -> Self {
        Self(Arc::new(Failure {
            identity: saved.first.identity,
            time: saved.first.time,
            labels: saved.first.labels,
            run: saved.run,
            duration: saved.duration,
            ids: PackedIds::of(&saved.first.ids),
            error_info: saved.error_info.into(),
            delivery: saved.delivery.map(|delivery| {
                Box::new(Delivery {
                    finished: delivery.finished,
                    error_code: delivery.error_code,
                    uri: delivery.uri,
                })
            }),
        }))
    }
}

impl From<Kept> for Saved {
    fn from(Kept(failure): Kept) -> Self {
        Self {
            first: SavedFirst {
                identity: failure.identity,
                time: failure.time,
                ids: failure.ids.unpacked(),
                labels: failure.labels,
            },
            run: failure.run,
            duration: failure.duration,
            error_info: (&*failure.error_info).into(),
            delivery: failure.delivery.as_deref().map(|delivery| SavedDelivery {
                finished: delivery.finished,
                error_code: delivery.error_code.clone(),
                uri: delivery.uri.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::labels::LabelTexts;
    use crate::record::table::{decode, encode};
    use crate::result::KnownStatus;

    fn first() -> SavedFirst {
        SavedFirst {
            identity: Identity([1, 2, 3, 4]),
            time: 5,
            ids: Ids {
                invoke_id: "t-1".into(),
                instance_id: "i-ä".into(),
                container_id: "".into(),
                command_id: "c-1".into(),
            },
            labels: LabelTexts::default().reserved(KnownStatus::Failed, "ExitCodeNonzero", "1"),
        }
    }

    #[test]
    fn it_comes_back_as_it_was_saved_and_from_what_was_saved_before() {
        let mut kept = Kept::from(first());
        let failure = Arc::get_mut(&mut kept.0).unwrap();
        failure.run = 7;
        failure.duration = Some(60);
        failure.error_info = "exit code is not zero".into();
        failure.delivery = Some(Box::new(Delivery {
            finished: true,
            error_code: "".into(),
            uri: "oss://b/x".into(),
        }));
        assert_eq!(decode::<Kept>(&encode(&kept)), Some(kept));
        let before = encode(&first());
        assert_eq!(decode::<Kept>(&before), None);
        let kept = decode::<SavedFirst>(&before).map(Kept::from).unwrap();
        assert_eq!(kept.0.ids.parts(), ["t-1", "i-ä", "", "c-1"]);
        assert_eq!((kept.0.run, &*kept.0.error_info), (0, ""));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_stays_in_its_line() {
        assert_eq!(shortened("  a\nb\t\u{85}c "), "a b  c");
        assert_eq!(shortened(&"€".repeat(300)).len(), 255);
    }
}
