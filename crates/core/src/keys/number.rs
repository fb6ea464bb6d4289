//! `Number`: ordered postings of a field's numbers, in blocks of up to 256.
//! Key: field length `u8`, field, upper fence (number `u64`, ordinal `u32`).
//! Value: sorted pairs (number `u64`, ordinal `u32`), none above the fence, all above the fence before.
//!
//! Numbers are stored so that their bytes sort as they do: the bits of the `f64`, all inverted if it is
//! negative, else only the sign. The last block of a field has the fence `FF…FF`, so every pair has
//! exactly one block: the first whose fence is not below it. A split gives the lower half a fence of
//! its own, a block that is removed leaves its range to the next one.

use super::{Kind, codec::Malformed};

/// Most pairs in a block.
pub const BLOCK_MAX: usize = 256;
/// Bytes of a pair and of a fence.
pub const PAIR_BYTES: usize = 12;
/// The fence of a field's last block.
pub const LAST_FENCE: Pair = Pair {
    number: u64::MAX,
    ordinal: u32::MAX,
};

/// A number, by its sortable bits, and the record that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Sortable bits, see [`sortable`].
    pub number: u64,
    /// The record.
    pub ordinal: u32,
}

impl Pair {
    fn to_bytes(self) -> [u8; PAIR_BYTES] {
        let mut bytes = [0; PAIR_BYTES];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ordinal.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; PAIR_BYTES]) -> Self {
        let [number @ .., a, b, c, d] = bytes;
        Self {
            number: u64::from_be_bytes(number),
            ordinal: u32::from_be_bytes([a, b, c, d]),
        }
    }
}

/// Bits of a finite number that sort as the number does.
#[must_use]
pub const fn sortable(number: f64) -> u64 {
    // Adding zero turns -0.0 into 0.0.
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// The key up to the fence.
#[must_use]
pub fn prefix(field: &str) -> Vec<u8> {
    Kind::Number.key(&[&[field.len() as u8], field.as_bytes()])
}

/// The key of the block with this fence; also where a scan for the block of a pair starts.
#[must_use]
pub fn key(prefix: &[u8], fence: Pair) -> Vec<u8> {
    [prefix, &fence.to_bytes()].concat()
}

/// The fence in a key.
///
/// # Errors
/// When the key is too short.
pub fn fence(key: &[u8]) -> Result<Pair, Malformed> {
    key.last_chunk()
        .map(|bytes| Pair::from_bytes(*bytes))
        .ok_or("the key is too short")
}

/// The value of a block.
#[must_use]
pub fn encode(pairs: &[Pair]) -> Vec<u8> {
    pairs.iter().flat_map(|pair| pair.to_bytes()).collect()
}

/// Reads a block.
///
/// # Errors
/// When no block encodes to these bytes.
pub fn decode(value: &[u8]) -> Result<Vec<Pair>, Malformed> {
    let (pairs, rest) = value.as_chunks::<PAIR_BYTES>();
    if pairs.is_empty() || pairs.len() > BLOCK_MAX || !rest.is_empty() {
        return Err("a block has the wrong length");
    }
    let pairs: Vec<_> = pairs.iter().map(|bytes| Pair::from_bytes(*bytes)).collect();
    if !pairs.is_sorted_by(|a, b| a < b) {
        return Err("pairs out of order");
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_sort(a in -1e300..1e300_f64, b in -1e300..1e300_f64) {
            assert_eq!(a.partial_cmp(&b), Some(sortable(a).cmp(&sortable(b))));
        }

        #[test]
        fn round_trip(pairs in prop::collection::btree_set((any::<u64>(), any::<u32>()), 1..BLOCK_MAX)) {
            let pairs: Vec<_> =
                pairs.into_iter().map(|(number, ordinal)| Pair { number, ordinal }).collect();
            assert_eq!(decode(&encode(&pairs)).unwrap(), pairs);
            assert_eq!(fence(&key(&prefix("f"), pairs[0])).unwrap(), pairs[0]);
        }

        #[test]
        fn garbage_never_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(pairs) = decode(&value) {
                assert_eq!(encode(&pairs), value);
            }
        }
    }
}
