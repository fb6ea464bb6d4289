use std::{cmp::Reverse, collections::BinaryHeap, mem, ops::Range, sync::Arc};

use quartz_kernels::codes::{self, BLOCK, Scan};

use super::{
    Index, Page, SketchBlock, allowed::Allowed, code::DEVIATION, outlook::Outlook,
    prepared::Prepared, router::Nearness, routes::Routes, seen::Seen,
};
use crate::{
    Metric,
    cache::{Kept, VectorCache},
    keys,
    store::{Result, Snapshot, StoreError},
    vector::BLOCK_ORDINALS,
};

/// How many standard deviations of the estimate by its sketch a vector is given the benefit of.
const SKETCH_DEVIATIONS: f32 = 3.0;
/// Clusters scanned before their candidates are compared, so that memory is waited for once.
pub(super) const ROUND: usize = 4;
/// Candidates compared at a time.
const BATCH: usize = 16;
/// Members that memory is taken for beforehand: what most clusters have.
const MEMBERS: usize = 4 * BLOCK;
/// What a find leaves of what clusters without one have come to before it. If it left nothing, a search that finds
/// something just often enough would go on for long (decision 0011).
const STILL_QUIET: f32 = 0.5;
/// Clusters after which a search lets other tasks run.
const CLUSTERS_PER_TURN: usize = 64;

/// When a search ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stop {
    /// How many standard deviations of a one-bit estimate a vector is given the benefit of.
    pub(crate) deviations: f32,
    /// After clusters that brought nothing new among the best and count for this much together: each its
    /// [weight](Outlook::weight). Of a cluster of which a filter allows only some, that counts times the square root
    /// of their share, or of its share of all vectors where that is less. One that did bring something takes away half of
    /// what the ones before it count.
    pub(crate) patience: f32,
    /// After this many clusters.
    pub(crate) probes: usize,
}

/// What is searched.
pub(crate) struct Search<'a> {
    pub(crate) index: &'a Index,
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) cache: &'a VectorCache,
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
        let mut found = Found::default();
        let best = self.probe(query, k, stop, &mut found).await?;
        found.refined = best.refined.len() as u64;
        found.ordinals = best.finish();
        Ok(found)
    }

    /// Searches as [`run`](Self::run) does and gives for each of the `k` best the patience that a search must exceed
    /// to find it.
    pub(super) async fn needed(&self, query: &[f32], k: usize, stop: Stop) -> Result<Vec<f32>> {
        let best = self.probe(query, k, stop, &mut Found::default()).await?;
        let mut refined = best.refined;
        refined.sort_unstable_by(|a, b| b.rank.total_cmp(&a.rank));
        refined.truncate(k);
        Ok(refined.into_iter().map(|vector| vector.needed).collect())
    }

    async fn probe(&self, query: &[f32], k: usize, stop: Stop, found: &mut Found) -> Result<Best> {
        let metric = self.index.metric;
        let query = Prepared::query(self.index.rotation.apply(query));
        let nearness = match metric {
            Metric::Cosine => Nearness::Compact,
            Metric::Euclidean => Nearness::Distance,
            Metric::Dot => Nearness::Product,
        };
        let mut work = Work::new(Best::new(k, metric, &query));
        let (mut quiet, mut longest_quiet) = (0.0_f32, 0.0_f32);
        let mut routes = Routes::new(self, &query, nearness, &stop);
        let mut round = Vec::with_capacity(ROUND);
        let mut pages = Vec::with_capacity(ROUND);
        loop {
            let done = found.probes as usize;
            let most = if done < stop.probes {
                stop.probes - done
            } else if work.best.is_full() {
                break;
            } else {
                // If k match, k come back.
                ROUND
            };
            if done % CLUSTERS_PER_TURN == CLUSTERS_PER_TURN - ROUND {
                crate::vector::yield_now().await;
            }
            routes.round(&query, most, &mut round);
            if round.is_empty() {
                break;
            }
            let clusters = round.len();
            let mut counts = [1.0; ROUND];
            pages.clear();
            for (number, (ranked, page)) in round.drain(..).enumerate() {
                let page = match page {
                    Some(page) => page,
                    None => self.load_page(ranked.cluster()).await?,
                };
                found.probes += 1;
                found.scanned += page.len() as u64;
                if self.allowed.is_filter() {
                    let share = self.allowed.mark(&page, &mut work.marks[number]);
                    counts[number] = share.min(self.allowed.share()).sqrt();
                    if share == 0.0 {
                        continue;
                    }
                    page.prefetch_numbers();
                    page.prefetch_codes();
                }
                pages.push((number, ranked, page));
            }
            work.changed = [false; ROUND];
            let compared = work.best.refined.len();
            for (at, (number, ranked, page)) in pages.iter().enumerate() {
                let bounding = Bounding {
                    ahead: match pages.get(at + 1) {
                        Some((_, _, next)) => &next.codes,
                        None => routes.coming_codes(),
                    },
                    ..Bounding::new(
                        metric,
                        &query,
                        stop.deviations,
                        ranked.dot,
                        ranked.squared_norm,
                    )
                };
                self.scan(&query, bounding, page, *number, &mut work);
                // From then on most members of other clusters are known not to be among them.
                if !work.best.is_full() && work.candidates.len() >= k {
                    self.compare(&query, &mut work, k).await?;
                }
            }
            self.refine(&query, &mut work).await?;
            if work.best.has_all(&self.allowed) {
                break;
            }
            for (number, ranked, page) in &pages {
                let outlook =
                    Outlook::new(metric, &query, *ranked, page.spread(), self.dimension());
                counts[*number] *= outlook.weight(work.best.threshold);
            }
            let mut enough = false;
            let mut needed = [0.0; ROUND];
            for number in 0..clusters {
                needed[number] = longest_quiet;
                quiet = if work.changed[number] {
                    STILL_QUIET * quiet
                } else {
                    quiet + counts[number]
                };
                longest_quiet = longest_quiet.max(quiet);
                enough |= quiet >= stop.patience;
            }
            for vector in &mut work.best.refined[compared..] {
                vector.needed = needed[vector.number];
            }
            if enough && work.best.is_full() {
                break;
            }
        }
        Ok(work.best)
    }

    pub(super) fn dimension(&self) -> usize {
        self.index.rotation.padded()
    }

    /// Adds the members of a cluster that may be among the best to the candidates.
    fn scan(
        &self,
        query: &Prepared,
        bounding: Bounding<'_>,
        page: &Page,
        number: usize,
        work: &mut Work,
    ) {
        if !self.allowed.is_filter() {
            let all = 0..page.add.len() / BLOCK;
            let may_be = |_, ordinal| self.allowed.contains(ordinal);
            bounding.candidates(query, page, all, number, work, may_be);
            return;
        }
        // Which codes are needed was known before, and they were asked for.
        let bounding = Bounding {
            ahead: &[],
            ..bounding
        };
        let marks = mem::take(&mut work.marks[number]);
        let marked = |position: usize, _| marks[position / BLOCK] >> (position % BLOCK) & 1 == 1;
        let mut first = 0;
        for run in marks.split_inclusive(|&block| block == 0) {
            let empty = usize::from(run.last() == Some(&0));
            if run.len() > empty {
                let blocks = first..first + run.len() - empty;
                bounding.candidates(query, page, blocks, number, work, marked);
            }
            first += run.len();
        }
        work.marks[number] = marks;
    }

    /// Compares the sketches of the candidates, best first, until no other can be among the best.
    pub(super) async fn refine(&self, query: &Prepared, work: &mut Work) -> Result<()> {
        while !work.candidates.is_empty() {
            self.compare(query, work, BATCH).await?;
        }
        Ok(())
    }

    /// Compares the sketches of the `count` best candidates, and drops those that cannot be among the best any more.
    async fn compare(&self, query: &Prepared, work: &mut Work, count: usize) -> Result<()> {
        let dimension = self.dimension();
        let Work {
            best,
            seen,
            candidates,
            batch,
            changed,
            ..
        } = work;
        let count = count.min(candidates.len());
        if count < candidates.len() {
            candidates.select_nth_unstable_by(count, |a, b| b.bound.total_cmp(&a.bound));
        }
        for candidate in &candidates[..count] {
            let number = candidate.ordinal / BLOCK_ORDINALS;
            self.index.sketches.expect(number);
        }
        for candidate in candidates.drain(..count) {
            if seen.insert(candidate.ordinal) {
                let number = candidate.ordinal / BLOCK_ORDINALS;
                let block = self.index.sketches.get(self.cache, number);
                batch.push((candidate, block));
            }
        }
        for (candidate, block) in &*batch {
            let offset = candidate.ordinal % BLOCK_ORDINALS;
            if let Some(block) = block {
                block.prefetch(offset, dimension);
            }
        }
        for (
            Candidate {
                ordinal, number, ..
            },
            block,
        ) in batch.drain(..)
        {
            let block = match block {
                Some(block) => block,
                None => {
                    let load = self
                        .index
                        .load_sketch_block(self.snapshot, self.cache, ordinal);
                    load.await?
                }
            };
            changed[number] |= best.offer(query, &block, ordinal, dimension, number)?;
        }
        let threshold = best.threshold;
        candidates.retain(|candidate| candidate.bound > threshold);
        Ok(())
    }

    async fn load_page(&self, cluster: u32) -> Result<Arc<Kept<Page>>> {
        let page = Page::load(self.snapshot, cluster, self.dimension()).await?;
        Ok(self.index.pages.insert(self.cache, cluster, page))
    }
}

/// How the members of a page are bounded.
#[derive(Clone, Copy)]
pub(super) struct Bounding<'a> {
    base: f32,
    slack: f32,
    /// Codes that are scanned next, for which memory is asked meanwhile.
    ahead: &'a [u8],
}

impl Bounding<'_> {
    /// `deviations` is that of [`Stop`]; `dot` is the product of the query with the centroid that the codes are
    /// relative to, `squared_norm` the squared length of that.
    pub(super) fn new(
        metric: Metric,
        query: &Prepared,
        deviations: f32,
        dot: f32,
        squared_norm: f32,
    ) -> Self {
        let squared_distance = query.sketch.squared_norm + squared_norm - 2.0 * dot;
        Self {
            base: match metric {
                Metric::Cosine | Metric::Dot => dot,
                Metric::Euclidean => 2.0 * dot - query.sketch.squared_norm,
            },
            slack: deviations * DEVIATION * squared_distance.max(0.0).sqrt(),
            ahead: &[],
        }
    }

    /// Adds the members of some blocks that may be among the best, and may be found, to the candidates.
    pub(super) fn candidates(
        &self,
        query: &Prepared,
        page: &Page,
        blocks: Range<usize>,
        number: usize,
        work: &mut Work,
        may_be: impl Fn(usize, u32) -> bool,
    ) {
        let places = BLOCK * blocks.start..BLOCK * blocks.end;
        let Work {
            best,
            bounds,
            positions,
            candidates,
            ..
        } = work;
        bounds.resize(places.len(), 0.0);
        let scan = Scan {
            table: &query.table,
            codes: page.blocks(blocks.start, blocks.end),
            add: &page.add[places.clone()],
            scale: &page.scale[places.clone()],
            base: self.base,
            slack: self.slack,
            ahead: self.ahead,
        };
        codes::bounds(&scan, bounds);
        positions.clear();
        codes::above(bounds, best.threshold, positions);
        for &position in &*positions {
            let bound = bounds[position as usize];
            let position = places.start + position as usize;
            let ordinal = page.ordinal(position);
            if may_be(position, ordinal) {
                candidates.push(Candidate {
                    bound,
                    ordinal,
                    number,
                });
            }
        }
    }
}

/// What a search keeps from cluster to cluster.
pub(super) struct Work {
    pub(super) best: Best,
    seen: Seen,
    bounds: Vec<f32>,
    /// Under a filter, which members of the clusters of the round may be found.
    marks: [Vec<u32>; ROUND],
    positions: Vec<u32>,
    pub(super) candidates: Vec<Candidate>,
    /// The candidates that are compared next, with the block of their sketch where that is in memory.
    batch: Vec<(Candidate, Option<Arc<Kept<SketchBlock>>>)>,
    /// Which clusters of the round brought something new among the best.
    changed: [bool; ROUND],
}

/// A vector that may be among the best: its bound, and the cluster of the round that it is in.
pub(super) struct Candidate {
    pub(super) bound: f32,
    pub(super) ordinal: u32,
    pub(super) number: usize,
}

impl Work {
    pub(super) fn new(best: Best) -> Self {
        Self {
            best,
            seen: Seen::new(),
            bounds: Vec::with_capacity(MEMBERS),
            marks: Default::default(),
            positions: Vec::with_capacity(MEMBERS),
            // All members of the first round, before anything is known of the best.
            candidates: Vec::with_capacity(ROUND * MEMBERS),
            batch: Vec::with_capacity(BATCH),
            changed: [false; ROUND],
        }
    }
}

/// The best so far, by sketch.
pub(super) struct Best {
    k: usize,
    metric: Metric,
    /// Deviation of a product of the query with a vector, for each unit of the vector's scale and length.
    deviation: (f32, f32),
    query_squared_norm: f32,
    /// The `k` highest ranks, lowest first.
    top: BinaryHeap<Reverse<Rank>>,
    /// What a rank must exceed to be among them.
    pub(super) threshold: f32,
    /// Every vector compared.
    pub(super) refined: Vec<Refined>,
}

/// A vector that was compared by its sketch.
pub(super) struct Refined {
    rank: f32,
    /// How far the rank may be off.
    off: f32,
    ordinal: u32,
    /// The cluster in its round.
    number: usize,
    /// The patience with which, or with less, the search would have ended before.
    needed: f32,
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
    pub(super) fn new(k: usize, metric: Metric, query: &Prepared) -> Self {
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
            refined: Vec::with_capacity(128),
        }
    }

    /// Compares a vector of a cluster of the round; whether it is among the best so far.
    pub(super) fn offer(
        &mut self,
        query: &Prepared,
        block: &SketchBlock,
        ordinal: u32,
        dimension: usize,
        number: usize,
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
        self.refined.push(Refined {
            rank,
            off,
            ordinal,
            number,
            needed: 0.0,
        });
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
            Allowed::Only { count, .. } => self.refined.len() as u64 >= *count,
        }
    }

    /// Every vector that may be among the best, by its rank and how far it may be off.
    pub(super) fn finish(self) -> Vec<u32> {
        let mut surest = self.threshold;
        if self.is_full() {
            let best = self
                .refined
                .iter()
                .filter(|refined| refined.rank >= self.threshold);
            surest -= best.map(|refined| refined.off).fold(0.0, f32::max);
        }
        self.refined
            .into_iter()
            .filter(|refined| refined.rank + refined.off >= surest)
            .map(|refined| refined.ordinal)
            .collect()
    }
}
