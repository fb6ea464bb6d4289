//! `Person`: who signs in with an e-mail address. One row, without which there is no such person.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{AccountId, person::StoredPassword};

/// The key.
#[must_use]
pub fn key() -> Vec<u8> {
    Kind::Person.key(&[])
}

/// What is kept of a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPerson {
    /// Their address, which they have proved to read.
    pub email: String,
    /// Since when, milliseconds since 1970.
    pub created_at: u64,
    /// Their password, if they have one.
    pub(crate) password: Option<StoredPassword>,
    /// Accounts that they are, or are about to become, a member of; those say whether it is so.
    pub accounts: Vec<AccountId>,
    /// Their second factor.
    pub(crate) totp: Option<StoredTotp>,
    /// Who they are at identity providers, one for each.
    pub(crate) identities: Vec<StoredIdentity>,
}

/// Who somebody is at an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredIdentity {
    /// The provider.
    pub(crate) issuer: String,
    /// What it calls them.
    pub(crate) subject: String,
}

/// A second factor: time-based codes (RFC 6238).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredTotp {
    pub(crate) secret: [u8; 20],
    /// Whether a first code has proved that the person has it.
    pub(crate) confirmed: bool,
    /// Step of the last code that was taken; no code of it or an earlier one is taken again.
    pub(crate) last_step: u64,
    /// Hashes of the codes for when the device is lost.
    pub(crate) recovery: Vec<[u8; 32]>,
}

impl std::fmt::Debug for StoredPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredPerson")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for StoredTotp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredTotp(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::person::PasswordCost;

    proptest! {
        #[test]
        fn round_trip(
            email in "[a-z]{1,9}@[a-z]{1,9}", created_at: u64, hash: Option<[u8; 32]>,
            accounts in prop::collection::vec(any::<[u8; 12]>(), 0..4),
            totp: Option<([u8; 20], bool, u64)>,
            identities in prop::collection::vec(("[a-z]{1,9}", ".{0,20}"), 0..3),
        ) {
            let cost = PasswordCost::EDGE;
            super::super::assert_round_trip(&StoredPerson {
                email,
                created_at,
                password: hash.map(|hash| StoredPassword { cost, salt: [1; 16], hash }),
                accounts: accounts.into_iter().map(AccountId::from_random).collect(),
                totp: totp.map(|(secret, confirmed, last_step)| StoredTotp {
                    secret, confirmed, last_step, recovery: vec![[2; 32]],
                }),
                identities: identities.into_iter()
                    .map(|(issuer, subject)| StoredIdentity { issuer, subject })
                    .collect(),
            });
        }
    }
}
