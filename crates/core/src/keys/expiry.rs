//! `Expiry`: when records disappear. Key: milliseconds since 1970 `u64`, ordinal `u32`. Value: empty.

use super::Kind;

/// The key.
#[must_use]
pub fn key(at: u64, ordinal: u32) -> Vec<u8> {
    Kind::Expiry.key(&[&at.to_be_bytes(), &ordinal.to_be_bytes()])
}

/// Start and end of the rows that have expired by `now`.
#[must_use]
pub fn due(now: u64) -> (Vec<u8>, Vec<u8>) {
    let end = now.saturating_add(1).to_be_bytes();
    (Kind::Expiry.key(&[]), Kind::Expiry.key(&[&end]))
}

/// The time in the key of an `Expiry` or `IdempotencyExpiry` row.
#[must_use]
pub fn at(key: &[u8]) -> Option<u64> {
    key.get(1..)?
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}
