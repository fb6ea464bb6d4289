//! `Value`: a value too large for its record row. Key: ordinal `u32`. Value: the bytes.

use super::Kind;

/// Values up to this many bytes live in their record row, so that reading a small value is one
/// look-up and listing records does not read large ones.
pub const INLINE_MAX: usize = 4096;

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Value.key(&[&ordinal.to_be_bytes()])
}
