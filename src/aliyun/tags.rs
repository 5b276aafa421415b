//! Tags of a row or an invocation, in both shapes that the API's samples have.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::selection::{Chosen, Selection};

/// The selectors whose tag is among the tags. Whatever else stands there has none.
pub(super) fn chosen(tags: &RawValue, selection: &Selection) -> Chosen {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow, rename = "Tag", default)]
        list: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(borrow, rename = "TagKey")]
        key: Cow<'a, str>,
        #[serde(borrow, rename = "TagValue", default)]
        value: Option<Cow<'a, str>>,
    }
    let text = tags.get();
    let list: Vec<&RawValue> = if text.starts_with('[') {
        serde_json::from_str(text).unwrap_or_default()
    } else {
        serde_json::from_str::<Wrapped<'_>>(text)
            .map(|wrapped| wrapped.list)
            .unwrap_or_default()
    };
    list.into_iter()
        .filter_map(|tag| serde_json::from_str::<Tag<'_>>(tag.get()).ok())
        .fold(0, |chosen, tag| {
            chosen | selection.with_tag(&tag.key, tag.value.as_deref().unwrap_or_default())
        })
}
