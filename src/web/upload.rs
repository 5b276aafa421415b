//! The body of a request to a path that takes one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::unread::Unread;

/// How long its bytes are waited for.
const TIME: Duration = Duration::from_secs(5);
/// What all bodies together may take while they are being read.
const ALL_BYTES: usize = 16 << 20;

/// A body that nothing has been read of yet: whoever may not send it is refused before.
#[derive(Debug)]
pub struct Upload {
    body: Unread,
    room: Room,
}

/// The memory that bodies share.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_BYTES)))
    }
}

impl Upload {
    pub(super) fn new(body: Unread, room: &Room) -> Self {
        Self {
            body,
            room: room.clone(),
        }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// The status to refuse the request with: it is longer than `most` bytes, comes too slowly, breaks off, or so much
    /// is being read already that there is no room for it.
    pub async fn whole(self, most: usize) -> Result<Bytes, StatusCode> {
        let Self { body: unread, room } = self;
        let mut body = unread.take().ok_or(StatusCode::BAD_REQUEST)?;
        if body.size_hint().lower() > most as u64 {
            unread.put_back(body);
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let read = async {
            let mut bytes = BytesMut::new();
            let mut held: Option<OwnedSemaphorePermit> = None;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if bytes.len() + data.len() > most {
                    return Err(StatusCode::PAYLOAD_TOO_LARGE);
                }
                let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let taken = Arc::clone(&room.0).try_acquire_many_owned(size);
                let taken = taken.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
                match &mut held {
                    Some(held) => held.merge(taken),
                    None => held = Some(taken),
                }
                bytes.extend_from_slice(&data);
            }
            Ok(bytes.freeze())
        };
        match timeout(TIME, read).await {
            // Who has been too slow is not waited for again.
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
            Ok(read) => {
                if read.is_err() {
                    unread.put_back(body);
                }
                read
            }
        }
    }
}
