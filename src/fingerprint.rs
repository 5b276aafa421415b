//! A number for a piece of configuration, to notice in a saved state that it has changed.

use sha2::{Digest, Sha256};

/// Takes in texts, in an order, and gives a number that differs between different ones.
///
/// The number is saved, so it is the same in every build of the program; the hashes of the standard library do not
/// promise that.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Takes in a text, or that there is none. Its length keeps neighbours from running into each other.
    #[must_use]
    pub(crate) fn with(mut self, text: Option<&str>) -> Self {
        self.0.update([u8::from(text.is_some())]);
        let text = text.unwrap_or_default();
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// The number.
    pub(crate) fn finish(self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0.finalize()[..8]);
        u64::from_le_bytes(first)
    }
}
