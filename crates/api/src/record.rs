use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{Metadata, Vector, bounded};

/// A record to store. It replaces the record with the same id as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Name of the record, 1 to 512 bytes.
    #[schema(min_length = 1, max_length = 512)]
    pub id: String,
    /// What nearest-neighbour queries compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// Filterable fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Text kept with the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The value that the key-value endpoints serve. A string is kept as `text/plain`, any other
    /// JSON as `application/json`, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// The value as base64, for bytes that are not JSON; not together with `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    )]
    pub value_base64: Option<String>,
    /// Content type of the value, if not the one its form implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, pattern = r"^[ -~]*[!-~][ -~]*$")]
    pub content_type: Option<String>,
    /// Seconds until the record disappears, 1 to ten years.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    #[schema(minimum = 1, maximum = 315360000)]
    pub ttl: Option<u64>,
    /// Write only if the stored record has this version; else nothing of the request is done.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    pub if_version: Option<u64>,
    /// Write only if there is no such record; else nothing of the request is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_absent: Option<bool>,
}

/// A record as it is stored, with the parts that were asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StoredRecord {
    /// Name of the record.
    pub id: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
    /// When the record disappears, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The vector, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// Filterable fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Text kept with the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The value, if it is JSON or UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// The value as base64, if it is neither JSON nor UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Content type of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// A page of records, by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RecordList {
    /// Records, ascending by the bytes of their id.
    pub records: Vec<StoredRecord>,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A record with a value, in a list of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyEntry {
    /// The key.
    pub id: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
    /// Bytes of the value.
    pub size: u64,
    /// Content type of the value.
    pub content_type: String,
    /// When the record disappears, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// Records with a value, ascending by the bytes of their key.
    pub records: Vec<KeyEntry>,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
