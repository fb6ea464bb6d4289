use std::slice;

use quartz_kernels::prefetch;

use super::State;
use crate::{
    cache::{Cached, VectorCache},
    keys::{self, Kind, codec::utf8, trailing_ordinal},
    store::{Result, Snapshot, StoreError},
    vector::{BLOCK_ORDINALS, ordinal_rows, row_of},
};

/// What an [`IdBlock`] takes with ids of some ten bytes.
const ID_BLOCK_BYTES: usize = BLOCK_ORDINALS as usize * (size_of::<u32>() + 10);

/// The ids of 64 neighbouring ordinals.
pub(crate) struct IdBlock {
    /// Which ordinals have one, lowest bit first.
    present: u64,
    /// One behind the other.
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl IdBlock {
    async fn load(snapshot: &dyn Snapshot, number: u32) -> Result<Self> {
        let rows = ordinal_rows(snapshot, Kind::Ordinal, number).await?;
        let bytes = rows.iter().map(|(_, id)| id.len()).sum();
        let mut block = Self {
            present: 0,
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(rows.len()),
        };
        for (key, value) in rows {
            let id = utf8(&value).map_err(|why| StoreError::corrupt_row(&key, why))?;
            block.present |= 1 << (trailing_ordinal(&key)? % BLOCK_ORDINALS);
            block.text.push_str(&id);
            block.ends.push(block.text.len() as u32);
        }
        Ok(block)
    }

    fn id(&self, offset: u32) -> Option<&str> {
        let row = row_of(self.present, offset);
        let before = row.checked_sub(1).and_then(|row| self.ends.get(row));
        let start = before.map_or(0, |&end| end as usize);
        let end = *self.ends.get(row)? as usize;
        (self.present >> offset & 1 == 1).then(|| &self.text[start..end])
    }

    /// Asks the processor for where the id of an ordinal ends.
    fn expect_end(&self, offset: u32) {
        if let Some(end) = self.ends.get(row_of(self.present, offset)) {
            prefetch(slice::from_ref(end));
        }
    }

    /// Asks the processor for the id.
    fn expect(&self, offset: u32) {
        if let Some(id) = self.id(offset) {
            prefetch(id.as_bytes());
        }
    }
}

impl Cached for IdBlock {
    fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// The ids of the records that have some ordinals, through the cache. Memory is waited for all at once.
pub(super) async fn cached_ids(
    state: &State,
    cache: &VectorCache,
    ordinals: &[u32],
) -> Result<Vec<String>> {
    let place = |ordinal| (ordinal / BLOCK_ORDINALS, ordinal % BLOCK_ORDINALS);
    let mut blocks = Vec::with_capacity(ordinals.len());
    for &ordinal in ordinals {
        let (number, offset) = place(ordinal);
        let block = state.id_blocks.get(cache, number);
        if let Some(block) = &block {
            block.expect_end(offset);
        }
        blocks.push(block);
    }
    for (&ordinal, block) in ordinals.iter().zip(&blocks) {
        if let Some(block) = block {
            block.expect(place(ordinal).1);
        }
    }
    let mut ids = Vec::with_capacity(ordinals.len());
    for (&ordinal, block) in ordinals.iter().zip(blocks) {
        let (number, offset) = place(ordinal);
        let load = IdBlock::load(&*state.snapshot, number);
        let blocks = &state.id_blocks;
        let block = blocks.or_load(block, cache, number, ID_BLOCK_BYTES, load);
        ids.push(match block.await? {
            Some(block) => {
                let id = block.id(offset);
                let missing = || StoreError::corrupt_row(&keys::ordinal::key(ordinal), "missing");
                id.ok_or_else(missing)?.to_owned()
            }
            None => super::view::id_of(state, ordinal).await?,
        });
    }
    Ok(ids)
}
