//! The few documents of the queue's API.

use std::fmt::Write;

use super::Message;

pub(super) const NAMESPACE: &str = "http://mns.aliyuncs.com/doc/v1/";

/// The texts of all elements of a name, entities decoded.
pub(super) fn texts(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut texts = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find(&open) {
        rest = &rest[start + open.len()..];
        if !rest.starts_with(['>', ' ']) {
            continue;
        }
        let Some((_, inside)) = rest.split_once('>') else {
            break;
        };
        let Some((text, behind)) = inside.split_once(&close) else {
            break;
        };
        texts.push(unescape(text));
        rest = behind;
    }
    texts
}

fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}

fn escape(text: &str) -> String {
    let named = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")];
    named.iter().fold(text.to_owned(), |text, (character, entity)| {
        text.replace(*character, entity)
    })
}

fn document(name: &str, inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name} xmlns=\"{NAMESPACE}\">{inside}</{name}>")
}

fn element(name: &str, text: impl std::fmt::Display) -> String {
    format!("<{name}>{}</{name}>", escape(&text.to_string()))
}

/// What was received; one message is no list.
pub(super) fn received(messages: &[Message], is_batch: bool, peek: bool) -> String {
    let inside = |message: &Message| {
        let mut inside = element("MessageId", &message.id);
        if !peek {
            inside += &element("ReceiptHandle", message.receipt());
            inside += &element("NextVisibleTime", message.visible_from);
        }
        inside += &element("MessageBody", &message.body);
        inside += &element("MessageBodyMD5", md5(&message.body));
        inside += &element("EnqueueTime", message.enqueued);
        inside += &element("FirstDequeueTime", message.first_dequeued.unwrap_or(0));
        inside += &element("DequeueCount", message.dequeued);
        inside += &element("Priority", 8);
        inside
    };
    match messages {
        [message] if !is_batch => document("Message", &inside(message)),
        messages => {
            let mut all = String::new();
            for message in messages {
                let _ = write!(all, "<Message>{}</Message>", inside(message));
            }
            document("Messages", &all)
        }
    }
}

/// What was sent: (id, body) of each.
pub(super) fn sent(messages: &[(String, String)], is_batch: bool) -> String {
    let inside =
        |(id, body): &(String, String)| element("MessageId", id) + &element("MessageBodyMD5", md5(body));
    match messages {
        [message] if !is_batch => document("Message", &inside(message)),
        messages => {
            let each = messages
                .iter()
                .map(|message| format!("<Message>{}</Message>", inside(message)));
            document("Messages", &each.collect::<String>())
        }
    }
}

/// The handles that were not good, for this reason.
pub(super) fn not_deleted(handles: &[String], code: &str) -> String {
    let each = handles.iter().map(|handle| {
        let inside = element("ErrorCode", code)
            + &element("ErrorMessage", "Message not exist.")
            + &element("ReceiptHandle", handle);
        format!("<Error>{inside}</Error>")
    });
    document("Errors", &each.collect::<String>())
}

pub(super) fn error(code: &str, message: &str, request_id: &str, host: &str) -> String {
    let inside = element("Code", code)
        + &element("Message", message)
        + &element("RequestId", request_id)
        + &element("HostId", format!("http://{host}"));
    document("Error", &inside)
}

pub(super) fn attributes(name: &str, queue: &super::Queue) -> String {
    let inside = element("QueueName", name)
        + &element("ActiveMessages", queue.len())
        + &element("InactiveMessages", 0)
        + &element("DelayMessages", 0)
        + &element("DelaySeconds", 0)
        + &element("MaximumMessageSize", super::LONGEST_MESSAGE)
        + &element("MessageRetentionPeriod", 600)
        + &element("VisibilityTimeout", queue.visibility_timeout / 1000)
        + &element("PollingWaitSeconds", queue.polling_wait)
        + &element("LoggingEnabled", "False")
        + &element("CreateTime", 1_767_323_045)
        + &element("LastModifyTime", 1_767_323_045);
    document("Queue", &inside)
}

/// Upper-case hex, as the service writes it.
fn md5(text: &str) -> String {
    use md5::{Digest, Md5};
    hex::encode_upper(Md5::digest(text))
}
