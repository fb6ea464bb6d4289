//! `Enrolled`: an account that lives elsewhere. Key: its id, padded with zeros to 16 bytes.

use serde::{Deserialize, Serialize};

use super::ROLL;
use crate::AccountId;

/// The key of the row.
#[must_use]
pub fn key(account: AccountId) -> Vec<u8> {
    [ROLL, account.as_bytes()].concat()
}

/// How far an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is being created; perhaps nobody has come to it.
    Coming,
    /// It is there.
    There,
    /// It is being closed.
    Closing,
}

/// An account in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEnrolment {
    /// How far it is.
    pub stage: Stage,
    /// Since when, milliseconds since 1970.
    pub since: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(stage in 0..3, since: u64) {
            let stages = [Stage::Coming, Stage::There, Stage::Closing];
            let stage = stages[stage as usize];
            super::super::assert_round_trip(&StoredEnrolment { stage, since });
        }
    }
}
