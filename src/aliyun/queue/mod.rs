//! Simple Message Queue (MNS), data plane of 2015-06-06: receive and delete, and no more.

mod address;
mod client;
mod error;
mod sign;
mod xml;

pub use address::Address;
pub use client::{QueueClient, WAIT};
pub use error::QueueError;
pub use xml::{Message, messages};
