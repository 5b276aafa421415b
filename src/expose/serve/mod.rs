//! From points to the bytes of an answer: pieces of each format, compressed once, and which of them a client wants.

mod bodies;
mod deflate;
mod lines;
mod messages;
mod negotiate;

pub(super) use bodies::{Bodies, Pieces, Writer, Written};
pub(super) use deflate::{Deflater, Part};
pub(super) use lines::{Lines, Piece};
pub(super) use messages::Messages;
pub use negotiate::Answer;
