//! Page tokens: opaque, and good for one list only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::listing::Key;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind so many rows.
    Offset(usize),
    /// Behind the row with this key, which may be gone.
    After(Key),
}

const WORDS: usize = 5;

impl Place {
    /// Writes the place in a list as a token. Its alphabet is that of Base64, so that `+`, `/` and `=` occur.
    pub(crate) fn write(self, list: u64) -> String {
        let (kind, key) = match self {
            Self::Offset(offset) => (0, (offset.cast_signed() as i64, 0, 0)),
            Self::After(key) => (1, key),
        };
        let words = [
            list,
            kind,
            key.0.cast_unsigned(),
            key.1.cast_unsigned(),
            key.2.cast_unsigned(),
        ];
        let mut bytes = Vec::with_capacity(WORDS * 8 + 2);
        for (word, pad) in words.into_iter().zip(pads()) {
            bytes.extend((word ^ pad).to_le_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        STANDARD.encode(bytes)
    }

    /// Reads a token that was written for the same list.
    pub(crate) fn read(token: &str, list: u64) -> Option<Self> {
        let bytes = STANDARD.decode(token).ok()?;
        let (body, sum) = bytes.split_at_checked(WORDS * 8)?;
        if sum != checksum(body).to_le_bytes() {
            return None;
        }
        let mut words = [0; WORDS];
        for ((word, chunk), pad) in words.iter_mut().zip(body.chunks_exact(8)).zip(pads()) {
            *word = u64::from_le_bytes(chunk.try_into().ok()?) ^ pad;
        }
        let [of, kind, a, b, c] = words;
        match kind {
            _ if of != list => None,
            0 => Some(Self::Offset(usize::try_from(a).ok()?)),
            1 => Some(Self::After((a.cast_signed(), b.cast_signed(), c.cast_signed()))),
            _ => None,
        }
    }
}

/// Makes a token look like nothing that could be taken apart.
fn pads() -> impl Iterator<Item = u64> {
    (1_u64..).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ 0xFBEF_BEFB_EFBE_FBEF)
}

fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x5A5A, |sum: u16, byte| {
        sum.rotate_left(5) ^ u16::from(*byte).wrapping_mul(257)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_in_its_own_list_only() {
        for place in [
            Place::Offset(0),
            Place::Offset(9_950),
            Place::After((-1_767_323_045, -17, 99)),
        ] {
            let token = place.write(7);
            assert_eq!(Place::read(&token, 7), Some(place));
            assert_eq!(Place::read(&token, 8), None);
        }
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = Place::After((1, 2, 3)).write(7);
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_ne!(Place::read(&changed, 7), Place::read(&token, 7), "{changed}");
        }
        assert_eq!(Place::read("", 7), None);
        assert_eq!(Place::read("nonsense", 7), None);
    }
}
