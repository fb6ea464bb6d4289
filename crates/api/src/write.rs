use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{Metadata, Record, Vector, bounded};

/// Records to store in one atomic commit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpsertRequest {
    /// Up to 1,000 records.
    #[serde(deserialize_with = "bounded::list")]
    #[schema(max_items = 1000)]
    pub records: Vec<Record>,
    /// Replace an existing record only if its stored metadata match this filter; a record whose
    /// stored version does not match is skipped, a new one is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub condition: Option<Box<RawValue>>,
}

/// What an upsert did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpsertResponse {
    /// Records written.
    pub upserted: u64,
    /// Records left as they were because of `condition`.
    pub skipped: u64,
    /// The version all of them have.
    pub version: u64,
}

/// A change of one record (`id`) or of every record that matches `filter`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRequest {
    /// The record to change; 404 if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 512)]
    pub id: Option<String>,
    /// The records to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Box<RawValue>>,
    /// Merge patch (RFC 7396): fields given are set, fields given as `null` are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// New vector; only with `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// New text; only with `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// New value; only with `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// New value as base64; only with `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    )]
    pub value_base64: Option<String>,
    /// Content type of the new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, pattern = r"^[ -~]*[!-~][ -~]*$")]
    pub content_type: Option<String>,
    /// Seconds until the record disappears, counted from now; absent leaves the expiry as it is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    #[schema(minimum = 1, maximum = 315360000)]
    pub ttl: Option<u64>,
    /// Change only if the stored record has this version; only with `id`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    pub if_version: Option<u64>,
}

/// What an update did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpdateResponse {
    /// Records changed.
    pub updated: u64,
    /// Number of the last commit of this update.
    pub version: u64,
}

/// Which records to delete: exactly one of `ids`, `filter` and `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRequest {
    /// Up to 1,000 ids; those that are not there are passed over.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::optional_list"
    )]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<String>>,
    /// Every record that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Box<RawValue>>,
    /// `true`: every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// `true`: count only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// What a delete did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeleteResponse {
    /// Records deleted; with `dry_run`, records that would be.
    pub deleted: u64,
    /// Whether nothing was changed because only a count was asked for.
    pub dry_run: bool,
    /// Number of the last commit of this delete.
    pub version: u64,
}

/// What an operation of a batch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Nothing but check `if_version` or `if_absent`.
    #[default]
    Check,
    /// Delete the record; it need not be there.
    Delete,
    /// Set the value, as `PUT …/kv/{key}` does: vector, text and metadata stay.
    Put,
    /// Change the parts that are given; the record must be there.
    Update,
    /// Store the record as a whole.
    Upsert,
}

/// One operation of a batch. Which parts it may carry depends on `op`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchOperation {
    /// What to do.
    pub op: OperationKind,
    /// The record.
    #[schema(min_length = 1, max_length = 512)]
    pub id: String,
    /// `upsert`, `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// `upsert`; a merge patch in `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// `upsert`, `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `put`, `upsert`, `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// `put`, `upsert`, `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    )]
    pub value_base64: Option<String>,
    /// `put`, `upsert`, `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, pattern = r"^[ -~]*[!-~][ -~]*$")]
    pub content_type: Option<String>,
    /// `put`, `upsert`, `update`: seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    #[schema(minimum = 1, maximum = 315360000)]
    pub ttl: Option<u64>,
    /// The record must have this version.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    pub if_version: Option<u64>,
    /// `true`: the record must not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_absent: Option<bool>,
}

/// Operations that are done together, in order, or not at all. A later operation sees the effect
/// of an earlier one; a record written twice has the version of the batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Up to 1,000 operations.
    #[serde(deserialize_with = "bounded::list")]
    #[schema(max_items = 1000)]
    pub operations: Vec<BatchOperation>,
}

/// What one operation of a batch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationResult {
    /// The conditions held.
    Checked,
    /// The record is new.
    Created,
    /// The record is gone.
    Deleted,
    /// There was no such record to delete.
    Missing,
    /// The record was there and has changed.
    Updated,
}

/// What a batch did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchResponse {
    /// One result an operation, in order.
    pub results: Vec<OperationResult>,
    /// The version of every record the batch wrote.
    pub version: u64,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportResponse {
    /// Records written.
    pub imported: u64,
    /// Number of the last commit of this import.
    pub version: u64,
}
