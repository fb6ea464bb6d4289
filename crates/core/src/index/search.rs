use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use quartz_kernels::{codes, prefetch};
use roaring::RoaringBitmap;

use super::{
    Index, Page, SketchBlock,
    code::DEVIATION,
    prepared::Prepared,
    router::{Near, Nearness},
    seen::Seen,
    sketch::Sketch,
};
use crate::{
    Metric,
    cache::{Stamps, VectorCache},
    keys,
    store::{Result, Snapshot, StoreError},
    vector::BLOCK_ORDINALS,
};

/// How many standard deviations of the estimate by its sketch a vector is given the benefit of.
const SKETCH_DEVIATIONS: f32 = 3.0;
/// Clusters that are ranked at first; each time they do not suffice, four times as many.
const ROUTED: usize = 32;
/// Clusters scanned before their candidates are compared, so that memory is waited for once.
const ROUND: usize = 4;
/// Candidates compared at a time.
const BATCH: usize = 16;
/// Clusters after which a search lets other tasks run.
const CLUSTERS_PER_TURN: usize = 64;

/// When a search ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stop {
    /// How many standard deviations of a one-bit estimate a vector is given the benefit of.
    pub(crate) deviations: f32,
    /// After this many clusters in a row that brought nothing new among the best.
    pub(crate) patience: usize,
    /// After this many clusters.
    pub(crate) probes: usize,
}

/// Which vectors may be found.
pub(crate) enum Allowed<'a> {
    /// All but these.
    AllBut(&'a RoaringBitmap),
    /// These: their number, and a bit for each ordinal up to the highest.
    Only(u64, Vec<u64>),
}

impl Allowed<'_> {
    fn contains(&self, ordinal: u32) -> bool {
        match self {
            Self::AllBut(none) => none.is_empty() || !none.contains(ordinal),
            Self::Only(_, bits) => {
                let word = bits.get(ordinal as usize / 64).copied().unwrap_or(0);
                word >> (ordinal % 64) & 1 == 1
            }
        }
    }
}

/// What is searched.
pub(crate) struct Search<'a> {
    pub(crate) index: &'a Index,
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) cache: &'a VectorCache,
    /// Of blocks of vectors and sketches.
    pub(crate) blocks: &'a Stamps,
    pub(crate) allowed: Allowed<'a>,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Ordinals that may be among the best, in no order.
    pub(crate) ordinals: Vec<u32>,
    /// Clusters scanned.
    pub(crate) probes: u64,
    /// Vectors looked at, in whatever precision came first.
    pub(crate) scanned: u64,
    /// Sketches compared.
    pub(crate) refined: u64,
}

impl Search<'_> {
    /// Finds candidates for the `k` best vectors for a query, which is [prepared](Metric::prepare).
    pub(crate) async fn run(&self, query: &[f32], k: usize, stop: Stop) -> Result<Found> {
        let metric = self.index.metric;
        let query = Prepared::query(self.index.rotation.apply(query));
        let nearness = match metric {
            Metric::Cosine | Metric::Euclidean => Nearness::Distance,
            Metric::Dot => Nearness::Product,
        };
        let mut work = Work::new(Best::new(k, metric, &query));
        let mut found = Found::default();
        let mut quiet = 0;
        let mut routes = Routes::new(nearness);
        'rounds: loop {
            let done = found.probes as usize;
            let most = if done < stop.probes {
                stop.probes - done
            } else if work.best.is_full() || work.best.has_all(&self.allowed) {
                break;
            } else {
                // If k match, k come back.
                ROUND
            };
            if done % CLUSTERS_PER_TURN == CLUSTERS_PER_TURN - ROUND {
                crate::vector::yield_now().await;
            }
            let round = routes.round(self, &query, most);
            if round.is_empty() {
                break;
            }
            work.changed = [false; ROUND];
            for (number, (near, page)) in round.into_iter().enumerate() {
                let page = match page {
                    Some(page) => page,
                    None => self.load_page(near.cluster).await?,
                };
                found.probes += 1;
                found.scanned += page.len() as u64;
                self.scan(
                    &query,
                    stop.deviations * DEVIATION,
                    &near,
                    &page,
                    number,
                    &mut work,
                );
            }
            self.refine(&query, &mut work).await?;
            for changed in work.changed {
                quiet = if changed { 0 } else { quiet + 1 };
                let enough = quiet >= stop.patience;
                if enough && (work.best.is_full() || work.best.has_all(&self.allowed)) {
                    break 'rounds;
                }
            }
        }
        found.refined = work.best.refined.len() as u64;
        found.ordinals = work.best.finish();
        Ok(found)
    }

    /// Compares the sketch of every allowed vector.
    pub(crate) async fn run_over(
        &self,
        query: &[f32],
        k: usize,
        ordinals: &RoaringBitmap,
    ) -> Result<Found> {
        let query = Prepared::query(self.index.rotation.apply(query));
        let mut best = Best::new(k, self.index.metric, &query);
        let mut block: Option<(u32, Arc<SketchBlock>)> = None;
        for (turn, ordinal) in ordinals.iter().enumerate() {
            if turn % 4096 == 4095 {
                crate::vector::yield_now().await;
            }
            let number = ordinal / BLOCK_ORDINALS;
            // A block that is not in the cache may hold one sketch only.
            let offset = ordinal % BLOCK_ORDINALS;
            let kept = block.take().filter(|(kept, block)| {
                *kept == number && block.row(offset, self.dimension()).is_some()
            });
            let current = match kept {
                Some(kept) => kept,
                None => (number, self.sketches(number, ordinal).await?),
            };
            best.offer(&query, &current.1, ordinal, self.dimension())?;
            block = Some(current);
        }
        Ok(Found {
            scanned: ordinals.len(),
            refined: ordinals.len(),
            ordinals: best.finish(),
            ..Found::default()
        })
    }

    fn dimension(&self) -> usize {
        self.index.rotation.padded()
    }

    /// Adds the members of a cluster that may be among the best to the candidates.
    fn scan(
        &self,
        query: &Prepared,
        deviation: f32,
        near: &Near,
        page: &Page,
        number: usize,
        work: &mut Work,
    ) {
        let centroid = &near.centroid;
        let squared_distance = query.sketch.squared_norm + centroid.squared_norm - 2.0 * near.dot;
        let slack = deviation * squared_distance.max(0.0).sqrt();
        let base = match self.index.metric {
            Metric::Cosine | Metric::Dot => near.dot,
            Metric::Euclidean => 2.0 * near.dot - query.sketch.squared_norm,
        };
        let Work {
            best,
            bounds,
            positions,
            candidates,
            ..
        } = work;
        bounds.resize(page.add.len(), 0.0);
        codes::bounds(
            &query.table,
            &page.codes,
            &page.add,
            &page.scale,
            base,
            slack,
            bounds,
        );
        positions.clear();
        codes::above(bounds, best.threshold, positions);
        for &position in &*positions {
            let ordinal = page.ordinal(position as usize);
            if self.allowed.contains(ordinal) {
                candidates.push(Candidate {
                    bound: bounds[position as usize],
                    ordinal,
                    number,
                });
            }
        }
    }

    /// Compares the sketches of the candidates, best first, until no other can be among the best.
    async fn refine(&self, query: &Prepared, work: &mut Work) -> Result<()> {
        let dimension = self.dimension();
        let Work {
            best,
            seen,
            candidates,
            changed,
            ..
        } = work;
        while !candidates.is_empty() {
            let batch = candidates.len().min(BATCH);
            if candidates.len() > BATCH {
                candidates.select_nth_unstable_by(BATCH - 1, |a, b| b.bound.total_cmp(&a.bound));
            }
            let mut blocks = Vec::with_capacity(BATCH);
            for candidate in candidates.drain(..batch) {
                if seen.insert(candidate.ordinal) {
                    let number = candidate.ordinal / BLOCK_ORDINALS;
                    let block = self.cache.sketches(self.blocks, number);
                    blocks.push((candidate, block));
                }
            }
            for (candidate, block) in &blocks {
                let offset = candidate.ordinal % BLOCK_ORDINALS;
                if let Some(row) = block
                    .as_ref()
                    .and_then(|block| block.row(offset, dimension))
                {
                    prefetch(row.codes);
                }
            }
            for (
                Candidate {
                    ordinal, number, ..
                },
                block,
            ) in blocks
            {
                let block = match block {
                    Some(block) => block,
                    None => {
                        self.load_sketches(ordinal / BLOCK_ORDINALS, ordinal)
                            .await?
                    }
                };
                changed[number] |= best.offer(query, &block, ordinal, dimension)?;
            }
            let threshold = best.threshold;
            candidates.retain(|candidate| candidate.bound > threshold);
        }
        Ok(())
    }

    async fn load_page(&self, cluster: u32) -> Result<Arc<Page>> {
        let page = Arc::new(Page::load(self.snapshot, cluster, self.dimension()).await?);
        self.cache
            .insert_page(&self.index.pages, cluster, Arc::clone(&page));
        Ok(page)
    }

    async fn sketches(&self, number: u32, ordinal: u32) -> Result<Arc<SketchBlock>> {
        match self.cache.sketches(self.blocks, number) {
            Some(block) => Ok(block),
            None => self.load_sketches(number, ordinal).await,
        }
    }

    /// The block with the sketch of an ordinal, or only that sketch.
    async fn load_sketches(&self, number: u32, ordinal: u32) -> Result<Arc<SketchBlock>> {
        if !self.cache.wants_block() {
            let sketch = Sketch::load(self.snapshot, ordinal, self.dimension()).await?;
            let block = SketchBlock::single(sketch, ordinal % BLOCK_ORDINALS);
            return Ok(Arc::new(block));
        }
        let block = SketchBlock::load(self.snapshot, number, self.dimension()).await?;
        let block = Arc::new(block);
        self.cache
            .insert_sketches(self.blocks, number, Arc::clone(&block));
        Ok(block)
    }
}

/// Clusters, nearest first, ranked in growing portions and taken in rounds. Pages of the round after
/// are asked for while one is scanned.
struct Routes {
    nearness: Nearness,
    ranked: std::vec::IntoIter<Near>,
    visited: Vec<u32>,
    portion: usize,
    ahead: Vec<(Near, Option<Arc<Page>>)>,
}

impl Routes {
    fn new(nearness: Nearness) -> Self {
        Self {
            nearness,
            ranked: Vec::new().into_iter(),
            visited: Vec::new(),
            portion: 0,
            ahead: Vec::new(),
        }
    }

    /// The next clusters with their pages, where these are in memory.
    fn round(
        &mut self,
        search: &Search<'_>,
        query: &Prepared,
        most: usize,
    ) -> Vec<(Near, Option<Arc<Page>>)> {
        let mut round = std::mem::take(&mut self.ahead);
        if round.is_empty() {
            round = self.take(search, query);
        }
        if most > ROUND {
            self.ahead = self.take(search, query);
        }
        round.truncate(most);
        round
    }

    fn take(&mut self, search: &Search<'_>, query: &Prepared) -> Vec<(Near, Option<Arc<Page>>)> {
        let index = search.index;
        let mut taken = Vec::with_capacity(ROUND);
        while taken.len() < ROUND {
            let Some(near) = self.next(index, query) else {
                break;
            };
            let page = search.cache.page(&index.pages, near.cluster);
            taken.push((near, page));
        }
        for page in taken.iter().filter_map(|(_, page)| page.as_ref()) {
            prefetch(&page.codes);
            prefetch(&page.add);
            prefetch(&page.scale);
        }
        taken
    }

    fn next(&mut self, index: &Index, query: &Prepared) -> Option<Near> {
        loop {
            if let Some(near) = self.ranked.next() {
                self.visited.push(near.cluster);
                return Some(near);
            }
            if self.visited.len() >= index.router.len() {
                return None;
            }
            self.portion = if self.portion == 0 {
                ROUTED
            } else {
                self.portion * 4
            };
            let mut visited = self.visited.clone();
            visited.sort_unstable();
            let mut ranked = index.router.near(query, self.nearness, self.portion);
            ranked.retain(|near| visited.binary_search(&near.cluster).is_err());
            self.ranked = ranked.into_iter();
        }
    }
}

/// What a search keeps from cluster to cluster.
struct Work {
    best: Best,
    seen: Seen,
    bounds: Vec<f32>,
    positions: Vec<u32>,
    candidates: Vec<Candidate>,
    /// Which clusters of the round brought something new among the best.
    changed: [bool; ROUND],
}

/// A vector that may be among the best: its bound, and the cluster of the round that it is in.
struct Candidate {
    bound: f32,
    ordinal: u32,
    number: usize,
}

impl Work {
    fn new(best: Best) -> Self {
        Self {
            best,
            seen: Seen::new(),
            bounds: Vec::new(),
            positions: Vec::new(),
            candidates: Vec::new(),
            changed: [false; ROUND],
        }
    }
}

/// The best so far, by sketch.
struct Best {
    k: usize,
    metric: Metric,
    /// Deviation of a product of the query with a vector, for each unit of the vector's scale and length.
    deviation: (f32, f32),
    query_squared_norm: f32,
    /// The `k` highest ranks, lowest first.
    top: BinaryHeap<Reverse<Rank>>,
    /// What a rank must exceed to be among them.
    threshold: f32,
    /// Every vector compared: rank and how far it may be off.
    refined: Vec<(f32, f32, u32)>,
}

#[derive(Clone, Copy, PartialEq)]
struct Rank(f32);

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Best {
    fn new(k: usize, metric: Metric, query: &Prepared) -> Self {
        // A component is off by up to half a step, evenly distributed: a deviation of step / √12.
        let unit = SKETCH_DEVIATIONS / 12.0_f32.sqrt();
        let length = query.sketch.squared_norm.sqrt();
        Self {
            k,
            metric,
            deviation: (unit * length, unit * query.sketch.scale),
            query_squared_norm: query.sketch.squared_norm,
            top: BinaryHeap::with_capacity(k.min(1 << 12) + 1),
            threshold: f32::NEG_INFINITY,
            refined: Vec::with_capacity(256),
        }
    }

    /// Compares a vector; whether it is among the best so far.
    fn offer(
        &mut self,
        query: &Prepared,
        block: &SketchBlock,
        ordinal: u32,
        dimension: usize,
    ) -> Result<bool> {
        let row = block
            .row(ordinal % BLOCK_ORDINALS, dimension)
            .ok_or_else(|| StoreError::corrupt_row(&keys::sketch::key(ordinal), "missing"))?;
        let dot = row.dot(&query.sketch);
        let off = self.deviation.0 * row.scale + self.deviation.1 * row.squared_norm.sqrt();
        let (rank, off) = match self.metric {
            Metric::Cosine | Metric::Dot => (dot, off),
            Metric::Euclidean => (
                2.0 * dot - row.squared_norm - self.query_squared_norm,
                2.0 * off,
            ),
        };
        self.refined.push((rank, off, ordinal));
        if self.is_full() && rank <= self.threshold {
            return Ok(false);
        }
        self.top.push(Reverse(Rank(rank)));
        if self.top.len() > self.k {
            self.top.pop();
        }
        if self.is_full()
            && let Some(Reverse(Rank(lowest))) = self.top.peek()
        {
            self.threshold = *lowest;
        }
        Ok(true)
    }

    fn is_full(&self) -> bool {
        self.top.len() >= self.k
    }

    /// Whether every vector that may be found is.
    fn has_all(&self, allowed: &Allowed<'_>) -> bool {
        match allowed {
            Allowed::AllBut(_) => false,
            Allowed::Only(count, _) => self.refined.len() as u64 >= *count,
        }
    }

    /// Every vector that may be among the best, by its rank and how far it may be off.
    fn finish(self) -> Vec<u32> {
        let mut surest = self.threshold;
        if self.is_full() {
            let off = self
                .refined
                .iter()
                .filter(|refined| refined.0 >= self.threshold);
            surest -= off.map(|refined| refined.1).fold(0.0, f32::max);
        }
        self.refined
            .into_iter()
            .filter(|(rank, off, _)| rank + off >= surest)
            .map(|(_, _, ordinal)| ordinal)
            .collect()
    }
}
