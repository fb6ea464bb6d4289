use std::sync::Arc;

use quartz_kernels::{codes, dot_signs_gather};
use roaring::RoaringBitmap;

use super::{
    SketchBlock,
    code::DEVIATION,
    gathered::Gathered,
    prepared::Prepared,
    search::{Best, Candidate, Found, Search, Work},
};
use crate::{
    Metric,
    cache::Kept,
    keys,
    store::{Result, StoreError},
    vector::{BLOCK_ORDINALS, yield_now},
};

/// Vectors that are bounded before the promising ones among them are compared.
const PORTION: usize = 1024;
/// Vectors that are asked for, and come, at a time.
const GATHERED_AT_ONCE: usize = 256;

impl Search<'_> {
    /// Finds candidates for the `k` best of some vectors: bounds each by its signs, and compares by its sketch what
    /// may still be among the best.
    ///
    /// `deviations` are what those of [`Stop`](super::Stop) are in a cluster.
    pub(crate) async fn run_over(
        &self,
        query: &[f32],
        k: usize,
        deviations: f32,
        ordinals: &RoaringBitmap,
    ) -> Result<Found> {
        let gathered = match self.index.gathered.get(self.cache, ordinals) {
            Some(gathered) => gathered,
            None => {
                let gathered = self.gather(ordinals).await?;
                self.index.gathered.insert(self.cache, gathered)
            }
        };
        let metric = self.index.metric;
        let query = Prepared::query(self.index.rotation.apply(query));
        let sketch = &query.sketch;
        let slack = deviations * DEVIATION * sketch.squared_norm.sqrt();
        let base = match metric {
            Metric::Cosine | Metric::Dot => 0.0,
            Metric::Euclidean => -sketch.squared_norm,
        };
        let mut work = Work::new(Best::new(k, metric, &query));
        let mut all_signs = gathered.signs(self.dimension());
        let lengths = gathered.add.chunks(PORTION);
        let lengths = lengths.zip(gathered.scale.chunks(PORTION));
        let mut rest = ordinals.iter();
        let (mut portion, mut products) = (vec![0; PORTION], vec![0; PORTION]);
        let (mut signs, mut bounds, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for (add, scale) in lengths {
            yield_now().await;
            let portion = rest.next_many(&mut portion);
            signs.clear();
            signs.extend(all_signs.by_ref().take(add.len()));
            let products = &mut products[..add.len()];
            dot_signs_gather(&sketch.codes, &signs, products);
            let each = products.iter().zip(add).zip(scale);
            bounds.clear();
            bounds.extend(each.map(|((&product, add), scale)| {
                (base + add) + (product as f32 * sketch.scale + slack) * scale
            }));
            above.clear();
            codes::above(&bounds, work.best.threshold, &mut above);
            for &position in &above {
                work.candidates.push(Candidate {
                    bound: bounds[position as usize],
                    ordinal: portion[position as usize],
                    number: 0,
                });
            }
            self.refine(&query, &mut work).await?;
        }
        Ok(Found {
            scanned: ordinals.len(),
            refined: work.best.refined.len() as u64,
            ordinals: work.best.finish(),
            ..Found::default()
        })
    }

    /// Brings together what the vectors are bounded by.
    async fn gather(&self, ordinals: &RoaringBitmap) -> Result<Gathered> {
        let (dimension, metric) = (self.dimension(), self.index.metric);
        let mut gathered = Gathered::new(ordinals.clone(), dimension);
        let mut rest = ordinals.iter();
        let mut some = [0; GATHERED_AT_ONCE];
        loop {
            let mut some = &*rest.next_many(&mut some);
            if some.is_empty() {
                return Ok(gathered);
            }
            yield_now().await;
            for (block, count) in self.blocks(some).await? {
                let (inside, after) = some.split_at(count);
                for &ordinal in inside {
                    let row = block.signs(ordinal % BLOCK_ORDINALS, dimension);
                    let row = row.ok_or_else(|| {
                        StoreError::corrupt_row(&keys::sketch::key(ordinal), "missing")
                    })?;
                    gathered.push(&row, metric);
                }
                some = after;
            }
        }
    }

    /// The blocks that ascending ordinals are in, each with how many of them.
    async fn blocks(&self, ordinals: &[u32]) -> Result<Vec<(Arc<Kept<SketchBlock>>, usize)>> {
        for same in ordinals.chunk_by(|a, b| a / BLOCK_ORDINALS == b / BLOCK_ORDINALS) {
            self.index.sketches.expect(same[0] / BLOCK_ORDINALS);
        }
        let mut blocks: Vec<(Arc<Kept<SketchBlock>>, usize)> = Vec::new();
        let mut last = None;
        for &ordinal in ordinals {
            let (number, offset) = (ordinal / BLOCK_ORDINALS, ordinal % BLOCK_ORDINALS);
            match blocks.last_mut() {
                // A block that is not in the cache may hold one sketch only.
                Some((block, count)) if last == Some(number) && block.has(offset) => *count += 1,
                _ => blocks.push((self.sketches(number, ordinal).await?, 1)),
            }
            last = Some(number);
            if let Some((block, _)) = blocks.last() {
                block.prefetch_signs(offset, self.dimension());
            }
        }
        Ok(blocks)
    }
}
