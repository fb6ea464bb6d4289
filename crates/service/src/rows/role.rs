//! `Role`: a role of the account's own. Key: name.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::Permissions;

/// The key.
#[must_use]
pub fn key(name: &str) -> Vec<u8> {
    Kind::Role.key(name.as_bytes())
}

/// What the role may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRole {
    /// Permissions; bit *n* is the permission of number *n*.
    pub permissions: Permissions,
    /// What it is for.
    pub description: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Permission;

    proptest! {
        #[test]
        fn round_trip(
            permissions in prop::sample::subsequence(Permission::ALL, 0..5),
            description in ".{0,20}",
        ) {
            let permissions = permissions.into_iter().collect();
            super::super::assert_round_trip(&StoredRole { permissions, description });
        }
    }
}
