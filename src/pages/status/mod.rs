//! `/` and `/failures`: whether it is working, what is failing, and since when, at a look.
//!
//! Each is one document without any other: no script, no image, no font; pictures are SVG within it, and say the same
//! in words. It asks the browser to load it again, unless told not to, or while a form is open that is being filled
//! in. The question is in its address.

mod accounts;
mod asked;
mod bars;
mod codes;
mod failures;
mod frame;
mod home;
mod html;
mod invocations;
mod most;
mod results;
mod scope_row;
mod scopes;
mod show;
mod spark;
mod standby;
mod timeline;
mod turn;

pub(super) use asked::{FailuresAsked, HomeAsked};
pub(super) use failures::page as failures_page;
pub(super) use frame::Frame;
pub(super) use home::page as home_page;
pub(super) use standby::page as standby_page;

/// The only style; the policy of the pages names its hash.
pub(super) const STYLE: &str = include_str!("style.css");

/// Rows of a table that are shown at once.
pub(super) const ROWS_ON_A_PAGE: usize = 50;
