//! The XML of queues: documents made of known messages, written in every way that XML has, are read to just those
//! messages; whatever else comes is read or refused, and bounded.

#![no_main]

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::aliyun::queue::{Message, messages};
use cloud_assistant_exporter_fuzz::Input;
use libfuzzer_sys::fuzz_target;

/// Messages in one answer.
const MOST: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => anything(text.as_bytes()),
        Some(Input::Choices(mut choices)) => {
            let _ = made(&mut choices);
        }
        None => anything(bytes),
    }
});

fn anything(document: &[u8]) {
    let Ok(read) = messages(document) else {
        return;
    };
    assert!(read.len() <= MOST);
    // Entities are shorter than what they stand for in no document that is taken.
    let text: usize = read
        .iter()
        .map(|message| message.body.len() + message.receipt_handle.len())
        .sum();
    assert!(text <= document.len());
    assert!(read.iter().all(|message| !message.receipt_handle.is_empty()));
    assert_eq!(messages(document), Ok(read), "the same each time");
}

fn made(choices: &mut Unstructured<'_>) -> Result<()> {
    let (mut expected, mut elements) = (Vec::new(), Vec::new());
    let prefix = *choices.choose(&["", "", "m:"])?;
    let count = choices.int_in_range(0..=MOST + 1)?;
    for _ in 0..count {
        let message = Message {
            body: choices.arbitrary::<&str>()?.to_owned(),
            receipt_handle: choices.arbitrary::<&str>()?.to_owned(),
        };
        let body = match message.body.is_empty() && choices.arbitrary()? {
            true => (*choices.choose(&["", "<MessageBody/>"])?).to_owned(),
            false => element(choices, prefix, "MessageBody", &message.body)?,
        };
        let handle = match message.receipt_handle.is_empty() && choices.arbitrary()? {
            true => String::new(),
            false => element(choices, prefix, "ReceiptHandle", &message.receipt_handle)?,
        };
        let other = *choices.choose(&[
            "",
            "<MessageId>1</MessageId>",
            "<Priority/>",
            "<!-- x -->",
            "\n  ",
        ])?;
        let inside = match choices.arbitrary()? {
            true => [body, other.to_owned(), handle].concat(),
            false => [handle, other.to_owned(), body].concat(),
        };
        elements.push(format!("<{prefix}Message>{inside}</{prefix}Message>"));
        expected.push(message);
    }
    let start = *choices.choose(&["", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"])?;
    let between = *choices.choose(&["", "\n", "<?x y?>"])?;
    let document = match count == 1 && choices.arbitrary()? {
        true => format!("{start}{}", elements[0]),
        false => format!(
            "{start}<{prefix}Messages xmlns:m=\"x\">{}</{prefix}Messages>",
            elements.join(between)
        ),
    };
    expected.retain(|message| !message.receipt_handle.is_empty());
    let read = messages(document.as_bytes());
    match count > MOST || (expected.is_empty() && count > 0) {
        true => assert!(read.is_err(), "{document}"),
        false => assert_eq!(read, Ok(expected), "{document}"),
    }
    // Cut off, it is refused: what is missing could have been messages.
    let cut = choices.choose_index(document.len())?;
    if document.is_char_boundary(cut) && cut < document.trim_end().len() {
        assert!(
            messages(&document.as_bytes()[..cut]).is_err(),
            "{}",
            &document[..cut]
        );
    }
    Ok(())
}

/// An element with this text, each character written in one of the ways that it may be.
fn element(choices: &mut Unstructured<'_>, prefix: &str, name: &str, text: &str) -> Result<String> {
    let written = match choices.ratio(1_u8, 4)? && !text.contains(['\r', '\0']) {
        true => format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>")),
        false => {
            let mut written = String::new();
            for character in text.chars() {
                match (character, choices.int_in_range(0..=7_u8)?) {
                    ('&', _) => written += "&amp;",
                    ('<', _) => written += "&lt;",
                    ('>', _) => written += "&gt;",
                    ('"', 0) => written += "&quot;",
                    ('\'', 0) => written += "&apos;",
                    // No XML can hold it; the one that does is read as it stands.
                    ('\0', _) => written.push('\0'),
                    ('\r', _) => written += "&#13;",
                    (character, 1) => written += &format!("&#{};", u32::from(character)),
                    (character, 2) => written += &format!("&#x{:X};", u32::from(character)),
                    (character, _) => written.push(character),
                }
            }
            written
        }
    };
    Ok(format!("<{prefix}{name}>{written}</{prefix}{name}>"))
}
