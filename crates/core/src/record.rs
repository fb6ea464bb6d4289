//! The record: what a namespace keeps under an id.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A record, or the parts of it that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Name, 1 byte or longer.
    pub id: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
    /// When it disappears, milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// What the key-value face serves.
    pub value: Option<Value>,
    /// Text kept with the record.
    pub text: Option<String>,
    /// Filterable fields.
    pub metadata: Metadata,
    /// What nearest-neighbour queries compare.
    pub vector: Option<Vec<f32>>,
}

/// Bytes with their media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Media type, at most 255 bytes.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// Fields by name.
pub type Metadata = BTreeMap<String, Field>;

/// The value of a metadata field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// `true` or `false`.
    Bool(bool),
    /// Finite, and never -0.0.
    Number(f64),
    /// A string.
    String(String),
    /// A list of strings.
    Strings(Vec<String>),
}

/// Which parts of a record to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Filterable fields.
    pub metadata: bool,
    /// Text.
    pub text: bool,
    /// Value with content type.
    pub value: bool,
    /// Vector.
    pub vector: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Self = Self {
        metadata: true,
        text: true,
        value: true,
        vector: true,
    };
    /// Id, version and expiry only.
    pub const NONE: Self = Self {
        metadata: false,
        text: false,
        value: false,
        vector: false,
    };
}

impl Record {
    /// Whether the record has disappeared by `now_millis`.
    #[must_use]
    pub fn is_expired(&self, now_millis: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now_millis)
    }
}
