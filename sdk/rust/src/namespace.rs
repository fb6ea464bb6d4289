use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use quartz_api::{
    BatchOperation, BatchRequest, DeleteRequest, FetchRequest, ImportResponse, KeyList,
    Namespace as NamespaceInfo, NamespaceConfig, QueryRequest, Record, RecordList, StoredRecord,
    UpdateRequest, UpsertRequest, Vector,
};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::{
    Batch, Client, Delete, DeleteKey, Error, Fetch, Get, List, Put, Query, Read, Result, Update,
    Upsert, Write, call::Call, lines,
};

/// A namespace of a server: a set of records with one version number and one vector configuration.
///
/// The handle is a name, cheap to clone; making one sends nothing.
#[derive(Clone, Debug)]
pub struct Namespace {
    client: Client,
    name: String,
}

/// The namespace itself.
impl Namespace {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates the namespace with this configuration, which is fixed from then on. Creating it
    /// again with the same configuration is fine.
    ///
    /// # Errors
    /// [`NamespaceConflict`](crate::ErrorCode::NamespaceConflict) if it exists with another one.
    pub async fn create(&self, config: &NamespaceConfig) -> Result<NamespaceInfo> {
        let mut call = Call::new(self.client.clone(), Method::PUT, self.url(&[]));
        call.header("content-type", "application/json");
        let body = serde_json::to_vec(config)
            .map_err(|error| Error::Invalid(format!("not a JSON value: {error}")))?;
        self.send(call, body.into()).await?.json()
    }

    /// Configuration and exact counts.
    ///
    /// # Errors
    /// [`NamespaceNotFound`](crate::ErrorCode::NamespaceNotFound) if it is not there.
    pub async fn describe(&self) -> Result<NamespaceInfo> {
        let call = Call::new(self.client.clone(), Method::GET, self.url(&[]));
        self.send(call, Bytes::new()).await?.json()
    }

    /// Deletes the namespace with all its records. There is no way back.
    ///
    /// # Errors
    /// [`NamespaceNotFound`](crate::ErrorCode::NamespaceNotFound) if it is not there.
    pub async fn delete_namespace(&self) -> Result<()> {
        let call = Call::new(self.client.clone(), Method::DELETE, self.url(&[]));
        self.send(call, Bytes::new()).await.map(drop)
    }
}

/// Values by key.
impl Namespace {
    /// Stores a value; vector, metadata and text of the record stay as they are.
    pub fn put(&self, key: &str, value: impl Into<Bytes>) -> Put {
        Put::new(self.client.clone(), self.url(&["kv", key]), value.into())
    }

    /// Reads a value: `None` if there is none. [`Get::info`] reads all but the bytes.
    pub fn get(&self, key: &str) -> Get {
        Get::new(self.client.clone(), self.url(&["kv", key]))
    }

    /// Deletes the whole record; fine if it is not there.
    pub fn delete_key(&self, key: &str) -> DeleteKey {
        DeleteKey::new(self.client.clone(), self.url(&["kv", key]))
    }

    /// Keys of the records that have a value.
    pub fn keys(&self) -> List<KeyList> {
        List::new(self.client.clone(), self.url(&["kv"]))
    }
}

/// Records.
impl Namespace {
    /// Stores up to 1,000 records in one atomic commit, each replacing what was there as a whole.
    pub fn upsert(&self, records: impl IntoIterator<Item = Record>) -> Upsert {
        let records = records.into_iter().map(|mut record| {
            record.vector = record.vector.map(Vector::into_base64);
            record
        });
        self.write(
            "upsert",
            UpsertRequest {
                records: records.collect(),
                condition: None,
            },
        )
    }

    /// Looks for the records nearest to a vector or to another record.
    pub fn query(&self) -> Query {
        self.read("query", QueryRequest::default())
    }

    /// Reads up to 1,000 records.
    pub fn fetch<I: Into<String>>(&self, ids: impl IntoIterator<Item = I>) -> Fetch {
        self.read(
            "fetch",
            FetchRequest {
                ids: ids.into_iter().map(Into::into).collect(),
                include: None,
            },
        )
    }

    /// Changes parts of one record.
    pub fn update(&self, id: impl Into<String>) -> Update {
        self.write(
            "update",
            UpdateRequest {
                id: Some(id.into()),
                ..UpdateRequest::default()
            },
        )
    }

    /// Changes the metadata or expiry of every record that matches a filter.
    pub fn update_where(&self, filter: impl Serialize) -> Update {
        let mut update: Update = self.write("update", UpdateRequest::default());
        update.body.filter = update.call.raw(&filter);
        update
    }

    /// Deletes up to 1,000 records; ids that are not there are passed over.
    pub fn delete<I: Into<String>>(&self, ids: impl IntoIterator<Item = I>) -> Delete {
        self.write(
            "delete",
            DeleteRequest {
                ids: Some(ids.into_iter().map(Into::into).collect()),
                ..DeleteRequest::default()
            },
        )
    }

    /// Deletes every record that matches a filter.
    pub fn delete_where(&self, filter: impl Serialize) -> Delete {
        let mut delete: Delete = self.write("delete", DeleteRequest::default());
        delete.body.filter = delete.call.raw(&filter);
        delete
    }

    /// Deletes every record; the namespace and its configuration stay.
    pub fn delete_all(&self) -> Delete {
        self.write(
            "delete",
            DeleteRequest {
                all: Some(true),
                ..DeleteRequest::default()
            },
        )
    }

    /// Does up to 1,000 operations in order, all of them or none.
    pub fn batch(&self, operations: impl IntoIterator<Item = BatchOperation>) -> Batch {
        let operations = operations.into_iter().map(|mut operation| {
            operation.vector = operation.vector.map(Vector::into_base64);
            operation
        });
        self.write(
            "batch",
            BatchRequest {
                operations: operations.collect(),
            },
        )
    }

    /// Every record, by id.
    pub fn records(&self) -> List<RecordList> {
        List::new(self.client.clone(), self.url(&["records"]))
    }
}

/// Everything at once.
impl Namespace {
    /// Every record with all its parts, from one snapshot. After an error the stream ends; what
    /// came before it is sound.
    #[must_use]
    pub fn export(&self) -> BoxStream<'static, Result<StoredRecord>> {
        let url = self.name_of("export");
        let lines = self.export_lines();
        lines
            .map(move |line| {
                serde_json::from_slice(&line?).map_err(|cause| Error::Decode {
                    url: url.clone(),
                    cause,
                })
            })
            .boxed()
    }

    /// The export as it travels: one JSON object a line, line feeds taken off.
    #[must_use]
    pub fn export_lines(&self) -> BoxStream<'static, Result<Bytes>> {
        lines::export(self.client.clone(), self.url(&["export"]))
    }

    /// Stores any number of records with one streamed request, in commits of up to 1,000. It is
    /// not repeated on failure; commits before the failure stay, and importing again is harmless.
    ///
    /// # Errors
    /// The server names the line of the first record it refuses.
    pub async fn import(
        &self,
        records: impl Stream<Item = Record> + Send + 'static,
    ) -> Result<ImportResponse> {
        lines::import(self.client.clone(), self.url(&["import"]), records).await
    }
}

impl Namespace {
    fn url(&self, rest: &[&str]) -> Result<Url> {
        let path: Vec<&str> = ["v1", "namespaces", &self.name]
            .into_iter()
            .chain(rest.iter().copied())
            .collect();
        self.client.transport.url(&path)
    }

    fn name_of(&self, endpoint: &str) -> String {
        self.url(&[endpoint]).map(String::from).unwrap_or_default()
    }

    fn read<Q, A>(&self, endpoint: &str, body: Q) -> Read<Q, A> {
        Read::new(self.client.clone(), self.url(&[endpoint]), body)
    }

    fn write<Q, A>(&self, endpoint: &str, body: Q) -> Write<Q, A> {
        Write::new(self.client.clone(), self.url(&[endpoint]), body)
    }

    async fn send(&self, call: Call, body: Bytes) -> Result<crate::transport::Answer> {
        let outgoing = call.into_outgoing(body)?;
        self.client.transport.send(&outgoing).await
    }
}
