use serde::{Deserialize, Serialize};

/// The largest request the server takes. Every field can be configured downward, never upward.
///
/// A request over a limit gets 400 `limit_exceeded` (413 `body_too_large` for bodies) with the
/// limit's name and value in the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Request body in bytes, except streamed imports.
    pub body_bytes: usize,
    /// Value of one record in bytes.
    pub value_bytes: usize,
    /// Text of one record in bytes.
    pub text_bytes: usize,
    /// Record id (and KV key) in bytes of UTF-8.
    pub id_bytes: usize,
    /// Content type of a value in bytes.
    pub content_type_bytes: usize,
    /// Metadata of one record in bytes, names and values.
    pub metadata_bytes: usize,
    /// Fields in the metadata of one record.
    pub metadata_fields: usize,
    /// Name of a metadata field in bytes.
    pub field_name_bytes: usize,
    /// Strings in one metadata list.
    pub list_items: usize,
    /// Components of a vector.
    pub dimension: usize,
    /// Records in one upsert, ids in one fetch or delete, operations in one batch.
    pub records_per_request: usize,
    /// Matches of one query.
    pub top_k: usize,
    /// Clusters that one query may ask to scan.
    pub probes: usize,
    /// Records in one page of a list.
    pub page_records: usize,
    /// Filter as JSON in bytes.
    pub filter_bytes: usize,
    /// Nesting of a filter.
    pub filter_depth: usize,
    /// Values in one `$in` or `$nin`.
    pub filter_list_items: usize,
    /// Time to live in seconds.
    pub ttl_seconds: u64,
    /// Namespace name in bytes.
    pub namespace_name_bytes: usize,
    /// Idempotency key in bytes.
    pub idempotency_key_bytes: usize,
    /// One line of a streamed import in bytes.
    pub import_line_bytes: usize,
    /// Name of an account or key in bytes.
    pub label_bytes: usize,
    /// Description of a role, or reason of a suspension, in bytes.
    pub description_bytes: usize,
    /// Name of a role in bytes.
    pub role_name_bytes: usize,
    /// Namespace prefixes, and addresses, of one API key.
    pub key_scopes: usize,
    /// Seconds that a rotated key still opens, or a rotated secret still signs.
    pub rotation_grace_seconds: u64,
    /// Minutes that an operator looks into an account.
    pub impersonation_minutes: u32,
    /// URL of a webhook in bytes.
    pub webhook_url_bytes: usize,
    /// Body of a request that needs no credential, a login for instance, in bytes.
    pub open_body_bytes: usize,
    /// Password in bytes.
    pub password_bytes: usize,
    /// E-mail address in bytes.
    pub email_bytes: usize,
    /// Path that a single sign-on leads back to in bytes.
    pub return_to_bytes: usize,
    /// What an identity provider sends along with a browser in bytes, each of it.
    pub sso_answer_bytes: usize,
    /// Partitions of a namespace.
    pub partitions: u16,
    /// API keys of an account.
    pub api_keys: usize,
    /// Roles of an account's own.
    pub roles: usize,
    /// Members of an account.
    pub members: usize,
    /// Invitations of an account that are open at the same time.
    pub invitations: usize,
    /// Webhooks of an account.
    pub webhooks: usize,
}

/// The limits of an unconfigured server, and the ceiling of every configuration.
pub const MAX: Limits = Limits {
    body_bytes: 32 << 20,
    value_bytes: 1 << 20,
    text_bytes: 1 << 20,
    id_bytes: 512,
    content_type_bytes: 255,
    metadata_bytes: 40 << 10,
    metadata_fields: 256,
    field_name_bytes: 128,
    list_items: 1_000,
    dimension: 16_384,
    records_per_request: 1_000,
    top_k: 10_000,
    probes: 100_000,
    page_records: 1_000,
    filter_bytes: 16 << 10,
    filter_depth: 16,
    filter_list_items: 1_000,
    ttl_seconds: 10 * 365 * 24 * 60 * 60,
    namespace_name_bytes: 128,
    idempotency_key_bytes: 255,
    import_line_bytes: 4 << 20,
    label_bytes: 128,
    description_bytes: 512,
    role_name_bytes: 64,
    key_scopes: 100,
    rotation_grace_seconds: 30 * 24 * 60 * 60,
    impersonation_minutes: 60,
    webhook_url_bytes: 2048,
    open_body_bytes: 16 << 10,
    password_bytes: 256,
    email_bytes: 254,
    // In a cookie, which browsers keep up to 4 KiB.
    return_to_bytes: 1024,
    sso_answer_bytes: 4096,
    // At the edge each is a request of its own, and a Worker may make 50 for one of its own.
    partitions: 32,
    api_keys: 1_000,
    roles: 100,
    members: 1_000,
    invitations: 100,
    webhooks: 16,
};

// A record at its limits fits in a request, a page and an import line.
const _: () = assert!(2 * (MAX.value_bytes + MAX.text_bytes) + MAX.metadata_bytes < MAX.body_bytes);
const _: () = assert!(MAX.dimension * 16 < MAX.import_line_bytes);
const _: () = assert!(MAX.filter_bytes < MAX.body_bytes);

impl Default for Limits {
    fn default() -> Self {
        MAX
    }
}

impl Limits {
    /// The first limit above its ceiling in [`MAX`], with that ceiling: a configuration to refuse.
    #[must_use]
    pub fn raised(&self) -> Option<(String, u64)> {
        let numbers = |limits: &Self| match serde_json::to_value(limits) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let ceilings = numbers(&MAX);
        numbers(self).into_iter().find_map(|(name, limit)| {
            let ceiling = ceilings.get(&name)?.as_u64()?;
            (limit.as_u64()? > ceiling).then_some((name, ceiling))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_downward_only() {
        assert_eq!(MAX.raised(), None);
        assert_eq!(Limits { top_k: 5, ..MAX }.raised(), None);
        let raised = Limits {
            value_bytes: MAX.value_bytes + 1,
            ..MAX
        };
        assert_eq!(raised.raised(), Some(("value_bytes".to_owned(), 1 << 20)));
    }
}
