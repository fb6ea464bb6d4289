//! The wire format of the HTTP API: bodies, limits, error codes, headers.
//!
//! Everything here is a plain value with serde and OpenAPI derives. The server and the client
//! library share these types, so they cannot disagree.

mod bounded;
mod error;
mod header;
mod limits;
mod metadata;
mod namespace;
mod query;
mod record;
mod vector;
mod write;

pub use self::{
    error::{ErrorCode, Problem},
    header::{
        DURABILITY, Durability, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, MIN_VERSION, REQUEST_ID,
        VERSION,
    },
    limits::{Limits, MAX},
    metadata::{Metadata, MetadataValue},
    namespace::{
        IndexedFields, Metric, Namespace, NamespaceConfig, NamespaceList, NamespaceSummary,
    },
    query::{
        Explanation, FetchRequest, FetchResponse, Include, ListRequest, Match, Plan, PlanKind,
        QueryRequest, QueryResponse,
    },
    record::{KeyEntry, KeyList, Record, RecordList, StoredRecord},
    vector::Vector,
    write::{
        BatchOperation, BatchRequest, BatchResponse, DeleteRequest, DeleteResponse, ImportResponse,
        OperationKind, OperationResult, UpdateRequest, UpdateResponse, UpsertRequest,
        UpsertResponse,
    },
};
