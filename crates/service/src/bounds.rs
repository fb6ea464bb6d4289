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
