//! The XML of queues, by local names: its namespace is written in two ways.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

use crate::aliyun::error_body::{ErrorBody, is_plain};

/// More elements inside of each other than any document of a queue has.
const DEEPEST: usize = 16;
/// In one answer.
const MOST: usize = 16;

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MessageBody, with its entities decoded.
    pub body: String,
    /// What it is deleted by.
    pub receipt_handle: String,
}

/// Reads `<Messages>` or a single `<Message>`. One without a receipt handle is left out, unless all are: it cannot be
/// deleted, and others must not come again for it.
///
/// # Errors
/// What is wrong with the document, for a person.
pub fn messages(document: &[u8]) -> Result<Vec<Message>, &'static str> {
    let mut messages = Vec::new();
    let mut count = 0_usize;
    let (mut body, mut receipt_handle) = (None, None);
    each(document, |depth, name, text| {
        // <Messages> and <Message>, or <Message> alone.
        match name {
            "MessageBody" if depth <= 3 => body = Some(text),
            "ReceiptHandle" if depth <= 3 => receipt_handle = Some(text),
            "Message" if depth <= 2 => {
                if count == MOST {
                    return Err("more messages than were asked for");
                }
                count += 1;
                let body = body.take().unwrap_or_default();
                let handle = receipt_handle.take().filter(|handle| !handle.is_empty());
                messages.extend(handle.map(|receipt_handle| Message { body, receipt_handle }));
            }
            _ => {}
        }
        Ok(())
    })?;
    match messages.is_empty() && count > 0 {
        true => Err("no message with a receipt handle"),
        false => Ok(messages),
    }
}

/// The code of `<Error>`, if it is one.
pub(super) fn error_code(document: &[u8]) -> Option<String> {
    let code = ErrorBody::read(document).code.filter(|code| is_plain(code));
    code.map(Cow::into_owned)
}

/// The codes of `<Errors>`, one for each message that could not be deleted; none where it is no such list.
pub(super) fn undeleted(document: &[u8]) -> Option<Vec<Option<String>>> {
    let (mut codes, mut code, mut is_list): (Vec<Option<String>>, Option<String>, bool) = Default::default();
    each(document, |depth, name, text| {
        match (depth, name) {
            (1, name) => is_list = name == "Errors",
            (2, "Error") => codes.push(code.take().filter(|code| is_plain(code))),
            (3, "ErrorCode") => code = Some(text),
            _ => {}
        }
        Ok(())
    })
    .ok()?;
    (is_list && !codes.is_empty()).then_some(codes)
}

/// The document that deletes these messages.
pub(super) fn receipt_handles<'a>(handles: impl Iterator<Item = &'a str>) -> String {
    let each: String = handles
        .map(|handle| format!("<ReceiptHandle>{}</ReceiptHandle>", escape(handle)))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><ReceiptHandles xmlns=\"http://mns.aliyuncs.com/doc/v1/\">{each}\
         </ReceiptHandles>"
    )
}

/// Tells of each element when it ends: how deep it stands, its local name, and its text.
fn each(
    document: &[u8],
    mut ended: impl FnMut(usize, &str, String) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let document = str::from_utf8(document).map_err(|_| "not UTF-8")?;
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut depth = 0_usize;
    let mut has_root = false;
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| "not well-formed XML")? {
            Event::Start(_) => {
                depth += 1;
                has_root = true;
                if depth > DEEPEST {
                    return Err("elements too deep inside of each other");
                }
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => text.push(character),
                Ok(None) => text.push_str(resolve_predefined_entity(&reference).ok_or("an unknown entity")?),
                Err(_) => return Err("a character that is none"),
            },
            Event::End(end) => {
                ended(depth, end.local_name().as_ref(), std::mem::take(&mut text))?;
                depth = depth.saturating_sub(1);
            }
            // Entities of its own would be a way to make a short document long.
            Event::DocType(_) => return Err("a document type"),
            Event::Eof if has_root && depth == 0 => return Ok(()),
            Event::Eof => return Err("cut off"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn sample(name: &str) -> String {
        let text = include_str!("../../../tests/data/mns-signature-vectors.json");
        let all: Value = serde_json::from_str(text).unwrap();
        all["samples"][name].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_samples_are_read() {
        let batch = messages(sample("batch_receive_response_200").as_bytes()).unwrap();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch[0].receipt_handle, "1-ODU4OTkzNDU5My0xNDMyNzI3ODI3LTItOA==");
        assert!(
            batch[0].body.starts_with(r#"{"id":"45ef4dew""#),
            "{}",
            batch[0].body
        );
        assert!(batch[1].body.starts_with("eyJpZCI6"), "{}", batch[1].body);
        assert_eq!(
            messages(sample("receive_response_200").as_bytes()).unwrap().len(),
            1
        );
        let empty = sample("error_response_404_empty_queue");
        assert_eq!(error_code(empty.as_bytes()).as_deref(), Some("MessageNotExist"));
        let ours = receipt_handles(
            [
                "1-ODU4OTkzNDU5My0xNDMyNzI3ODI3LTItOA==",
                "1-ODU4OTkzNDU5NC0xNDMyNzI3ODI4LTItOA==",
            ]
            .into_iter(),
        );
        let normal = |text: &str| text.replace(['\n', ' '], "");
        assert_eq!(normal(&ours), normal(&sample("batch_delete_request")));
        assert_eq!(
            error_code(sample("batch_delete_error_response").as_bytes()),
            None,
            "of messages, not of the call"
        );
        assert_eq!(
            undeleted(sample("batch_delete_error_response").as_bytes()),
            Some(vec![Some("ReceiptHandleError".to_owned())])
        );
        assert_eq!(undeleted(empty.as_bytes()), None);
    }

    #[test]
    fn an_odd_message_does_not_cost_the_others() {
        let good = "<Message><MessageBody>{}</MessageBody><ReceiptHandle>1</ReceiptHandle></Message>";
        for (odd, bodies) in [
            ("", vec!["{}", "{}"]),
            (
                "<Message><MessageBody/><ReceiptHandle>2</ReceiptHandle></Message>",
                vec!["{}", "", "{}"],
            ),
            (
                "<Message><ReceiptHandle>2</ReceiptHandle></Message>",
                vec!["{}", "", "{}"],
            ),
            (
                "<Message><MessageBody>x</MessageBody></Message>",
                vec!["{}", "{}"],
            ),
            (
                "<Message><MessageBody>x</MessageBody><ReceiptHandle/></Message>",
                vec!["{}", "{}"],
            ),
            ("<Message/>", vec!["{}", "{}"]),
        ] {
            let read = messages(format!("<Messages>{good}{odd}{good}</Messages>").as_bytes()).unwrap();
            let read: Vec<&str> = read.iter().map(|message| message.body.as_str()).collect();
            assert_eq!(read, bodies, "{odd}");
        }
    }

    #[test]
    fn entities_and_odd_documents() {
        let one = |body: &str| {
            let document = format!(
                "<a:Message xmlns:a=\"x\"><MessageBody>{body}</MessageBody><ReceiptHandle>1</ReceiptHandle></a:Message>"
            );
            messages(document.as_bytes()).map(|messages| messages[0].body.clone())
        };
        assert_eq!(one("&lt;&#123;&#x22;&amp;amp;").unwrap(), "<{\"&amp;");
        assert_eq!(one("<![CDATA[{\"a\":1}]]>").unwrap(), "{\"a\":1}");
        for wrong in ["&lol;", "&#xFFFFFFFF;", "<b>", "</c>"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
        let deep = "<Message>".repeat(100_000);
        let many = format!(
            "<Messages>{}</Messages>",
            "<Message><MessageBody/><MessageBody>x</MessageBody><ReceiptHandle>1</ReceiptHandle></Message>"
                .repeat(17)
        );
        let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\">]><Messages/>";
        for wrong in [
            "",
            "this is no XML & <never> was",
            "<Messages><Message><Rece",
            "<Messages><Message><MessageId>1</MessageId></Message></Messages>",
            &deep,
            &many,
            bomb,
        ] {
            assert!(
                messages(wrong.as_bytes()).is_err(),
                "{}",
                &wrong[..wrong.len().min(40)]
            );
        }
        assert!(messages(&[b'<', 0xff]).is_err());
        assert_eq!(messages(b"<Messages></Messages>"), Ok(vec![]));
        assert_eq!(messages(b"<Messages/>"), Ok(vec![]));
        assert_eq!(error_code(b"<Error><Code>hunter2 was wrong</Code></Error>"), None);
        assert_eq!(error_code(b"<html><Code>X</Code"), None);
        let of = |errors: &str| undeleted(format!("<Errors>{errors}</Errors>").as_bytes());
        let one = "<Error><ErrorCode>InternalError</ErrorCode></Error>";
        assert_eq!(
            of(&format!("<Error></Error>{one}")),
            Some(vec![None, Some("InternalError".to_owned())])
        );
        for none in ["", "<Error>", "text"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(undeleted(b"<html><Error></Error></html>"), None);
    }
}
