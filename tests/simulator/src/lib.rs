//! A Cloud Assistant of our own.

mod agenda;
mod api;
mod clock;
mod cloud;
mod command;
mod error;
mod frequency;
mod invocation;
mod listing;
mod outcome;
mod page_token;
mod region;
mod regions;
mod schedule;
mod status;
mod truth;

pub use api::Parameters;
pub use clock::{Clock, parse_utc, unix_now, utc};
pub use cloud::{AccessKey, Cloud, Driver};
pub use command::Command;
pub use error::{ApiError, DOCUMENTED};
pub use invocation::{InstanceAt, Invocation, InvokeId, RepeatMode, Row};
pub use outcome::{Delivery, Outcome};
pub use region::{EndOfList, Instances, Order, Paging, RETENTION, RETENTION_ROWS, Region};
pub use regions::ALL as ALL_REGIONS;
pub use status::InvocationStatus;
pub use truth::{Class, Truth};
