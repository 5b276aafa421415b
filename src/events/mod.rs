//! Events: Cloud Assistant says that a task has ended, and the next poll of its scope comes forward.
//!
//! An event carries nothing into the record. It only says that it is time to look, so that one that is lost, doubled,
//! late or forged costs a request at most.
//!
//! - `message`: what the bytes of an event say, whoever sent it;
//! - [`Hints`]: whose event it is, and the inbox of that scope's poller;
//! - [`endpoint`]: `POST /api/v1/events`;
//! - [`Receivers`]: what goes on in the background: `identity` learns the numbers of accounts, `queue` takes events out
//!   of queues.

pub mod endpoint;
mod hints;
mod identity;
mod message;
mod queue;
mod receivers;
mod token;

pub use hints::Hints;
pub use receivers::{AccountEvents, Receivers};
