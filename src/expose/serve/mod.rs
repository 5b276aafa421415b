//! From points to the bytes of an answer: pieces of each format, compressed once, and which of them a client wants.

mod deflate;
mod negotiate;
mod pieces;

pub(super) use deflate::Deflater;
pub use negotiate::Answer;
pub(super) use pieces::{Bodies, Pieces, Writer, Written};
