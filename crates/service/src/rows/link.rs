//! `Link`: what a token that was sent by mail is good for, once. Key: hash of the token.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{AccountId, person::StoredPassword};

/// The key.
#[must_use]
pub(crate) fn key(hash: &[u8; 32]) -> Vec<u8> {
    Kind::Link.key(hash)
}

/// What is kept of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredLink {
    pub(crate) purpose: Purpose,
    /// Milliseconds since 1970.
    pub(crate) expires_at: u64,
}

/// What a link does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Proves the address of somebody who signs up, and founds their account.
    SignUp {
        email: String,
        /// Chosen before, so that a second attempt founds the same one.
        account: AccountId,
        account_name: String,
        password: StoredPassword,
    },
    /// Sets a new password.
    Reset,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::person::PasswordCost;

    proptest! {
        #[test]
        fn round_trip(account: [u8; 12], account_name in ".{0,20}", expires_at: u64, up: bool) {
            let password = StoredPassword {
                cost: PasswordCost::SERVER,
                salt: [3; 16],
                hash: [4; 32],
            };
            let account = AccountId::from_random(account);
            let purpose = match up {
                true => Purpose::SignUp {
                    email: "a@b".into(), account, account_name, password,
                },
                false => Purpose::Reset,
            };
            super::super::assert_round_trip(&StoredLink { purpose, expires_at });
        }
    }
}
