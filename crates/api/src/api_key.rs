use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An API key without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its number in the account.
    pub id: u32,
    /// What people call it.
    pub name: String,
    /// Last characters of its text.
    pub hint: String,
    /// Name of its role.
    pub role: String,
    /// Only namespaces that begin with one of these; empty: all.
    pub prefixes: Vec<String>,
    /// Only from these addresses and networks; empty: from anywhere.
    pub addresses: Vec<String>,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it: `root`, `key:7`.
    pub created_by: String,
    /// When it ends, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Requests a second that it may send, if limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// When it was last used, milliseconds since 1970, to about a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
}

/// All keys of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyList {
    /// Keys, ascending by number.
    pub keys: Vec<ApiKey>,
}

/// A new key. It can do no more than the key that makes it; what is not said it inherits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What people call it, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// A built-in role or one of the account's own.
    #[schema(min_length = 1, max_length = 64, example = "developer")]
    pub role: String,
    /// Only namespaces that begin with one of these.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub prefixes: Vec<String>,
    /// Only from these addresses and networks, as `192.0.2.7` or `10.0.0.0/8`.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub addresses: Vec<String>,
    /// When it ends, milliseconds since 1970.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::whole"
    )]
    pub expires_at: Option<u64>,
    /// Requests a second that it may send, beside the rate of its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295_u64)]
    pub requests_per_second: Option<u32>,
}

/// What to change of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateApiKey {
    /// Another name, 1 to 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// Other addresses and networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub addresses: Option<Vec<String>>,
}

/// How to rotate a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateApiKey {
    /// Seconds that the text before still opens, up to 30 days; 0 if absent.
    #[schema(maximum = 2592000)]
    pub grace_seconds: u64,
}

/// A key with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedKey {
    /// The text, shown this once: keep it safe.
    pub key: String,
    /// The rest.
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// Until when the text before a rotation opens, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_until: Option<u64>,
}
