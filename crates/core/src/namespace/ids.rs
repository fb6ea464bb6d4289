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
}

impl Cached for IdBlock {
    fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// The id of the record that has an ordinal, through the cache.
pub(super) async fn cached_id(state: &State, cache: &VectorCache, ordinal: u32) -> Result<String> {
    let number = ordinal / BLOCK_ORDINALS;
    let load = IdBlock::load(&*state.snapshot, number);
    let block = state
        .id_blocks
        .get_or_load(cache, number, ID_BLOCK_BYTES, load);
    let Some(block) = block.await? else {
        return super::view::id_of(state, ordinal).await;
    };
    let id = block.id(ordinal % BLOCK_ORDINALS);
    let missing = || StoreError::corrupt_row(&keys::ordinal::key(ordinal), "missing");
    Ok(id.ok_or_else(missing)?.to_owned())
}
