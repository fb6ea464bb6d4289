//! `Idempotency`: the answer to a write that carried an idempotency key. Key: the client's key.
//! Value: digest of the request, 16 bytes; expiry in milliseconds since 1970 `u64`; version `u64`; `next`
//! plus one as `u64`, 0 for none; one byte an outcome.
//! `IdempotencyExpiry`: key: expiry `u64`, the client's key; value: empty.

use bytes::Bytes;

use super::{
    Kind,
    codec::{Malformed, Reader},
};
use crate::namespace::{Outcome, Written};

/// How long an answer is kept, in milliseconds.
pub const KEPT_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Digest of the request.
    pub fingerprint: [u8; 16],
    /// When the answer is forgotten, milliseconds since 1970.
    pub expires_at: u64,
    /// The answer.
    pub written: Written,
}

/// The key of the answer.
#[must_use]
pub fn key(client_key: &str) -> Vec<u8> {
    Kind::Idempotency.key(&[client_key.as_bytes()])
}

/// The key of the expiry row.
#[must_use]
pub fn expiry_key(at: u64, client_key: &str) -> Vec<u8> {
    Kind::IdempotencyExpiry.key(&[&at.to_be_bytes(), client_key.as_bytes()])
}

/// Start and end of the expiry rows due by `now`.
#[must_use]
pub fn due(now: u64) -> (Vec<u8>, Vec<u8>) {
    let end = now.saturating_add(1).to_be_bytes();
    (
        Kind::IdempotencyExpiry.key(&[]),
        Kind::IdempotencyExpiry.key(&[&end]),
    )
}

impl Entry {
    /// The value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = self.fingerprint.to_vec();
        value.extend(self.expires_at.to_be_bytes());
        value.extend(self.written.version.to_be_bytes());
        value.extend(
            self.written
                .next
                .map_or(0, |next| u64::from(next) + 1)
                .to_be_bytes(),
        );
        value.extend(self.written.outcomes.iter().map(|&outcome| outcome as u8));
        value
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When no entry encodes to these bytes.
    pub fn decode(value: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let fingerprint = reader.array()?;
        let expires_at = reader.u64()?;
        let version = reader.u64()?;
        let next = match reader.u64()? {
            0 => None,
            next => Some(u32::try_from(next - 1).map_err(|_| "the position is too large")?),
        };
        let outcomes = reader.bytes(reader.remaining())?;
        let outcomes = outcomes
            .iter()
            .map(|&byte| outcome(byte))
            .collect::<Result<_, _>>()?;
        let written = Written {
            version,
            outcomes,
            next,
            replayed: true,
            units: 0,
        };
        Ok(Self {
            fingerprint,
            expires_at,
            written,
        })
    }
}

fn outcome(byte: u8) -> Result<Outcome, Malformed> {
    Ok(match byte {
        0 => Outcome::Checked,
        1 => Outcome::Created,
        2 => Outcome::Updated,
        3 => Outcome::Deleted,
        4 => Outcome::Missing,
        5 => Outcome::Skipped,
        _ => return Err("an outcome is unknown"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            fingerprint in any::<[u8; 16]>(),
            (expires_at, version) in any::<(u64, u64)>(),
            next in any::<Option<u32>>(),
            bytes in prop::collection::vec(0..6_u8, 0..9),
        ) {
            let outcomes = bytes.into_iter().map(|byte| outcome(byte).unwrap()).collect();
            let written = Written { version, outcomes, next, replayed: true, units: 0 };
            let entry = Entry { fingerprint, expires_at, written };
            assert_eq!(Entry::decode(entry.encode().into()).unwrap(), entry);
        }
    }
}
