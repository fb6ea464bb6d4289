use std::fmt;

use serde::{Deserialize, Serialize};

use super::Email;

/// Names a person: a hash of the e-mail address. Stands in every key of the person, in their cookies
/// and in their mails, so that nothing has to be looked up to find them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub(crate) [u8; Self::BYTES]);

impl PersonId {
    pub(crate) const BYTES: usize = 16;

    /// The person with this address.
    #[must_use]
    pub fn of(email: &Email) -> Self {
        let mut id = [0; Self::BYTES];
        let hash = blake3::hash(email.as_str().as_bytes());
        id.copy_from_slice(&hash.as_bytes()[..Self::BYTES]);
        Self(id)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
