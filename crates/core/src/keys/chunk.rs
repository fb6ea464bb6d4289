//! Chunks: sets of ordinals in rows of 4,096, so that adding one member rewrites at most 512 bytes.
//!
//! Value: up to 255 offsets as `u16` in ascending order, or else 512 bytes with one bit an offset,
//! lowest bit first. The length tells which; an empty chunk has no row.

use roaring::RoaringBitmap;

use super::codec::Malformed;

/// Ordinals in one chunk.
pub const CHUNK_ORDINALS: u32 = 4096;
const WORDS: usize = CHUNK_ORDINALS as usize / 64;
const DENSE_BYTES: usize = CHUNK_ORDINALS as usize / 8;
const SPARSE_MAX: usize = DENSE_BYTES / 2 - 1;

/// A set of offsets below [`CHUNK_ORDINALS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    words: [u64; WORDS],
}

impl Default for Chunk {
    fn default() -> Self {
        Self { words: [0; WORDS] }
    }
}

/// The chunk an ordinal is in, and its offset there.
#[must_use]
pub const fn locate(ordinal: u32) -> (u32, u16) {
    (ordinal / CHUNK_ORDINALS, (ordinal % CHUNK_ORDINALS) as u16)
}

impl Chunk {
    /// Adds or removes an offset; says whether that changed the chunk.
    pub const fn set(&mut self, offset: u16, member: bool) -> bool {
        let word = &mut self.words[offset as usize / 64];
        let bit = 1 << (offset % 64);
        let was = *word & bit != 0;
        if member {
            *word |= bit;
        } else {
            *word &= !bit;
        }
        was != member
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Members, ascending.
    pub fn offsets(&self) -> impl Iterator<Item = u16> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some(index as u16 * 64 + bit as u16)
            })
        })
    }

    /// The row's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if self.len() <= SPARSE_MAX {
            self.offsets().flat_map(u16::to_be_bytes).collect()
        } else {
            self.words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect()
        }
    }

    /// Reads a row's value.
    ///
    /// # Errors
    /// When no chunk encodes to these bytes.
    pub fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut chunk = Self::default();
        if value.len() == DENSE_BYTES {
            let (words, _) = value.as_chunks::<8>();
            for (word, bytes) in chunk.words.iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
            return if chunk.len() > SPARSE_MAX {
                Ok(chunk)
            } else {
                Err("too few members")
            };
        }
        let (offsets, rest) = value.as_chunks::<2>();
        if offsets.is_empty() || offsets.len() > SPARSE_MAX || !rest.is_empty() {
            return Err("a chunk has the wrong length");
        }
        let mut previous = None;
        for bytes in offsets {
            let offset = u16::from_be_bytes(*bytes);
            if u32::from(offset) >= CHUNK_ORDINALS || previous >= Some(offset) {
                return Err("offsets out of order");
            }
            previous = Some(offset);
            chunk.set(offset, true);
        }
        Ok(chunk)
    }

    /// Adds the members of a row's value to `set`, as ordinals of chunk number `chunk`.
    ///
    /// # Errors
    /// When no chunk encodes to these bytes.
    pub fn union_into(set: &mut RoaringBitmap, chunk: u32, value: &[u8]) -> Result<(), Malformed> {
        let base = chunk
            .checked_mul(CHUNK_ORDINALS)
            .ok_or("the chunk number is too large")?;
        if value.len() == DENSE_BYTES {
            *set |= RoaringBitmap::from_lsb0_bytes(base, value);
        } else {
            let decoded = Self::decode(value)?;
            set.extend(decoded.offsets().map(|offset| base + u32::from(offset)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(members in prop::collection::btree_set(0..CHUNK_ORDINALS as u16, 1..600)) {
            let mut chunk = Chunk::default();
            for &member in &members {
                assert!(chunk.set(member, true));
                assert!(!chunk.set(member, true));
            }
            let encoded = chunk.encode();
            assert!(encoded.len() <= DENSE_BYTES);
            assert_eq!(Chunk::decode(&encoded).unwrap(), chunk);
            assert_eq!(chunk.offsets().collect::<BTreeSet<_>>(), members);
            let mut set = RoaringBitmap::new();
            Chunk::union_into(&mut set, 3, &encoded).unwrap();
            let expected: Vec<_> = members.iter().map(|&m| 3 * CHUNK_ORDINALS + u32::from(m)).collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn garbage_never_panics(value in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(chunk) = Chunk::decode(&value) {
                assert_eq!(chunk.encode(), value);
            }
        }
    }
}
