//! Rust client for QuartzDB: key-value records and vector search behind one HTTP API.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use quartz_client::{Client, Include, Record};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:6464").api_key("qz_…").build()?;
//! let docs = client.namespace("docs");
//!
//! // The thing you search for is the thing you store.
//! docs.upsert([Record {
//!     id: "intro".into(),
//!     vector: Some(vec![0.1, 0.9, 0.2].into()),
//!     metadata: Some(serde_json::from_value(json!({"lang": "en", "stars": 5}))?),
//!     text: Some("How to begin".into()),
//!     ..Record::default()
//! }])
//! .await?;
//!
//! let answer = docs
//!     .query()
//!     .vector(vec![0.1, 0.8, 0.3])
//!     .filter(json!({"stars": {"$gte": 4}}))
//!     .include([Include::Text])
//!     .top_k(3)
//!     .await?;
//! for found in answer.matches {
//!     println!("{:.3}  {}", found.score, found.text.unwrap_or_default());
//! }
//!
//! // The same records as a key-value store, with conditional writes.
//! let written = docs.put("greeting", "hello").content_type("text/plain").await?;
//! docs.put("greeting", "hello again").if_version(written.version).await?;
//! if let Some(value) = docs.get("greeting").await? {
//!     println!("{} (version {})", value.text()?, value.version);
//! }
//!
//! // Lists are streams; they fetch page after page as they are read.
//! let mut keys = docs.keys().prefix("gre").stream();
//! while let Some(key) = keys.try_next().await? {
//!     println!("{}: {} bytes", key.id, key.size);
//! }
//! # Ok(()) }
//! ```
//!
//! # How it behaves
//!
//! - A [`Client`] is cheap to clone and keeps its connections open: make one and share it.
//! - A call is a value with options; nothing is sent before it is awaited.
//! - Requests that may be sent again are: on 429, 503 and broken connections the client waits, longer
//!   each time and at least what `Retry-After` asks for, then repeats the request, four times if
//!   [`Builder::retries`] does not say otherwise. Writes carry an idempotency key that stays the
//!   same over the attempts, so a write whose answer was lost is not done twice.
//! - Vectors travel as base64, which is a third of the size of digits and faster to read.
//! - A record that is not there is `None`; everything else that fails is an [`Error`], which knows
//!   its stable [`ErrorCode`] and whether it is worth trying again.
#![forbid(unsafe_code)]

mod call;
mod client;
mod data;
mod error;
mod kv;
mod lines;
mod list;
mod namespace;
mod service;
mod tls;
mod transport;
mod webhooks;

pub use quartz_api::{
    Account, AccountList, ApiKey, ApiKeyList, AuditEntry, AuditList, Billing, CreateAccount,
    CreateApiKey, CreateWebhook, CreatedAccount, Delivery, DeliveryList, DeliveryStatus, Event,
    Impersonate, IssuedKey, RotateApiKey, RotateWebhook, UpdateAccount, UpdateApiKey, UsageLine,
    UsageMeters, UsageReport, Webhook, WebhookList, WebhookSecret, Whoami,
};
pub use quartz_api::{
    BatchOperation, BatchRequest, BatchResponse, DeleteRequest, DeleteResponse, Durability,
    ErrorCode, Explanation, FetchRequest, FetchResponse, ImportResponse, Include, IndexedFields,
    KeyEntry, KeyList, MAX, Match, Metadata, MetadataValue, Metric, Namespace as NamespaceInfo,
    NamespaceConfig, NamespaceList, NamespaceSummary, OperationKind, OperationResult, Plan,
    PlanKind, Problem, QueryRequest, QueryResponse, Record, RecordList, StoreVectors, StoredRecord,
    UpdateRequest, UpdateResponse, UpsertRequest, UpsertResponse, Vector,
};

pub use self::{
    call::{Read, Write},
    client::{Builder, Client},
    data::{Batch, Delete, Fetch, Query, Update, Upsert},
    error::{Error, Result},
    kv::{Changed, DeleteKey, Get, Put, Value, ValueInfo, Written},
    list::{List, Page},
    namespace::Namespace,
};
