use quartz_core::store::StoreError;

use crate::Permission;

/// Why an account did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing of this name.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// What it was called.
        name: String,
    },
    /// It cannot be done in the present state.
    #[error("{0}")]
    Conflict(String),
    /// It would give away more than the caller has.
    #[error("{reason}")]
    Escalation {
        /// The permission that is not the caller's to give, if it is one.
        permission: Option<Permission>,
        /// What was asked for.
        reason: String,
    },
    /// An account has as many of these as it may.
    #[error("an account has at most {most} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
