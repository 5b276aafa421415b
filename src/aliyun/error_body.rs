//! The bodies of errors, of the API, of queues and of the services that hand out credentials: JSON, or XML.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::answer::{object, object_of, text_or_number};

/// What is read of it. SDKs accept lower-case names too.
#[derive(Default)]
pub(super) struct ErrorBody<'a> {
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) request_id: Option<Cow<'a, str>>,
}

object_of! {
    /// Its members as JSON.
    struct Members {
        code: b"Code" | b"code",
        request_id: b"RequestId" | b"requestId" | b"request_id",
    }
}

impl<'a> ErrorBody<'a> {
    /// Reads JSON or XML, as far as it goes: a body may be cut off, or be no error's.
    pub(super) fn read(body: &'a [u8]) -> Self {
        let body = body.trim_ascii_start();
        if body.starts_with(b"<") {
            return Self::of_xml(body);
        }
        let members: Members<'_> = object(body);
        Self {
            code: members.code.and_then(text_or_number),
            request_id: members.request_id.and_then(text_or_number),
        }
    }

    /// `<Error><RequestId>…</RequestId><Code>…</Code>…</Error>`, whatever the outermost element is called.
    fn of_xml(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let mut reader = Reader::from_str(&body);
        let (mut code, mut request_id) = (None, None);
        let mut depth = 0_usize;
        let mut text = String::new();
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(_) => {
                    depth += 1;
                    text.clear();
                }
                Event::Text(piece) => text.push_str(&piece),
                Event::End(end) => {
                    // Only here, so that one that was cut off is not taken for another.
                    match (depth, end.local_name().as_ref()) {
                        (2, "Code") => code = Some(text.trim().to_owned().into()),
                        (2, "RequestId") => request_id = Some(text.trim().to_owned().into()),
                        _ => {}
                    }
                    depth = depth.saturating_sub(1);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        Self { code, request_id }
    }
}

/// Whether a text looks like a code or an id. Anything else is not shown, for it could be what was signed.
pub(super) fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}
