//! Clouds with something in them.

mod fleet;
mod sdk;

pub use fleet::{Fleet, fleet};
pub use sdk::sdk;
