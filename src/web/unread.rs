//! The body of a request that nobody reads: thrown away, up to a bound.
//!
//! An answer that leaves before the body has come may never arrive: HTTP/1.1 then closes the connection, which a client
//! that is still sending sees as a reset, and some clients take the reset of an HTTP/2 stream for a failure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

/// How long its bytes are waited for.
const TIME: Duration = Duration::from_secs(5);

/// A body that has not been read to its end. Clones are the same.
#[derive(Debug, Clone)]
pub struct Unread(Arc<Mutex<Option<Incoming>>>);

impl Unread {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// Takes it, to read it; none where somebody has.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts back what has not been read.
    pub(super) fn put_back(&self, body: Incoming) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    /// Throws away what is left of it, unless that is known to be more than `most` bytes.
    pub(super) async fn drain(&self, most: usize) {
        if let Some(body) = self.take()
            && body.size_hint().lower() <= most as u64
        {
            // The request has its answer, whatever comes of this.
            let _ = drain(body, most).await;
        }
    }
}

/// Reads a body to its end and keeps nothing; the error is the status to refuse the request with.
pub(super) async fn drain(mut body: Incoming, most: usize) -> Result<(), StatusCode> {
    if body.is_end_stream() {
        return Ok(());
    }
    let to_the_end = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            bytes += frame.data_ref().map_or(0, |data| data.len());
            if bytes > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
        }
        Ok(())
    };
    timeout(TIME, to_the_end)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}
