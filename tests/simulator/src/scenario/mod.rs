//! Clouds with something in them.

mod credentials;
mod fleet;
mod sdk;

pub use credentials::credentials;
pub use fleet::{Fleet, fleet};
pub use sdk::sdk;
