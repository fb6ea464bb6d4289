//! `ApiKey`: a key of the account, without its secret. Key: number `u32`.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::Network;

/// The key of the row.
#[must_use]
pub fn key(number: u32) -> Vec<u8> {
    Kind::ApiKey.key(&number.to_be_bytes())
}

/// What is kept of a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Keyed hash of the text.
    pub(crate) hash: [u8; 32],
    /// Public half of what signs the key's tokens.
    pub(crate) verifier: [u8; 32],
    /// Last characters of the text, to tell keys apart.
    pub hint: String,
    /// What people call it.
    pub name: String,
    /// Name of its role.
    pub role: String,
    /// Only namespaces that begin with one of these; empty: all.
    pub prefixes: Vec<String>,
    /// Only from these addresses; empty: from anywhere.
    pub networks: Vec<Network>,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it.
    pub created_by: String,
    /// When it ends, milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// Requests a second that it may send, if limited.
    pub requests_per_second: Option<u32>,
    /// When it was last used, milliseconds since 1970; noted now and then.
    pub last_used_at: u64,
    /// The text before the last rotation, which still opens until a time.
    pub(crate) former: Option<Former>,
}

/// What a key was before it was rotated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Former {
    pub(crate) hash: [u8; 32],
    pub(crate) verifier: [u8; 32],
    /// Milliseconds since 1970.
    pub(crate) until: u64,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            hash: [u8; 32], name in ".{0,20}", role in "[a-z]{1,9}",
            prefixes in prop::collection::vec("[a-z]{1,5}", 0..4),
            networks in prop::collection::vec((any::<u32>(), 0..33_u8), 0..4),
            times: [u64; 3], expires_at: Option<u64>, until: Option<u64>, rate: Option<u32>,
        ) {
            let networks = networks.into_iter().map(|(address, bits)| {
                format!("{}/{bits}", core::net::Ipv4Addr::from(address)).parse().unwrap()
            });
            super::super::assert_round_trip(&StoredKey {
                hash,
                verifier: hash,
                hint: "abcd".into(),
                name,
                role,
                prefixes,
                networks: networks.collect(),
                created_at: times[0],
                created_by: "key:1".into(),
                expires_at,
                requests_per_second: rate,
                last_used_at: times[1],
                former: until.map(|until| Former { hash, verifier: hash, until }),
            });
        }
    }
}
