use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use quartz_kernels::{f16_to_f32, prefetch};

use super::{Metric, metric::divide};
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
    /// The largest [`rounding_length`](Metric::rounding_length) of a row.
    pub(crate) longest: f64,
    rows: Rows,
}

/// Row after row, of the ordinals that are present.
enum Rows {
    /// Components, [prepared](Metric::prepare).
    F32(Vec<f32>),
    /// Halves, as they are stored: prepared, they would not be halves.
    F16 {
        components: Vec<u16>,
        /// The [divisor](Metric::divisor) of each row, if the metric has any.
        divisors: Vec<f64>,
    },
}

impl VectorBlock {
    /// What a full block takes at most.
    pub(crate) const fn bytes_of(dimension: usize) -> usize {
        BLOCK_ORDINALS as usize * dimension * size_of::<f32>()
    }

    /// Reads a block. Vectors stored as halves stay halves; all others become `f32`.
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        number: u32,
        dimension: usize,
        metric: Metric,
    ) -> Result<Self> {
        let first = number * BLOCK_ORDINALS;
        let stored = ordinal_rows(snapshot, Kind::Vector, number).await?;
        let mut present = 0;
        for (key, _) in &stored {
            present |= 1 << (trailing_ordinal(key)? - first);
        }
        let halves = stored
            .iter()
            .map(|(_, value)| keys::vector::halves(value, dimension));
        let (rows, longest) = match halves.collect::<Option<Vec<_>>>() {
            Some(halves) => f16_rows(&halves, dimension, metric),
            None => f32_rows(&stored, dimension, metric)?,
        };
        Ok(Self {
            present,
            longest,
            rows,
        })
    }

    /// Ranks of neighbouring rows, the first of which is the row `first`, against a prepared query.
    pub(crate) fn ranks(&self, metric: Metric, query: &[f32], first: usize, ranks: &mut [f32]) {
        let end = first + ranks.len();
        let components = first * query.len()..end * query.len();
        match &self.rows {
            Rows::F32(rows) => metric.ranks(query, &rows[components], ranks),
            Rows::F16 {
                components: rows,
                divisors,
            } => {
                metric.f16_ranks(query, &rows[components], ranks);
                let divisors = divisors.get(first..end).unwrap_or_default();
                for (rank, divisor) in ranks.iter_mut().zip(divisors) {
                    *rank = (f64::from(*rank) / divisor) as f32;
                }
            }
        }
    }

    /// The prepared components of an ordinal, if it has a vector.
    pub(crate) fn row(&self, offset: u32, dimension: usize) -> Option<Cow<'_, [f32]>> {
        let (row, components) = self.place(offset, dimension)?;
        Some(match &self.rows {
            Rows::F32(rows) => Cow::Borrowed(&rows[components]),
            Rows::F16 {
                components: rows,
                divisors,
            } => {
                let mut wide = vec![0.0; dimension];
                f16_to_f32(&rows[components], &mut wide);
                if let Some(&divisor) = divisors.get(row) {
                    divide(&mut wide, divisor);
                }
                Cow::Owned(wide)
            }
        })
    }

    /// Asks the processor for what [`row`](Self::row) will read.
    pub(crate) fn expect(&self, offset: u32, dimension: usize) {
        if let Some((_, components)) = self.place(offset, dimension) {
            match &self.rows {
                Rows::F32(rows) => prefetch(&rows[components]),
                Rows::F16 {
                    components: rows, ..
                } => prefetch(&rows[components]),
            }
        }
    }

    /// The row of an ordinal and where its components are, if it has a vector.
    fn place(&self, offset: u32, dimension: usize) -> Option<(usize, Range<usize>)> {
        let row = row_of(self.present, offset);
        (self.present >> offset & 1 == 1).then_some((row, row * dimension..(row + 1) * dimension))
    }
}

impl Cached for VectorBlock {
    fn bytes(&self) -> usize {
        match &self.rows {
            Rows::F32(rows) => rows.capacity() * 4,
            Rows::F16 {
                components,
                divisors,
            } => components.capacity() * 2 + divisors.capacity() * 8,
        }
    }

    fn uses_for_one() -> u64 {
        24
    }
}

/// Rows of halves and the largest rounding length among them.
fn f16_rows(stored: &[&[[u8; 2]]], dimension: usize, metric: Metric) -> (Rows, f64) {
    let mut components = Vec::with_capacity(stored.len() * dimension);
    let mut divisors = Vec::new();
    let mut wide = vec![0.0; dimension];
    let mut longest = 0.0_f64;
    for row in stored {
        let start = components.len();
        components.extend(row.iter().map(|half| u16::from_le_bytes(*half)));
        f16_to_f32(&components[start..], &mut wide);
        divisors.extend(metric.divisor(&wide));
        longest = longest.max(metric.rounding_length(&wide));
    }
    let rows = Rows::F16 {
        components,
        divisors,
    };
    (rows, longest)
}

/// Prepared rows and the largest rounding length among them.
fn f32_rows(stored: &[(Bytes, Bytes)], dimension: usize, metric: Metric) -> Result<(Rows, f64)> {
    let mut rows = Vec::with_capacity(stored.len() * dimension);
    let mut longest = 0.0_f64;
    for (key, value) in stored {
        let start = rows.len();
        keys::vector::decode_into(value, dimension, &mut rows)
            .map_err(|why| StoreError::corrupt_row(key, why))?;
        let row = &mut rows[start..];
        metric.prepare(row);
        longest = longest.max(metric.rounding_length(row));
    }
    Ok((Rows::F32(rows), longest))
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
) -> Result<Vec<(Bytes, Bytes)>> {
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

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{
        store::{Batch, Durability, MemoryStore, Store},
        vector::{Precision, single},
    };

    const DIMENSION: usize = 40;
    /// Every second ordinal of the block.
    const STORED: usize = BLOCK_ORDINALS as usize / 2;

    fn snapshot_with(precision: impl Fn(u32) -> Precision) -> std::sync::Arc<dyn Snapshot> {
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        for ordinal in (0..BLOCK_ORDINALS).step_by(2) {
            let vector: Vec<f32> = (1..=DIMENSION as u32)
                .map(|i| ((ordinal * 31 + i * 17) % 101) as f32 / 7.0 - 3.0)
                .collect();
            let value = keys::vector::encode(precision(ordinal), &vector);
            batch.put(keys::vector::key(ordinal), value);
        }
        block_on(store.commit(batch, Durability::Memory)).unwrap();
        block_on(store.snapshot()).unwrap()
    }

    fn load(snapshot: &dyn Snapshot, metric: Metric) -> VectorBlock {
        block_on(VectorBlock::load(snapshot, 0, DIMENSION, metric)).unwrap()
    }

    #[test]
    fn halves_take_half() {
        for (metric, beside) in [
            (Metric::Cosine, STORED * 8),
            (Metric::Dot, 0),
            (Metric::Euclidean, 0),
        ] {
            let [f32, f16, int8] = [Precision::F32, Precision::F16, Precision::Int8]
                .map(|precision| load(&*snapshot_with(|_| precision), metric).bytes());
            assert_eq!(f32, STORED * DIMENSION * 4);
            assert_eq!(f16, STORED * DIMENSION * 2 + beside);
            assert_eq!(int8, f32);
        }
    }

    /// Also of a block whose vectors are not all stored alike.
    #[test]
    fn a_row_has_the_bits_of_the_vector_prepared() {
        let mixed = |ordinal: u32| match ordinal % 3 {
            0 => Precision::F16,
            1 => Precision::F32,
            _ => Precision::Int8,
        };
        for snapshot in [snapshot_with(|_| Precision::F16), snapshot_with(mixed)] {
            for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean] {
                let block = load(&*snapshot, metric);
                for ordinal in (0..BLOCK_ORDINALS).step_by(2) {
                    let mut vector = block_on(single(&*snapshot, ordinal, DIMENSION)).unwrap();
                    metric.prepare(&mut vector);
                    let row = block.row(ordinal, DIMENSION).unwrap();
                    let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&row), bits(&vector));
                    assert!(block.row(ordinal + 1, DIMENSION).is_none());
                }
            }
        }
    }
}
