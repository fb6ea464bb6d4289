use super::Index;
use crate::{
    cache::{Cached, VectorCache},
    keys::{self, Kind, place::Place, trailing_ordinal},
    store::{Result, Snapshot, StoreError},
    vector::{BLOCK_ORDINALS, ordinal_rows},
};

/// The places of up to 64 neighbouring ordinals.
///
/// A split reads those of a hundred vectors from anywhere. A row of the store takes fifteen times as much memory as what
/// it holds, so they are kept in blocks, and a commit carries on with those that it changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlaceBlock([Stored; BLOCK_ORDINALS as usize]);

/// Both clusters, each [`NONE`] if there is none.
type Stored = [u32; 2];
const NONE: u32 = u32::MAX;

impl PlaceBlock {
    async fn load(snapshot: &dyn Snapshot, number: u32) -> Result<Self> {
        let mut block = Self([[NONE; 2]; BLOCK_ORDINALS as usize]);
        for (key, value) in ordinal_rows(snapshot, Kind::Place, number).await? {
            let place = decode(&key, &value)?;
            block.set(trailing_ordinal(&key)? % BLOCK_ORDINALS, Some(place));
        }
        Ok(block)
    }

    fn get(&self, offset: u32) -> Option<Place> {
        let some = |cluster| (cluster != NONE).then_some(cluster);
        let [primary, secondary] = self.0[offset as usize].map(some);
        primary.map(|primary| Place { primary, secondary })
    }

    pub(super) fn set(&mut self, offset: u32, place: Option<Place>) {
        let clusters = place.map(|place| [place.primary, place.secondary.unwrap_or(NONE)]);
        self.0[offset as usize] = clusters.unwrap_or([NONE; 2]);
    }
}

impl Cached for PlaceBlock {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Index {
    /// The place of an ordinal, if it has a vector.
    pub(super) async fn place(
        &self,
        snapshot: &dyn Snapshot,
        cache: &VectorCache,
        ordinal: u32,
    ) -> Result<Option<Place>> {
        let number = ordinal / BLOCK_ORDINALS;
        let found = self.places.get(cache, number);
        let (bytes, load) = (size_of::<PlaceBlock>(), PlaceBlock::load(snapshot, number));
        let block = self.places.or_load(found, cache, number, bytes, load);
        if let Some(block) = block.await? {
            return Ok(block.get(ordinal % BLOCK_ORDINALS));
        }
        let key = keys::place::key(ordinal);
        let stored = snapshot.get(&key).await?;
        stored.map(|value| decode(&key, &value)).transpose()
    }
}

fn decode(key: &[u8], value: &[u8]) -> Result<Place> {
    Place::decode(value).map_err(|why| StoreError::corrupt_row(key, why))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::store::{Batch, Durability, MemoryStore, Store};

    #[test]
    fn a_block_carried_on_is_the_one_that_would_be_read() {
        let store = MemoryStore::default();
        let place = |primary, secondary| Place { primary, secondary };
        let mut batch = Batch::default();
        batch.put(keys::place::key(64), place(3, None).encode());
        batch.put(keys::place::key(127), place(4, Some(5)).encode());
        batch.put(keys::place::key(128), place(6, None).encode());
        block_on(store.commit(batch, Durability::Memory)).unwrap();
        let read = |store: &MemoryStore| {
            let snapshot = block_on(store.snapshot()).unwrap();
            block_on(PlaceBlock::load(&*snapshot, 1)).unwrap()
        };
        let mut block = read(&store);
        assert_eq!(block.get(0), Some(place(3, None)));
        assert_eq!(block.get(63), Some(place(4, Some(5))));
        assert_eq!(block.get(1), None);

        block.set(0, None);
        block.set(1, Some(place(7, Some(8))));
        let mut batch = Batch::default();
        batch.delete(keys::place::key(64));
        batch.put(keys::place::key(65), place(7, Some(8)).encode());
        block_on(store.commit(batch, Durability::Memory)).unwrap();
        assert_eq!(block, read(&store));
    }
}
