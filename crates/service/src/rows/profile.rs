//! `Profile`: what an account is. One row, without which the account does not exist.

use serde::{Deserialize, Serialize};

use super::Kind;

/// The key.
#[must_use]
pub fn key() -> Vec<u8> {
    Kind::Profile.key(&[])
}

/// What an account is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What people call it.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
    /// Name of its plan in the catalogue.
    pub plan: String,
    /// Why it is suspended, if it is.
    pub suspended: Option<String>,
    /// The most a month may cost, in millionths of a dollar.
    pub budget_micros: Option<u64>,
    /// Random; the hashes of the account's keys are made with it.
    pub(crate) pepper: [u8; 32],
    /// Number of the next API key.
    pub(crate) next_key: u32,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("name", &self.name)
            .field("plan", &self.plan)
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
            name in ".{0,20}", created_at: u64, plan in "[a-z]{1,9}",
            suspended in prop::option::of(".{0,20}"), pepper: [u8; 32], next_key: u32,
            budget_micros: Option<u64>,
        ) {
            super::super::assert_round_trip(&Profile {
                name, created_at, plan, suspended, budget_micros, pepper, next_key,
            });
        }
    }
}
