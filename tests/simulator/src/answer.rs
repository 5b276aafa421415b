//! Bodies of answers: whole, cut off or endless.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// A body.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Option<Bytes>),
    /// Comes to an end before the length that was announced.
    Cut {
        part: Option<Bytes>,
        flushed: bool,
    },
    /// JSON with so many bytes of white space in it.
    Giant {
        head: Option<Bytes>,
        left: u64,
    },
}

/// White space, a piece at a time.
const PIECE: usize = 256 << 10;
static SPACES: [u8; PIECE] = [b' '; PIECE];

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Cut { part, flushed } => {
                if let Some(part) = part.take() {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
                if !*flushed {
                    // What came before goes out while this waits; an error at once would drop it.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::Error::other("cut off on purpose"))))
            }
            Self::Giant { head, left } => {
                if let Some(head) = head.take() {
                    return Poll::Ready(Some(Ok(Frame::data(head))));
                }
                let size = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                if size == 0 {
                    return Poll::Ready(None);
                }
                *left -= size as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&SPACES[..size])))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Cut { .. } | Self::Giant { .. } => SizeHint::default(),
        }
    }
}

/// An answer with a body of some type.
pub(crate) fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Answer> {
    respond(status, content_type, Answer::Whole(Some(body.into())))
}

/// An answer that ends half-way.
pub(crate) fn cut(body: &str) -> Response<Answer> {
    let part = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    let answer = Answer::Cut {
        part: Some(part),
        flushed: false,
    };
    let mut response = respond(200, JSON, answer);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

/// An answer of so many bytes.
pub(crate) fn giant(bytes: u64) -> Response<Answer> {
    let head = Bytes::from_static(b"{\"RequestId\":\"GIANT\",\"Invocation\":");
    respond(
        200,
        JSON,
        Answer::Giant {
            head: Some(head),
            left: bytes,
        },
    )
}

/// The type of what the API sends.
pub(crate) const JSON: &str = "application/json;charset=utf-8";

fn respond(status: u16, content_type: &'static str, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
