use std::sync::Arc;

use quartz_kernels::codes::BLOCK;
use roaring::RoaringBitmap;

use super::{
    SketchBlock,
    gathered::Gathered,
    prepared::Prepared,
    search::{Best, Bounding, Found, Search, Work},
};
use crate::{
    cache::Kept,
    keys,
    store::{Result, StoreError},
    vector::{BLOCK_ORDINALS, yield_now},
};

/// Blocks that are bounded before the promising vectors among them are compared.
const PORTION: usize = 1024 / BLOCK;
/// Vectors that are asked for, and come, at a time.
const AT_ONCE: usize = 64;

impl Search<'_> {
    /// Finds candidates for the `k` best of some vectors: compares the sketch of each.
    pub(crate) async fn run_over(
        &self,
        query: &[f32],
        k: usize,
        ordinals: &RoaringBitmap,
    ) -> Result<Found> {
        let query = Prepared::query(self.index.rotation.apply(query));
        let mut best = Best::new(k, self.index.metric, &query);
        self.walk(ordinals, |ordinal, block| {
            best.offer(&query, block, ordinal, self.dimension(), 0)?;
            Ok(())
        })
        .await?;
        Ok(found(best, ordinals))
    }

    /// The same by bounding each vector by its signs, and comparing by its sketch what may still be among the best.
    /// The signs are gathered, unless they are kept.
    ///
    /// `deviations` are what those of [`Stop`](super::Stop) are in a cluster.
    pub(crate) async fn run_over_signs(
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
        let query = Prepared::query(self.index.rotation.apply(query));
        let bounding = Bounding::new(self.index.metric, &query, deviations, 0.0, 0.0);
        let mut work = Work::new(Best::new(k, self.index.metric, &query));
        let blocks = gathered.page.len().div_ceil(BLOCK);
        for first in (0..blocks).step_by(PORTION) {
            yield_now().await;
            let portion = first..blocks.min(first + PORTION);
            bounding.candidates(&query, &gathered.page, portion, 0, &mut work, |_, _| true);
            self.refine(&query, &mut work).await?;
        }
        Ok(found(work.best, ordinals))
    }

    /// Brings together what the vectors are bounded by.
    async fn gather(&self, ordinals: &RoaringBitmap) -> Result<Gathered> {
        let (dimension, metric) = (self.dimension(), self.index.metric);
        let mut gathered = Gathered::new(ordinals.clone(), dimension);
        self.walk(ordinals, |ordinal, block| {
            let row = block.row(ordinal % BLOCK_ORDINALS, dimension);
            let missing = || StoreError::corrupt_row(&keys::sketch::key(ordinal), "missing");
            gathered.push(ordinal, &row.ok_or_else(missing)?, metric);
            Ok(())
        })
        .await?;
        Ok(gathered)
    }

    /// Calls `visit` with each of some vectors, ascending, and the block that its sketch is in.
    async fn walk(
        &self,
        ordinals: &RoaringBitmap,
        mut visit: impl FnMut(u32, &SketchBlock) -> Result<()>,
    ) -> Result<()> {
        let mut rest = ordinals.iter();
        let mut some = [0; AT_ONCE];
        loop {
            let mut some = &*rest.next_many(&mut some);
            if some.is_empty() {
                return Ok(());
            }
            yield_now().await;
            for (block, count) in self.blocks(some).await? {
                let (inside, after) = some.split_at(count);
                for &ordinal in inside {
                    visit(ordinal, &block)?;
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
                _ => {
                    let block = self.index.sketch_block(self.snapshot, self.cache, ordinal);
                    blocks.push((block.await?, 1));
                }
            }
            last = Some(number);
            if let Some((block, _)) = blocks.last() {
                block.prefetch(offset, self.dimension());
            }
        }
        Ok(blocks)
    }
}

fn found(best: Best, ordinals: &RoaringBitmap) -> Found {
    Found {
        scanned: ordinals.len(),
        refined: best.refined.len() as u64,
        ordinals: best.finish(),
        ..Found::default()
    }
}
