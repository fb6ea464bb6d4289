//! `Invitation`: somebody who may become a member. Key: number `u32`, which the member will keep.

use serde::{Deserialize, Serialize};

use super::Kind;

/// The key.
#[must_use]
pub fn key(number: u32) -> Vec<u8> {
    Kind::Invitation.key(&number.to_be_bytes())
}

/// What is kept of an invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredInvitation {
    /// Address that it was sent to.
    pub email: String,
    /// Name of the role that it gives.
    pub role: String,
    /// Hash of its token.
    pub(crate) hash: [u8; 32],
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it.
    pub created_by: String,
    /// When it ends, milliseconds since 1970.
    pub expires_at: u64,
}

impl std::fmt::Debug for StoredInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredInvitation")
            .field("email", &self.email)
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
            email in ".{0,20}", role in "[a-z]{1,9}", hash: [u8; 32], times: [u64; 2],
        ) {
            super::super::assert_round_trip(&StoredInvitation {
                email,
                role,
                hash,
                created_at: times[0],
                created_by: "key:1".into(),
                expires_at: times[1],
            });
        }
    }
}
