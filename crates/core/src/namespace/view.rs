use std::sync::Arc;

use super::{Config, Description, State};
use crate::{
    Metric, VectorCache,
    error::Result,
    filter::{self, Filter},
    keys::{
        self, Kind,
        meta::Counts,
        record::{self, Row, StoredValue},
    },
    processors::Processors,
    record::{Parts, Record, Value},
    store::{self, RowCursor, ScanLimit, StoreError, prefix_end, successor},
    vector::single,
};

/// A namespace as of one commit and one moment. Never changes; reads on it never wait for writes.
#[derive(Clone)]
pub struct View {
    pub(super) state: Arc<State>,
    pub(super) cache: VectorCache,
    pub(super) processors: Processors,
    pub(super) now: u64,
}

/// A record with a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Id of the record.
    pub id: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
    /// Bytes of the value.
    pub size: u64,
    /// Content type of the value.
    pub content_type: String,
    /// When the record disappears, milliseconds since 1970.
    pub expires_at: Option<u64>,
}

/// Which records to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRange {
    /// Only ids that start with this.
    pub prefix: String,
    /// Only ids after this one.
    pub after: Option<String>,
    /// Most items, at least 1.
    pub limit: usize,
}

/// A page of a list. It may hold fewer items than asked for, even none, and not be the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage<T> {
    /// Ascending by the bytes of the id.
    pub items: Vec<T>,
    /// The id the next page continues after; `None` on the last page.
    pub next: Option<String>,
}

/// Rows that one page looks at, at most, for each item it may hold; so a page over many expired
/// records stays cheap.
const ROWS_PER_ITEM: usize = 8;
/// A page ends with the record that brings it to this size.
const PAGE_BYTES: usize = 8 << 20;

impl View {
    pub(super) const fn new(
        state: Arc<State>,
        cache: VectorCache,
        processors: Processors,
        now: u64,
    ) -> Self {
        Self {
            state,
            cache,
            processors,
            now,
        }
    }

    /// Number of the last write.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state.version()
    }

    /// Whether the namespace has been created, by a write or explicitly.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.state.meta.is_some()
    }

    /// The configuration; the default one if the namespace does not exist.
    #[must_use]
    pub fn config(&self) -> Config {
        self.state
            .meta
            .as_ref()
            .map(|meta| meta.config.clone())
            .unwrap_or_default()
    }

    pub(super) fn metric(&self) -> Metric {
        self.state
            .meta
            .as_ref()
            .map_or_else(Metric::default, |meta| meta.config.metric)
    }

    pub(super) fn dimension(&self) -> Option<u32> {
        self.state
            .meta
            .as_ref()
            .and_then(|meta| meta.config.dimension)
    }

    /// Exact counts. Costs a read for each expired record that is not yet swept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn describe(&self) -> Result<Description> {
        let meta = self.state.meta.clone().unwrap_or_default();
        let mut counts = meta.counts;
        for ordinal in self.state.expired(self.now).await? {
            let id = self.id(ordinal).await?;
            if let Some(row) = self.row(&id).await? {
                counts.subtract(row.counts(&id, meta.config.vector_bytes()));
            }
        }
        let Counts {
            records,
            vectors,
            values,
            bytes,
        } = counts;
        Ok(Description {
            config: meta.config,
            records,
            vectors,
            values,
            bytes,
            version: meta.version,
            created_at: meta.created_at,
        })
    }

    /// The record, with the parts asked for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, id: &str, parts: Parts) -> Result<Option<Record>> {
        let key = record::key(id);
        let Some(stored) = self.state.snapshot.get(&key).await? else {
            return Ok(None);
        };
        let row = if parts.metadata || parts.text {
            Row::decode(stored)
        } else {
            Row::decode_value(stored)
        };
        let row = row.map_err(|why| StoreError::corrupt_row(&key, why))?;
        if row.is_expired(self.now) {
            return Ok(None);
        }
        self.record(id.to_owned(), row, parts).await.map(Some)
    }

    /// The record's key entry, if it is there and has a value.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn head(&self, id: &str) -> Result<Option<Key>> {
        let key = record::key(id);
        let Some(stored) = self.state.snapshot.get(&key).await? else {
            return Ok(None);
        };
        let row = Row::decode_value(stored).map_err(|why| StoreError::corrupt_row(&key, why))?;
        Ok(self.key_entry(id.to_owned(), row))
    }

    /// A page of records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, range: &ListRange, parts: Parts) -> Result<ListPage<Record>> {
        let (rows, next) = self.list_rows(range, |_| true).await?;
        let mut items = Vec::with_capacity(rows.len());
        let meta = self.state.meta.as_ref();
        let vector_bytes = meta.map_or(0, |meta| meta.config.vector_bytes());
        let mut bytes = 0;
        for (id, row) in rows {
            if bytes >= PAGE_BYTES {
                let next = items.last().map(|record: &Record| record.id.clone());
                return Ok(ListPage { items, next });
            }
            bytes += row.counts(&id, vector_bytes).bytes as usize;
            items.push(self.record(id, row, parts).await?);
        }
        Ok(ListPage { items, next })
    }

    /// A page of the records that have a value.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_keys(&self, range: &ListRange) -> Result<ListPage<Key>> {
        let (rows, next) = self.list_rows(range, |row| row.value.is_some()).await?;
        let items = rows
            .into_iter()
            .filter_map(|(id, row)| self.key_entry(id, row))
            .collect();
        Ok(ListPage { items, next })
    }

    /// How many records match.
    ///
    /// # Errors
    /// When the filter names a field that is not indexed, or the store fails.
    pub async fn count(&self, filter: &Filter) -> Result<u64> {
        let selected = filter::select(filter, &self.state).await?;
        Ok((selected - self.state.expired(self.now).await?).len())
    }

    /// Rows of live records in the range that pass `keep`, and the id to continue after.
    async fn list_rows(
        &self,
        range: &ListRange,
        keep: impl Fn(&Row) -> bool,
    ) -> Result<(Vec<(String, Row)>, Option<String>)> {
        let prefix = record::key(&range.prefix);
        let end = if range.prefix.is_empty() {
            Kind::Record.end()
        } else {
            prefix_end(&prefix)
        };
        let start = match &range.after {
            Some(after) => successor(&record::key(after)).max(prefix),
            None => prefix,
        };
        let limit = ScanLimit {
            rows: range.limit.saturating_add(1).min(512),
            bytes: PAGE_BYTES,
        };
        let mut cursor = RowCursor::new(&*self.state.snapshot, start, end, limit);
        let mut kept = Vec::new();
        let mut seen = 0;
        let mut last = None;
        while let Some(rows) = cursor.next_page().await? {
            for (key, stored) in rows {
                if kept.len() == range.limit || seen == range.limit.saturating_mul(ROWS_PER_ITEM) {
                    return Ok((kept, last));
                }
                let corrupt = |why| StoreError::corrupt_row(&key, why);
                let row = Row::decode(stored).map_err(corrupt)?;
                let id = record::id(&key).map_err(corrupt)?;
                seen += 1;
                last = Some(id.clone());
                if !row.is_expired(self.now) && keep(&row) {
                    kept.push((id, row));
                }
            }
        }
        Ok((kept, None))
    }

    fn key_entry(&self, id: String, row: Row) -> Option<Key> {
        if row.is_expired(self.now) {
            return None;
        }
        let StoredValue {
            content_type, size, ..
        } = row.value?;
        let (version, expires_at) = (row.version, row.expires_at);
        Some(Key {
            id,
            version,
            size: size.into(),
            content_type,
            expires_at,
        })
    }

    /// The stored row of a record, expired or not.
    pub(super) async fn row(&self, id: &str) -> Result<Option<Row>> {
        let key = record::key(id);
        let stored = self.state.snapshot.get(&key).await?;
        Ok(stored
            .map(Row::decode)
            .transpose()
            .map_err(|why| StoreError::corrupt_row(&key, why))?)
    }

    /// The id that has an ordinal.
    pub(super) async fn id(&self, ordinal: u32) -> Result<String> {
        Ok(id_of(&self.state, ordinal).await?)
    }

    async fn record(&self, id: String, row: Row, parts: Parts) -> Result<Record> {
        let value = match row.value {
            Some(stored) if parts.value => Some(self.value(row.ordinal, stored).await?),
            _ => None,
        };
        let vector = if parts.vector && row.has_vector {
            Some(self.vector(row.ordinal).await?)
        } else {
            None
        };
        Ok(Record {
            id,
            version: row.version,
            expires_at: row.expires_at,
            value,
            text: row.text.filter(|_| parts.text),
            metadata: if parts.metadata {
                row.metadata
            } else {
                Default::default()
            },
            vector,
        })
    }

    async fn value(&self, ordinal: u32, stored: StoredValue) -> Result<Value> {
        let bytes = match stored.inline {
            Some(bytes) => bytes,
            None => {
                let key = keys::value::key(ordinal);
                let bytes = self.state.snapshot.get(&key).await?;
                bytes
                    .filter(|bytes| bytes.len() == stored.size as usize)
                    .ok_or_else(|| {
                        StoreError::corrupt_row(&key, "missing or of the wrong length")
                    })?
            }
        };
        Ok(Value {
            content_type: stored.content_type,
            bytes,
        })
    }

    pub(super) async fn vector(&self, ordinal: u32) -> Result<Vec<f32>> {
        let dimension = self.dimension().unwrap_or(0) as usize;
        Ok(single(&*self.state.snapshot, ordinal, dimension).await?)
    }
}

/// The id of the record that has an ordinal.
pub(crate) async fn id_of(state: &State, ordinal: u32) -> store::Result<String> {
    let key = keys::ordinal::key(ordinal);
    let corrupt = |why| StoreError::corrupt_row(&key, why);
    let stored = state
        .snapshot
        .get(&key)
        .await?
        .ok_or_else(|| corrupt("missing"))?;
    keys::codec::utf8(&stored).map_err(corrupt)
}
