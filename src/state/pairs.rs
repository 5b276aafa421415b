//! Pairs of a place and bytes.

/// Where something is kept in a scope's record: its kind, and a number among those of its kind.
pub type Place = (u8, u64);

/// A saved pair.
pub type Pair = (Place, Vec<u8>);

/// The bytes to save at a place, or none where what is there goes.
pub type Change = (Place, Option<Vec<u8>>);

/// The pairs of one scope, in order. One buffer for all their bytes: there may be millions, of a few bytes each.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    bytes: Vec<u8>,
    /// Each place, and where its bytes end.
    ends: Vec<(Place, usize)>,
}

impl Pairs {
    /// Adds the next one.
    pub fn push(&mut self, place: Place, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push((place, self.bytes.len()));
    }

    /// Each in its order.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |(place, end)| {
            let value = &self.bytes[begin..*end];
            begin = *end;
            (*place, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_in_their_order() {
        let mut pairs = Pairs::default();
        let pushed: [(Place, &[u8]); 4] = [
            ((0, 0), b"head"),
            ((1, 3), b""),
            ((1, 7), b"x"),
            ((9, u64::MAX), b"yz"),
        ];
        for (place, value) in pushed {
            pairs.push(place, value);
        }
        assert!(pairs.iter().eq(pushed));
    }
}
