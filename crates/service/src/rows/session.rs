//! `Session`: a person who is signed in at a browser. Key: hash of the cookie's value.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::AccountId;

/// The key.
#[must_use]
pub fn key(hash: &[u8; 32]) -> Vec<u8> {
    Kind::Session.key(hash)
}

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The account that it acts in.
    pub account: AccountId,
    /// When the person signed in, milliseconds since 1970.
    pub created_at: u64,
    /// When it was used last, to some minutes.
    pub seen_at: u64,
    /// From where the person signed in, if known.
    pub address: String,
    /// Whether an identity provider has said who it is. Such a session acts in no other account.
    pub by_provider: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            account: [u8; 12], created_at: u64, seen_at: u64, address in ".{0,20}", by_provider: bool,
        ) {
            let account = AccountId::from_random(account);
            let session = StoredSession { account, created_at, seen_at, address, by_provider };
            super::super::assert_round_trip(&session);
        }
    }
}
