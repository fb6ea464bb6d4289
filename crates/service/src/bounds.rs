use crate::error::{Error, Result};

/// How many of each an account may have. All of them are listed in one answer and kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// API keys.
    pub api_keys: usize,
    /// Roles of its own.
    pub roles: usize,
    /// Members.
    pub members: usize,
    /// Invitations that are open at the same time.
    pub invitations: usize,
    /// Webhooks.
    pub webhooks: usize,
}

/// Refuses one more where there are `most` already; `limit` is the bound's name in answers.
pub(crate) const fn room(
    there: usize,
    most: usize,
    what: &'static str,
    limit: &'static str,
) -> Result<()> {
    if there < most {
        return Ok(());
    }
    Err(Error::TooMany { what, limit, most })
}
