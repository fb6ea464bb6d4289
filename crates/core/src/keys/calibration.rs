//! `Calibration`: what searches for the namespace's own vectors needed. Key: none. Value: vectors there were
//! `u32`, searches `u32`, then 16 numbers `u32`, little-endian: found neighbours by the patience they needed.

use super::{Kind, codec::Malformed};

/// Classes of patience.
pub const CLASSES: usize = 16;

/// The row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Vectors in the namespace when what was found last faded.
    pub vectors: u32,
    /// Searches that still count.
    pub searches: u32,
    /// Neighbours found, by class.
    pub found: [u32; CLASSES],
}

impl Row {
    /// The value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let numbers = [self.vectors, self.searches];
        let numbers = numbers.iter().chain(&self.found);
        numbers.flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When no row encodes to these bytes.
    pub fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (numbers, rest) = value.as_chunks::<4>();
        let &[vectors, searches, ref found @ ..] = numbers else {
            return Err("a calibration is too short");
        };
        let found: &[[u8; 4]; CLASSES] = found
            .try_into()
            .map_err(|_| "a calibration has the wrong length")?;
        if !rest.is_empty() {
            return Err("a calibration has the wrong length");
        }
        Ok(Self {
            vectors: u32::from_le_bytes(vectors),
            searches: u32::from_le_bytes(searches),
            found: found.map(u32::from_le_bytes),
        })
    }
}

/// The key.
#[must_use]
pub fn key() -> Vec<u8> {
    Kind::Calibration.key(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(vectors: u32, searches: u32, found: [u32; CLASSES]) {
            let row = Row { vectors, searches, found };
            assert_eq!(Row::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn garbage_is_refused(value in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(row) = Row::decode(&value) {
                assert_eq!(row.encode(), value);
            }
        }
    }
}
