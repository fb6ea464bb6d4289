//! `Set`: ordinals of all records and of those with a vector, in chunks.
//! Key: which set `u8`, chunk `u32`. Value: a [`chunk`](super::chunk).

use super::Kind;

/// A set that every namespace keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Set {
    /// Every record.
    Records = 0,
    /// Records with a vector.
    Vectors = 1,
}

/// The key up to the chunk number.
#[must_use]
pub fn prefix(set: Set) -> Vec<u8> {
    Kind::Set.key(&[&[set as u8]])
}
