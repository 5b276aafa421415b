//! The past of the counters, as OpenMetrics files that a database is filled with.
//!
//! What settled up to a scope's first look is in no live counter; here it is, over time: counters and histograms with
//! a sample for each step, from 0 before the oldest result up to the look, and then 0 again, where the live ones begin.
//! So files and live counters together are every result once.
//!
//! Pure but for [`days`] and [`kept`], which write and read files.

pub mod check;
pub mod days;
pub mod kept;
pub mod labels;
pub mod series;
pub mod until;

pub use check::Sums;
pub use labels::TargetLabels;
pub use series::{Left, ScopeSeries, Spacing};
pub use until::Until;
