//! A Cloud Assistant of our own: what the exporter is tested against, and what the demo shows.
//!
//! It is a model of accounts, regions and invocations, behind a thin HTTP skin that speaks the API as it is
//! documented. It shares no code with the exporter, verifies every signature by itself, and knows what was
//! really run: the counts that the exporter must arrive at.
//!
//! ```
//! use simulator::{AccessKey, Clock, Cloud, Outcome, Simulator};
//!
//! let mut cloud = Cloud::new(Clock::Manual(1_767_323_045));
//! cloud.add_account("production", AccessKey::new("key", "secret"));
//! let region = cloud.region("production", "cn-hangzhou");
//! let invoke_id = region.run("backup", 3);
//! region.settle(&invoke_id, 0, Outcome::failed(7));
//!
//! let simulator = Simulator::start(cloud);
//! assert!(simulator.url().starts_with("http://127.0.0.1:"));
//! let truth = simulator.cloud().truth("production", "cn-hangzhou");
//! assert_eq!(truth.count("Failed", "ExitCodeNonzero", "7"), 1);
//! assert_eq!(truth.open["Pending"], 2);
//! ```
//!
//! # Map
//!
//! - [`Cloud`] holds accounts, keys and permissions, and a [`Region`] for each account in a region; a region holds
//!   each [`Invocation`] with its [`Row`]s. Time is a value: a [`Clock`] that a test moves, or one that moves
//!   itself. `command`, `schedule`, `agenda` and `outcome` say how rows come about and end, `truth` counts them,
//!   `retention` forgets them.
//! - `listing` and `page_token` put rows in order and cut pages; `api` turns parameters into the documented JSON.
//! - A [`Misbehaviour`] hides rows and runs, or changes what is shown of them, for a while: what answers say, never
//!   what is true.
//! - `signature` checks who asks, [`Faults`] say what goes wrong, `http` joins them, and [`Simulator`] runs it all on
//!   a thread of its own. `control` is the unsigned plane for scripts.
//! - `keys`, `roles`, `sts` and `metadata` give out temporary keys: by AssumeRole, for an OIDC token, as the metadata
//!   service of an instance, or at a credentials URI.
//! - An [`Emission`] says where task events go, and what becomes of them on the way; `events` makes and sends them, and a
//!   [`Queue`] keeps them for whoever asks for them with the API of Simple Message Queue.
//! - [`scenario`] has clouds with something in them.
//!
//! The model does no input or output and knows no signatures; no lock is held while something is waited for.

mod agenda;
mod answer;
mod api;
mod clock;
mod cloud;
mod command;
mod control;
mod error;
mod events;
mod faults;
mod frequency;
mod http;
mod instances;
mod invocation;
mod keys;
mod listing;
mod metadata;
mod misbehaviour;
mod outcome;
mod page_token;
mod queue;
mod received;
mod region;
mod regions;
mod retention;
mod roles;
pub mod scenario;
mod schedule;
mod shared;
mod signature;
mod simulator;
mod status;
mod sts;
mod truth;

pub use api::Parameters;
pub use clock::{Clock, parse_utc, unix_now, utc};
pub use cloud::{Cloud, Driver};
pub use command::Command;
pub use error::{ApiError, DOCUMENTED};
pub use events::{Emission, HttpTarget};
pub use faults::{Fault, FaultKind, Faults};
pub use instances::{InstanceAt, Instances};
pub use invocation::{Invocation, InvokeId, RepeatMode, Row};
pub use keys::{AccessKey, Issued};
pub use metadata::{CredentialsUri, Metadata};
pub use misbehaviour::{List, Misbehaviour};
pub use outcome::{Delivery, Outcome};
pub use queue::Queue;
pub use received::Received;
pub use region::{EndOfList, Order, Paging, RETENTION, RETENTION_ROWS, Region};
pub use regions::ALL as ALL_REGIONS;
pub use roles::Role;
pub use simulator::Simulator;
pub use status::InvocationStatus;
pub use truth::{Class, Truth};
