use quartz_kernels::dot_i8;

use super::sketch::{Sketch, squared_norm};
use crate::{
    cache::Cached,
    keys::{self, Kind, trailing_ordinal},
    store::{Result, Snapshot, StoreError},
    vector::{BLOCK_ORDINALS, ordinal_rows, row_of},
};

/// The sketches of up to 64 neighbouring ordinals.
pub(crate) struct SketchBlock {
    present: u64,
    codes: Vec<i8>,
    /// Scale and squared length of each.
    scales: Vec<(f32, f32)>,
}

/// A sketch in a block.
pub(crate) struct SketchRow<'a> {
    pub(crate) codes: &'a [i8],
    pub(crate) scale: f32,
    pub(crate) squared_norm: f32,
}

impl SketchBlock {
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        number: u32,
        dimension: usize,
    ) -> Result<Self> {
        let stored = ordinal_rows(snapshot, Kind::Sketch, number).await?;
        let mut block = Self {
            present: 0,
            codes: Vec::with_capacity(stored.len() * dimension),
            scales: Vec::with_capacity(stored.len()),
        };
        for (key, value) in &stored {
            block.present |= 1 << (trailing_ordinal(key)? - number * BLOCK_ORDINALS);
            block
                .push(value, dimension)
                .map_err(|why| StoreError::corrupt_row(key, why))?;
        }
        Ok(block)
    }

    /// A block of one.
    pub(crate) fn single(sketch: Sketch, offset: u32) -> Self {
        Self {
            present: 1 << offset,
            codes: sketch.codes.into_vec(),
            scales: vec![(sketch.scale, sketch.squared_norm)],
        }
    }

    fn push(&mut self, value: &[u8], dimension: usize) -> Result<(), keys::codec::Malformed> {
        let start = self.codes.len();
        let scale = keys::sketch::decode_into(value, dimension, &mut self.codes)?;
        let squared_norm = squared_norm(scale, &self.codes[start..]);
        self.scales.push((scale, squared_norm));
        Ok(())
    }

    pub(crate) fn row(&self, offset: u32, dimension: usize) -> Option<SketchRow<'_>> {
        if self.present >> offset & 1 == 0 {
            return None;
        }
        let row = row_of(self.present, offset);
        let (scale, squared_norm) = self.scales[row];
        Some(SketchRow {
            codes: &self.codes[row * dimension..(row + 1) * dimension],
            scale,
            squared_norm,
        })
    }
}

impl Cached for SketchBlock {
    fn bytes(&self) -> usize {
        self.codes.capacity() + self.scales.capacity() * 8
    }
}

impl SketchRow<'_> {
    /// Product with a query.
    pub(crate) fn dot(&self, query: &Sketch) -> f32 {
        dot_i8(self.codes, &query.codes) as f32 * (self.scale * query.scale)
    }
}
