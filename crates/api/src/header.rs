use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// On every namespace response: the namespace version the answer saw or made.
pub const VERSION: &str = "quartz-version";
/// On reads: answer only from this version or a later one, else 412.
pub const MIN_VERSION: &str = "quartz-min-version";
/// On writes: `disk` (default) or `memory`, see [`Durability`].
pub const DURABILITY: &str = "quartz-durability";
/// On every response; taken from the request if it sends a usable one.
pub const REQUEST_ID: &str = "x-request-id";
/// On writes: a repeat with the same key and body gets the first answer again, for 24 hours.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// `true` on an answer that an earlier request with the same idempotency key produced.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// On answers that a plan has a price for: what they used, as `read_units=2`. `/v1/usage` adds it up.
pub const USAGE: &str = "quartz-usage";
/// On every answer to an account with a rate: the rate.
pub const RATE_LIMIT_POLICY: &str = "ratelimit-policy";
/// On every answer to an account with a rate: what is left of it.
pub const RATE_LIMIT: &str = "ratelimit";

/// On requests of a session that change something: the session's CSRF token.
pub const CSRF: &str = "quartz-csrf";

/// What a write promises before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Synced to stable storage.
    #[default]
    Disk,
    /// Visible at once, synced with a later write; a crash may lose it.
    Memory,
}
