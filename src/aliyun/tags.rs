//! Tags of a row or an invocation, in both shapes that the API's samples have.

use serde_json::value::RawValue;

use super::answer::{Answer, Entry, object_of, text};
use crate::selection::{Selection, SelectorSet};

/// The selectors whose tag is among the tags. Whatever else stands there has none.
pub(super) fn chosen(tags: &RawValue, selection: &Selection) -> SelectorSet {
    let path: &[&str] = match tags.get().starts_with('[') {
        true => &[],
        false => &["Tag"],
    };
    let tags = Answer::<Tag<'_>>::read_within(tags, path).map(|answer| answer.entries);
    let tags = tags.unwrap_or_default().into_iter();
    tags.fold(0, |chosen, tag| {
        let key = text(tag.key).unwrap_or_default();
        chosen | selection.with_tag(&key, &text(tag.value).unwrap_or_default())
    })
}

object_of! {
    struct Tag {
        key: b"TagKey",
        value: b"TagValue",
    }
}

impl<'a> Entry<'a> for Tag<'a> {
    /// The API allows 20.
    const MOST: usize = 100;
    const WHAT: &'static str = "tags";
}
