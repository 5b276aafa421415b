//! The one integration binary.

// All of it is tests, also what is not in a function that is marked as one.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod web;
