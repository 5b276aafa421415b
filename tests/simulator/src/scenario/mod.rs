//! Clouds with something in them.

mod credentials;
mod fleet;
mod moods;
mod sdk;

pub use credentials::credentials;
pub use fleet::{Fleet, fleet};
pub use moods::Moods;
pub use sdk::sdk;
