use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Weighter, sync::Cache};

use super::Metric;
use crate::{
    keys::{self, trailing_ordinal},
    store::{Result, ScanLimit, Snapshot, StoreError},
};

/// Ordinals that share a block.
pub(crate) const BLOCK_ORDINALS: u32 = 64;

/// The vectors of up to 64 neighbouring ordinals, side by side for the scanning kernels.
pub(crate) struct Block {
    /// Which ordinals of the block have a vector, lowest bit first.
    pub(crate) present: u64,
    /// Components, [prepared](Metric::prepare), row after row, of the ordinals that are present.
    pub(crate) rows: Vec<f32>,
}

impl Block {
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        number: u32,
        dimension: usize,
        metric: Metric,
    ) -> Result<Self> {
        let first = number * BLOCK_ORDINALS;
        let start = keys::vector::key(first);
        let end = match first.checked_add(BLOCK_ORDINALS) {
            Some(next) => keys::vector::key(next),
            None => keys::Kind::Vector.end(),
        };
        let limit = ScanLimit {
            rows: BLOCK_ORDINALS as usize,
            bytes: usize::MAX,
        };
        let page = snapshot.scan(&start, &end, limit).await?;
        let mut present = 0;
        let mut rows = Vec::with_capacity(page.rows.len() * dimension);
        for (key, value) in &page.rows {
            present |= 1 << (trailing_ordinal(key)? - first);
            let row = rows.len();
            keys::vector::decode_into(value, dimension, &mut rows)
                .map_err(|why| StoreError::corrupt_row(key, why))?;
            metric.prepare(&mut rows[row..]);
        }
        Ok(Self { present, rows })
    }

    /// The row of an ordinal, by its offset in the block.
    pub(crate) const fn row_of(&self, offset: u32) -> usize {
        (self.present & ((1 << offset) - 1)).count_ones() as usize
    }
}

/// Blocks of all namespaces, most useful ones first, within one budget of bytes.
///
/// A block in the cache never changes: a write gives the blocks it touches a new version, so older
/// ones are simply no longer asked for and leave in time.
#[derive(Clone)]
pub struct VectorCache {
    blocks: Arc<Cache<BlockId, Arc<Block>, BlockBytes>>,
    next_owner: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockId {
    owner: u64,
    number: u32,
    version: u64,
}

#[derive(Clone)]
struct BlockBytes;

impl Weighter<BlockId, Arc<Block>> for BlockBytes {
    fn weight(&self, _: &BlockId, block: &Arc<Block>) -> u64 {
        (size_of::<Block>() + block.rows.len() * 4) as u64
    }
}

/// How full a [`VectorCache`] is and how well it works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Bytes in use.
    pub bytes: u64,
    /// Look-ups that found their block.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
}

impl VectorCache {
    /// A cache that holds at most `budget_bytes`.
    #[must_use]
    pub fn new(budget_bytes: u64) -> Self {
        let items = (budget_bytes / (64 * 384 * 4)).clamp(16, 1 << 20) as usize;
        Self {
            blocks: Arc::new(Cache::with_weighter(items, budget_bytes, BlockBytes)),
            next_owner: Arc::default(),
        }
    }

    /// How full the cache is.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            bytes: self.blocks.weight(),
            hits: self.blocks.hits(),
            misses: self.blocks.misses(),
        }
    }

    pub(crate) fn new_owner(&self) -> BlockVersions {
        BlockVersions {
            owner: self.next_owner.fetch_add(1, Ordering::Relaxed),
            versions: Arc::default(),
        }
    }

    pub(crate) fn get(&self, id: BlockId) -> Option<Arc<Block>> {
        self.blocks.get(&id)
    }

    pub(crate) fn insert(&self, id: BlockId, block: Arc<Block>) {
        self.blocks.insert(id, block);
    }
}

/// Which commit last changed each block of one opened namespace.
#[derive(Clone)]
pub(crate) struct BlockVersions {
    owner: u64,
    /// By block number; a block beyond the end has not changed since the namespace was opened.
    versions: Arc<Vec<u64>>,
}

impl BlockVersions {
    pub(crate) fn id(&self, number: u32) -> BlockId {
        let version = self.versions.get(number as usize).copied().unwrap_or(0);
        BlockId {
            owner: self.owner,
            number,
            version,
        }
    }

    /// Records that a commit changed these ordinals' vectors.
    pub(crate) fn touch(&mut self, ordinals: impl Iterator<Item = u32>, version: u64) {
        let mut blocks = ordinals
            .map(|ordinal| (ordinal / BLOCK_ORDINALS) as usize)
            .peekable();
        if blocks.peek().is_none() {
            return;
        }
        let versions = Arc::make_mut(&mut self.versions);
        for block in blocks {
            if block >= versions.len() {
                versions.resize(block + 1, 0);
            }
            versions[block] = version;
        }
    }
}
