use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its number, from 1 without gaps.
    pub sequence: u64,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who: account and key, as `acme/key:7`.
    pub actor: String,
    /// What: `key.create`.
    pub action: String,
    /// To what: `key:8`.
    pub target: String,
    /// `done`, or the code of the refusal.
    pub outcome: String,
    /// More about it.
    pub detail: String,
    /// From where; empty if not known.
    pub address: String,
    /// The request that asked for it.
    pub request_id: String,
    /// Hash of the entry before in hexadecimal; zeros for the first.
    pub previous: String,
}

/// A page of the audit log, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// Entries, ascending by number.
    pub entries: Vec<AuditEntry>,
    /// Number of the last entry of the log.
    pub head_sequence: u64,
    /// Hash of the last entry of the log in hexadecimal.
    pub head_hash: String,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
