use std::sync::Arc;

use quartz_kernels::{dot_i8, prefetch, prefetch_value};

use super::{
    Index,
    sketch::{Sketch, squared_norm},
};
use crate::{
    cache::{Cached, Kept, VectorCache},
    keys::{self, Kind, trailing_ordinal},
    store::{Result, Snapshot, StoreError},
    vector::{BLOCK_ORDINALS, ordinal_rows, row_of},
};

impl Index {
    /// The block with the sketch of an ordinal, or only that sketch.
    pub(super) async fn sketch_block(
        &self,
        snapshot: &dyn Snapshot,
        cache: &VectorCache,
        ordinal: u32,
    ) -> Result<Arc<Kept<SketchBlock>>> {
        match self.sketches.get(cache, ordinal / BLOCK_ORDINALS) {
            Some(block) => Ok(block),
            None => self.load_sketch_block(snapshot, cache, ordinal).await,
        }
    }

    /// The same where it is known not to be in memory.
    pub(super) async fn load_sketch_block(
        &self,
        snapshot: &dyn Snapshot,
        cache: &VectorCache,
        ordinal: u32,
    ) -> Result<Arc<Kept<SketchBlock>>> {
        let dimension = self.rotation.padded();
        let (number, bytes) = (ordinal / BLOCK_ORDINALS, SketchBlock::bytes_of(dimension));
        let load = SketchBlock::load(snapshot, number, dimension);
        let loaded = self.sketches.or_load(None, cache, number, bytes, load);
        if let Some(block) = loaded.await? {
            return Ok(block);
        }
        let single = SketchBlock::load_single(snapshot, ordinal, dimension);
        Ok(Kept::apart(single.await?))
    }
}

/// The sketches of up to 64 neighbouring ordinals.
pub(crate) struct SketchBlock {
    present: u64,
    codes: Vec<i8>,
    lengths: Vec<Lengths>,
}

/// What a sketch is multiplied with.
#[derive(Clone, Copy)]
struct Lengths {
    scale: f32,
    squared_norm: f32,
    lean: f32,
}

/// A sketch in a block.
pub(crate) struct SketchRow<'a> {
    pub(crate) codes: &'a [i8],
    pub(crate) scale: f32,
    pub(crate) squared_norm: f32,
    /// The product with a vector is about this times the product of the vector with the signs: the scale of a
    /// [code](super::code) with zero for its centroid.
    pub(crate) lean: f32,
}

impl SketchBlock {
    /// What a full block takes.
    pub(crate) const fn bytes_of(dimension: usize) -> usize {
        BLOCK_ORDINALS as usize * (dimension + size_of::<Lengths>())
    }

    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        number: u32,
        dimension: usize,
    ) -> Result<Self> {
        let stored = ordinal_rows(snapshot, Kind::Sketch, number).await?;
        let mut block = Self {
            present: 0,
            codes: Vec::with_capacity(stored.len() * dimension),
            lengths: Vec::with_capacity(stored.len()),
        };
        for (key, value) in &stored {
            block.present |= 1 << (trailing_ordinal(key)? - number * BLOCK_ORDINALS);
            block
                .push(value, dimension)
                .map_err(|why| StoreError::corrupt_row(key, why))?;
        }
        Ok(block)
    }

    /// Reads one sketch, as a block of one.
    pub(crate) async fn load_single(
        snapshot: &dyn Snapshot,
        ordinal: u32,
        dimension: usize,
    ) -> Result<Self> {
        let key = keys::sketch::key(ordinal);
        let corrupt = |why| StoreError::corrupt_row(&key, why);
        let stored = snapshot.get(&key).await?;
        let stored = stored.ok_or_else(|| corrupt("missing"))?;
        let mut block = Self {
            present: 1 << (ordinal % BLOCK_ORDINALS),
            codes: Vec::with_capacity(dimension),
            lengths: Vec::with_capacity(1),
        };
        block.push(&stored, dimension).map_err(corrupt)?;
        Ok(block)
    }

    fn push(&mut self, value: &[u8], dimension: usize) -> Result<(), keys::codec::Malformed> {
        let start = self.codes.len();
        let scale = keys::sketch::decode_into(value, dimension, &mut self.codes)?;
        self.finish(start, scale);
        Ok(())
    }

    /// Adds what follows from the codes that begin at `start`.
    fn finish(&mut self, start: usize, scale: f32) {
        let codes = &self.codes[start..];
        let squared_norm = squared_norm(scale, codes);
        let magnitudes = codes.iter().map(|code| u32::from(code.unsigned_abs()));
        let magnitude = scale * magnitudes.sum::<u32>() as f32;
        let lean = if magnitude > f32::MIN_POSITIVE {
            squared_norm / magnitude
        } else {
            0.0
        };
        self.lengths.push(Lengths {
            scale,
            squared_norm,
            lean,
        });
    }

    pub(crate) const fn has(&self, offset: u32) -> bool {
        self.present >> offset & 1 == 1
    }

    pub(crate) fn row(&self, offset: u32, dimension: usize) -> Option<SketchRow<'_>> {
        if !self.has(offset) {
            return None;
        }
        let row = row_of(self.present, offset);
        let Lengths {
            scale,
            squared_norm,
            lean,
        } = self.lengths[row];
        Some(SketchRow {
            codes: &self.codes[row * dimension..(row + 1) * dimension],
            scale,
            squared_norm,
            lean,
        })
    }

    /// Asks the processor for what [`row`](Self::row) gives.
    pub(crate) fn prefetch(&self, offset: u32, dimension: usize) {
        let row = row_of(self.present, offset);
        if let Some(codes) = self.codes.get(row * dimension..(row + 1) * dimension) {
            prefetch(codes);
            prefetch_value(&raw const self.lengths[row]);
        }
    }
}

impl Cached for SketchBlock {
    fn bytes(&self) -> usize {
        self.codes.capacity() + self.lengths.capacity() * size_of::<Lengths>()
    }

    fn uses_for_one() -> u64 {
        8
    }
}

impl SketchRow<'_> {
    pub(crate) fn to_sketch(&self) -> Sketch {
        Sketch {
            scale: self.scale,
            codes: self.codes.into(),
            squared_norm: self.squared_norm,
        }
    }

    /// Product with a query.
    pub(crate) fn dot(&self, query: &Sketch) -> f32 {
        dot_i8(self.codes, &query.codes) as f32 * (self.scale * query.scale)
    }
}
