use std::time::Duration;

use quartz_api::{
    BatchRequest, BatchResponse, DeleteRequest, DeleteResponse, FetchRequest, FetchResponse,
    Include, Metadata, QueryRequest, QueryResponse, UpdateRequest, UpdateResponse, UpsertRequest,
    UpsertResponse, Vector,
};
use serde::Serialize;

use crate::{Read, Write};

/// A nearest-neighbour query, from [`Namespace::query`](crate::Namespace::query).
pub type Query = Read<QueryRequest, QueryResponse>;
/// Records by id, from [`Namespace::fetch`](crate::Namespace::fetch).
pub type Fetch = Read<FetchRequest, FetchResponse>;
/// Records to store, from [`Namespace::upsert`](crate::Namespace::upsert).
pub type Upsert = Write<UpsertRequest, UpsertResponse>;
/// A change of records, from [`Namespace::update`](crate::Namespace::update).
pub type Update = Write<UpdateRequest, UpdateResponse>;
/// Records to delete, from [`Namespace::delete`](crate::Namespace::delete).
pub type Delete = Write<DeleteRequest, DeleteResponse>;
/// Operations done together, from [`Namespace::batch`](crate::Namespace::batch).
pub type Batch = Write<BatchRequest, BatchResponse>;

impl Query {
    /// Look near this vector.
    pub fn vector(mut self, vector: impl Into<Vector>) -> Self {
        self.body.vector = Some(vector.into().into_base64());
        self
    }

    /// Look near the record with this id; it is left out of the answer.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.body.id = Some(id.into());
        self
    }

    /// Most matches, 1 to 10,000; 10 if not said.
    pub fn top_k(mut self, matches: usize) -> Self {
        self.body.top_k = Some(matches);
        self
    }

    /// Only records whose metadata match, e.g. `json!({"price": {"$lt": 10}, "tag": "new"})`.
    pub fn filter(mut self, filter: impl Serialize) -> Self {
        self.body.filter = self.call.raw(&filter);
        self
    }

    /// Parts of each match to send along; none if not said.
    pub fn include(mut self, parts: impl IntoIterator<Item = Include>) -> Self {
        self.body.include = parts.into_iter().collect();
        self
    }

    /// Compare every candidate with full precision.
    pub fn exact(mut self) -> Self {
        self.body.exact = Some(true);
        self
    }

    /// The share of the true matches to find on average, 0.90 to 0.999; 0.95 if not said.
    pub fn recall(mut self, recall: f32) -> Self {
        self.body.recall = Some(recall);
        self
    }

    /// Scan this many clusters of the index, instead of aiming at a recall.
    pub fn probes(mut self, probes: usize) -> Self {
        self.body.probes = Some(probes);
        self
    }

    /// Say what was done to find the matches.
    pub fn explain(mut self) -> Self {
        self.body.explain = Some(true);
        self
    }

    /// The whole request at once, in place of what was set before.
    pub fn request(mut self, mut request: QueryRequest) -> Self {
        request.vector = request.vector.map(Vector::into_base64);
        self.body = request;
        self
    }
}

impl Fetch {
    /// Parts of each record to send along; metadata if not said.
    pub fn include(mut self, parts: impl IntoIterator<Item = Include>) -> Self {
        self.body.include = Some(parts.into_iter().collect());
        self
    }
}

impl Upsert {
    /// Replace an existing record only if its stored metadata match this filter; others are
    /// skipped and counted.
    pub fn condition(mut self, filter: impl Serialize) -> Self {
        self.body.condition = self.call.raw(&filter);
        self
    }
}

impl Update {
    /// Merge patch (RFC 7396): fields given are set, fields given as `null` are removed.
    pub fn metadata(mut self, patch: Metadata) -> Self {
        self.body.metadata = Some(patch);
        self
    }

    /// New vector; only for one record.
    pub fn vector(mut self, vector: impl Into<Vector>) -> Self {
        self.body.vector = Some(vector.into().into_base64());
        self
    }

    /// New text; only for one record.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.body.text = Some(text.into());
        self
    }

    /// New JSON value; only for one record.
    pub fn value(mut self, value: impl Serialize) -> Self {
        self.body.value = self.call.raw(&value);
        self
    }

    /// Time from now until the record disappears, in whole seconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.body.ttl = Some(ttl.as_secs());
        self
    }

    /// Change only if the stored record has this version; only for one record.
    pub fn if_version(mut self, version: u64) -> Self {
        self.body.if_version = Some(version);
        self
    }
}

impl Delete {
    /// Change nothing, only count.
    pub fn dry_run(mut self) -> Self {
        self.body.dry_run = Some(true);
        self
    }
}
