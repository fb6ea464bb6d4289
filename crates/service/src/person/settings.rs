use super::PasswordCost;

const HOUR_MILLIS: u64 = 60 * 60 * 1000;

/// How people get in.
#[derive(Clone, Debug)]
pub struct PeopleSettings {
    /// Whether strangers may make accounts of their own. It takes mail.
    pub sign_up: bool,
    /// Where browsers reach the server, without a slash at the end; empty if nobody has said.
    pub public_url: String,
    /// What a new password's hash costs.
    pub password_cost: PasswordCost,
    /// A session ends when it was not used for so long.
    pub session_idle_millis: u64,
    /// A session ends so long after its login.
    pub session_life_millis: u64,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            sign_up: false,
            public_url: String::new(),
            password_cost: PasswordCost::SERVER,
            session_idle_millis: 24 * HOUR_MILLIS,
            session_life_millis: 30 * 24 * HOUR_MILLIS,
        }
    }
}

impl PeopleSettings {
    /// Whether browsers come over TLS, so that cookies can insist on it: what the operator has said, or else how
    /// this one has come.
    #[must_use]
    pub fn is_secure(&self, came_over_tls: bool) -> bool {
        match self.public_url.as_str() {
            "" => came_over_tls,
            url => url.starts_with("https://"),
        }
    }
}
