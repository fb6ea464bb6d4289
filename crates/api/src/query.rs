use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::{Metadata, StoredRecord, Vector, bounded};

/// A part of a record that an answer can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Filterable fields.
    Metadata,
    /// Text kept with the record.
    Text,
    /// The value and its content type.
    Value,
    /// The vector.
    Vector,
}

/// A nearest-neighbour query: by `vector`, or by the vector of the record `id` (which is left out
/// of its own answer).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// The vector to look near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// The record to look near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 512)]
    pub id: Option<String>,
    /// Most matches, 1 to 10,000; 10 if absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    #[schema(minimum = 1, maximum = 10000, default = 10)]
    pub top_k: Option<usize>,
    /// Only records whose metadata match: `{"price": {"$lt": 10}, "tag": "new"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Box<RawValue>>,
    /// Parts of each match to send along; none if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Include>,
    /// Compare every candidate with full precision. Not with `recall` or `probes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The share of the true matches to find on average, 0.90 to 0.999; 0.95 if absent. More costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.9, maximum = 0.999, default = 0.95)]
    pub recall: Option<f32>,
    /// Scan this many clusters of the index instead, 1 to 100,000: for experts. Not with `recall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub probes: Option<usize>,
    /// Say what was done to find the matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<bool>,
}

/// A record near the query.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Match {
    /// Name of the record.
    pub id: String,
    /// Similarity for cosine and dot (higher is nearer), distance for euclidean (lower is nearer).
    pub score: f32,
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
    /// The vector, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
}

/// How a query was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Every vector was compared.
    Scan,
    /// The filter chose the candidates and each of them was compared.
    FilterFirst,
    /// The clusters nearest to the query were scanned.
    Clusters,
}

/// What a query did to find its matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The plan that ran.
    pub kind: PlanKind,
    /// Whether the matches are the true nearest neighbours.
    pub exact: bool,
    /// Vectors looked at, in whatever precision came first.
    pub scanned: u64,
    /// The recall that was aimed at, if the matches may not be the true nearest neighbours and
    /// `probes` did not say how hard to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f32>,
}

/// What a query did, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Searches for vectors of the namespace itself that tell how much to do for a recall. They are done when there is
    /// time; until then, what held for other data is believed.
    pub calibration: u64,
    /// Clusters of the index.
    pub clusters: u64,
    /// Clusters scanned.
    pub probes: u64,
    /// Vectors looked at, in whatever precision came first.
    pub scanned: u64,
    /// Vectors compared in eight bits a component.
    pub refined: u64,
    /// Vectors compared in full precision.
    pub reranked: u64,
    /// Time it took, in microseconds.
    pub micros: u64,
}

/// Matches, best first; equal scores ascend by id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryResponse {
    /// Best first.
    pub matches: Vec<Match>,
    /// The namespace version that was searched.
    pub version: u64,
    /// What was done to find them.
    pub plan: Plan,
    /// The same in numbers, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// Records by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// Up to 1,000 ids.
    #[serde(deserialize_with = "bounded::list")]
    #[schema(max_items = 1000)]
    pub ids: Vec<String>,
    /// Parts of each record to send along; metadata if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<Include>>,
}

/// Records in the order of the ids asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct FetchResponse {
    /// The records that are there.
    pub records: Vec<StoredRecord>,
    /// The ids that are not.
    pub missing: Vec<String>,
    /// The namespace version that was read.
    pub version: u64,
}

/// Which part of a list to send.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRequest {
    /// Only ids that start with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub prefix: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Most entries in the page, 1 to 1,000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Parts of each record to send along, separated by commas: `metadata` (the default), `text`,
    /// `value`, `vector`. Not for lists of keys or namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(
        pattern = "^ *(metadata|text|value|vector)?( *, *(metadata|text|value|vector)?)* *$",
        example = "metadata,value"
    )]
    pub include: Option<String>,
}
