use super::State;
use crate::{
    cache::{Cached, VectorCache},
    keys::{self, Kind, codec::utf8, trailing_ordinal},
    store::{Result, Snapshot, StoreError},
    vector::{BLOCK_ORDINALS, ordinal_rows},
};

/// What an [`IdBlock`] takes with ids of some ten bytes.
const ID_BLOCK_BYTES: usize = BLOCK_ORDINALS as usize * (size_of::<Option<Box<str>>>() + 10);

/// The ids of 64 neighbouring ordinals.
pub(crate) struct IdBlock {
    ids: Vec<Option<Box<str>>>,
}

impl IdBlock {
    async fn load(snapshot: &dyn Snapshot, number: u32) -> Result<Self> {
        let mut ids = vec![None; BLOCK_ORDINALS as usize];
        for (key, value) in ordinal_rows(snapshot, Kind::Ordinal, number).await? {
            let id = utf8(&value).map_err(|why| StoreError::corrupt_row(&key, why))?;
            ids[(trailing_ordinal(&key)? % BLOCK_ORDINALS) as usize] = Some(id.into());
        }
        Ok(Self { ids })
    }
}

impl Cached for IdBlock {
    fn bytes(&self) -> usize {
        let bytes = self.ids.iter().flatten().map(|id| id.len());
        self.ids.len() * size_of::<Option<Box<str>>>() + bytes.sum::<usize>()
    }
}

/// The id of the record that has an ordinal, through the cache.
pub(super) async fn cached_id(state: &State, cache: &VectorCache, ordinal: u32) -> Result<String> {
    let number = ordinal / BLOCK_ORDINALS;
    let block = match state.id_blocks.get(cache, number) {
        Some(block) => block,
        None if !cache.wants_block(ID_BLOCK_BYTES) => {
            return super::view::id_of(state, ordinal).await;
        }
        None => {
            let block = IdBlock::load(&*state.snapshot, number).await?;
            state.id_blocks.insert(cache, number, block)
        }
    };
    let id = block.ids[(ordinal % BLOCK_ORDINALS) as usize].as_deref();
    let missing = || StoreError::corrupt_row(&keys::ordinal::key(ordinal), "missing");
    Ok(id.ok_or_else(missing)?.to_owned())
}
