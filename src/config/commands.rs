//! Which commands have series of their own.

use super::fields::{Fields, Value};
use crate::selection::{MAX_SELECTORS, NamePattern, Selection, Selector, Tag};
use crate::shown::shown;

/// The selectors of `metrics.commands`; what is wrong is reported.
pub(super) fn selection(value: &Value<'_>) -> Selection {
    let Some(items) = value.list() else {
        return Selection::default();
    };
    if items.len() > MAX_SELECTORS {
        value.report(format!(
            "expected at most {MAX_SELECTORS} selectors, found {}; a name can be a regular expression such as \
             \"backup|cleanup\"",
            items.len()
        ));
    }
    Selection::new(items.iter().filter_map(selector).collect())
}

fn selector(value: &Value<'_>) -> Option<Selector> {
    let selector = value.mapping(|fields| {
        let given = fields.keys().next().is_some();
        let selector = Selector {
            name: fields.read("name", pattern),
            id: fields.read("id", |value| value.some_text().map(String::into_boxed_str)),
            tag: fields.part("tag").and_then(|value| value.mapping(tag)).flatten(),
        };
        (selector, given)
    });
    let (selector, given) = selector?;
    if !given {
        value.report("expected at least one of name, id, tag");
    }
    // One whose only condition was wrong would take everything.
    (selector.name.is_some() || selector.id.is_some() || selector.tag.is_some()).then_some(selector)
}

fn pattern(value: &Value<'_>) -> Result<NamePattern, String> {
    let text = value.some_text()?;
    NamePattern::parse(&text).map_err(|error| {
        format!(
            "expected a regular expression that matches the whole name, found {}: {error}",
            shown(&text)
        )
    })
}

fn tag(fields: &mut Fields<'_>) -> Option<Tag> {
    let key = fields.require("key", "the key of the tag", Value::some_text);
    let value = fields.require(
        "value",
        "the value of the tag, \"\" for an empty one",
        Value::verbatim,
    );
    Some(Tag {
        key: key?.into(),
        value: value?.into(),
    })
}
