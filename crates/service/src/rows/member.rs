//! `Member`: a person in the account. Key: number `u32`, of the same sequence as those of API keys.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::PersonId;

/// The key.
#[must_use]
pub fn key(number: u32) -> Vec<u8> {
    Kind::Member.key(&number.to_be_bytes())
}

/// What is kept of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMember {
    /// Who it is.
    pub person: PersonId,
    /// Their address.
    pub email: String,
    /// Name of their role.
    pub role: String,
    /// Since when, milliseconds since 1970.
    pub since: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(person: [u8; 16], email in ".{0,20}", role in "[a-z]{1,9}", since: u64) {
            let member = StoredMember { person: PersonId(person), email, role, since };
            super::super::assert_round_trip(&member);
        }
    }
}
