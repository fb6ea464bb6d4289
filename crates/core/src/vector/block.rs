use super::Metric;
use crate::{
    cache::Cached,
    keys::{self, Kind, trailing_ordinal},
    store::{Result, ScanLimit, Snapshot, StoreError},
};

/// Ordinals that share a block.
pub(crate) const BLOCK_ORDINALS: u32 = 64;

/// The vectors of up to 64 neighbouring ordinals, side by side for the scanning kernels.
pub(crate) struct VectorBlock {
    /// Which ordinals of the block have a vector, lowest bit first.
    pub(crate) present: u64,
    /// Components, [prepared](Metric::prepare), row after row, of the ordinals that are present.
    pub(crate) rows: Vec<f32>,
}

impl VectorBlock {
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        number: u32,
        dimension: usize,
        metric: Metric,
    ) -> Result<Self> {
        let first = number * BLOCK_ORDINALS;
        let stored = ordinal_rows(snapshot, Kind::Vector, number).await?;
        let mut present = 0;
        let mut rows = Vec::with_capacity(stored.len() * dimension);
        for (key, value) in &stored {
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
        row_of(self.present, offset)
    }

    /// The components of an ordinal, if it has a vector.
    pub(crate) fn row(&self, offset: u32, dimension: usize) -> Option<&[f32]> {
        let row = self.row_of(offset);
        (self.present >> offset & 1 == 1)
            .then(|| &self.rows[row * dimension..(row + 1) * dimension])
    }
}

impl Cached for VectorBlock {
    fn bytes(&self) -> usize {
        self.rows.capacity() * 4
    }
}

/// The row of the member at `offset` when only the members in `present` have one.
pub(crate) const fn row_of(present: u64, offset: u32) -> usize {
    (present & ((1 << offset) - 1)).count_ones() as usize
}

/// The rows of a kind whose key is an ordinal, of the ordinals of one block.
pub(crate) async fn ordinal_rows(
    snapshot: &dyn Snapshot,
    kind: Kind,
    number: u32,
) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>> {
    let first = number * BLOCK_ORDINALS;
    let start = kind.key(&[&first.to_be_bytes()]);
    let end = match first.checked_add(BLOCK_ORDINALS) {
        Some(next) => kind.key(&[&next.to_be_bytes()]),
        None => kind.end(),
    };
    let limit = ScanLimit {
        rows: BLOCK_ORDINALS as usize,
        bytes: usize::MAX,
    };
    Ok(snapshot.scan(&start, &end, limit).await?.rows)
}
