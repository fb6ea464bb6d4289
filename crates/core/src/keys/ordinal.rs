//! `Ordinal`: which record has an ordinal. Key: ordinal `u32`. Value: the id.
//!
//! Every record has an ordinal, the lowest free one at its creation, by which sets and vectors name it.

use super::Kind;

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Ordinal.key(&[&ordinal.to_be_bytes()])
}
