use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::{
    cache::{Postings, Slots, VectorCache},
    index::Index,
    keys::{
        Kind,
        chunk::Chunk,
        expiry, idempotency,
        meta::{self, Meta},
        set::{self, Set},
        trailing_ordinal,
    },
    namespace::IdBlock,
    store::{Result, RowCursor, ScanLimit, Snapshot, Store, StoreError, prefix_end},
    vector::{BLOCK_ORDINALS, VectorBlock},
};

/// Everything known about a namespace as of one commit. Never changes; the next commit makes another.
#[derive(Clone)]
pub(crate) struct State {
    /// `None` until the first write.
    pub(crate) meta: Option<Meta>,
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// Ordinals of all records, expired ones that are not yet swept included.
    pub(crate) records: Arc<RoaringBitmap>,
    /// Ordinals of records with a vector.
    pub(crate) vectors: Arc<RoaringBitmap>,
    /// Earliest time in the expiry rows.
    pub(crate) next_expiry: Option<u64>,
    /// Vectors in memory, by block of ordinals.
    pub(crate) vector_blocks: Slots<VectorBlock>,
    /// Ids in memory, by block of ordinals.
    pub(crate) id_blocks: Slots<IdBlock>,
    /// Those that filters have read lately.
    pub(crate) postings: Postings,
    /// `None` until the first vector.
    pub(crate) index: Option<Arc<Index>>,
}

impl State {
    pub(crate) async fn load(store: &dyn Store, cache: &VectorCache) -> Result<Self> {
        let snapshot = store.snapshot().await?;
        let meta = load_meta(&*snapshot).await?;
        let records = Arc::new(load_set(&*snapshot, Set::Records).await?);
        let vectors = Arc::new(load_set(&*snapshot, Set::Vectors).await?);
        let config = meta.as_ref().map(|meta| &meta.config);
        let index = match config.and_then(|config| Some((config.metric, config.dimension?))) {
            Some((metric, dimension)) => {
                let index =
                    Index::load(&*snapshot, metric, dimension as usize, blocks(&vectors)).await?;
                Some(Arc::new(index))
            }
            None => None,
        };
        let next_expiry = next_expiry(&*snapshot).await?;
        Ok(Self {
            meta,
            snapshot,
            vector_blocks: Slots::new(blocks(&vectors)),
            id_blocks: Slots::new(blocks(&records)),
            records,
            vectors,
            next_expiry,
            postings: Postings::new(cache),
            index,
        })
    }

    pub(crate) fn version(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.version)
    }

    /// Ordinals of the records that have expired by `now` and are not yet swept.
    pub(crate) async fn expired(&self, now: u64) -> Result<RoaringBitmap> {
        let mut expired = RoaringBitmap::new();
        if self.next_expiry.is_some_and(|at| at <= now) {
            let (start, end) = expiry::due(now);
            let mut cursor = RowCursor::new(&*self.snapshot, start, end, ScanLimit::rows(4096));
            while let Some(rows) = cursor.next_page().await? {
                for (key, _) in rows {
                    expired.insert(trailing_ordinal(&key)?);
                }
            }
        }
        Ok(expired)
    }
}

/// Blocks that some ordinals are in, counted from the first of all.
fn blocks(ordinals: &RoaringBitmap) -> usize {
    ordinals
        .max()
        .map_or(0, |max| (max / BLOCK_ORDINALS) as usize + 1)
}

pub(super) async fn load_meta(snapshot: &dyn Snapshot) -> Result<Option<Meta>> {
    let key = meta::key();
    let stored = snapshot.get(&key).await?;
    stored
        .map(|value| Meta::decode(value).map_err(|why| StoreError::corrupt_row(&key, why)))
        .transpose()
}

async fn load_set(snapshot: &dyn Snapshot, set: Set) -> Result<RoaringBitmap> {
    load_bitmap(snapshot, &set::prefix(set)).await
}

/// The union of the chunks under a key prefix.
pub(crate) async fn load_bitmap(snapshot: &dyn Snapshot, prefix: &[u8]) -> Result<RoaringBitmap> {
    let mut bitmap = RoaringBitmap::new();
    let mut cursor = RowCursor::new(
        snapshot,
        prefix.to_vec(),
        prefix_end(prefix),
        ScanLimit::rows(4096),
    );
    while let Some(rows) = cursor.next_page().await? {
        for (key, value) in rows {
            Chunk::union_into(&mut bitmap, trailing_ordinal(&key)?, &value)
                .map_err(|why| StoreError::corrupt_row(&key, why))?;
        }
    }
    Ok(bitmap)
}

/// The earliest time in the expiry rows of records and idempotency entries.
pub(crate) async fn next_expiry(snapshot: &dyn Snapshot) -> Result<Option<u64>> {
    let mut earliest = None;
    for kind in [Kind::Expiry, Kind::IdempotencyExpiry] {
        let page = snapshot
            .scan(&kind.key(&[]), &kind.end(), ScanLimit::rows(1))
            .await?;
        let at = page.rows.first().and_then(|(key, _)| expiry::at(key));
        earliest = [earliest, at].into_iter().flatten().min();
    }
    Ok(earliest)
}

/// The `due` rows of idempotency entries share their shape with those of records.
pub(crate) async fn due_idempotency_keys(
    snapshot: &dyn Snapshot,
    now: u64,
    limit: usize,
) -> Result<Vec<(u64, String)>> {
    let (start, end) = idempotency::due(now);
    let page = snapshot.scan(&start, &end, ScanLimit::rows(limit)).await?;
    page.rows
        .iter()
        .map(|(key, _)| {
            let at = expiry::at(key);
            let client_key = key
                .get(9..)
                .and_then(|bytes| std::str::from_utf8(bytes).ok());
            match (at, client_key) {
                (Some(at), Some(client_key)) => Ok((at, client_key.to_owned())),
                _ => Err(StoreError::corrupt_row(key, "not an idempotency expiry")),
            }
        })
        .collect()
}
