use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    View,
    ids::cached_ids,
    plan::{Cost, Route},
};
use crate::{
    cache::Kept,
    error::{Error, Result},
    filter::{self, Filter},
    index::{Allowed, Found, Search},
    processors::Running,
    record::{Parts, Record},
    store::StoreError,
    vector::{BLOCK_ORDINALS, Candidates, TopK, VectorBlock, scan, single},
};

/// Components that are worth a processor of their own: about half a millisecond of work.
const PART_COMPONENTS: u64 = 1 << 21;
/// While a vector is ranked, memory is asked for the one so many behind it: for all at once, each would wait longer.
const AHEAD: usize = 4;

/// A nearest-neighbour query.
#[derive(Clone, Debug)]
pub struct Query {
    /// What to look near.
    pub target: Target,
    /// Most matches, at least 1.
    pub top_k: usize,
    /// Only records that match.
    pub filter: Option<Filter>,
    /// Parts of each match to read.
    pub parts: Parts,
    /// How hard to look.
    pub effort: Effort,
}

/// What to look near.
#[derive(Clone, Debug)]
pub enum Target {
    /// This vector.
    Vector(Vec<f32>),
    /// The vector of this record, which is left out of the answer.
    Record(String),
}

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// Compare every candidate in full precision.
    Exact,
    /// Find this share of the true matches on average, 0.90 to 0.999.
    Recall(f32),
    /// Scan this many clusters, at least 1.
    Probes(u32),
}

impl Default for Effort {
    fn default() -> Self {
        Self::Recall(0.95)
    }
}

/// What a query found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Best first; equal scores ascend by id.
    pub matches: Vec<Match>,
    /// The version that was searched.
    pub version: u64,
    /// How.
    pub plan: Plan,
}

/// A record near the query.
#[derive(Clone, Debug)]
pub struct Match {
    /// The record, with the parts asked for.
    pub record: Record,
    /// See [`Metric`](crate::Metric). The same bits on every machine.
    pub score: f32,
}

/// How a query was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    /// The plan that ran.
    pub kind: PlanKind,
    /// Whether the matches are the true nearest neighbours.
    pub exact: bool,
    /// The recall that was aimed at: 1 for exact plans, unknown (`None`) when probes were given.
    pub recall: Option<f32>,
    /// Searches for vectors of the namespace that the recall aimed at rests on: until there are some, on what held
    /// for other data.
    pub calibration: u64,
    /// Clusters of the index.
    pub clusters: u64,
    /// Clusters scanned.
    pub probes: u64,
    /// Vectors looked at, in whatever precision came first.
    pub scanned: u64,
    /// Vectors compared in eight bits a component.
    pub refined: u64,
    /// Vectors compared in full precision.
    pub reranked: u64,
}

/// The ways to answer a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanKind {
    /// Compare every vector.
    #[default]
    Scan,
    /// Let the filter choose the candidates and compare each.
    FilterFirst,
    /// Scan the clusters nearest to the query, passing over what the filter does not allow.
    Clusters,
}

impl View {
    /// The records nearest to the query's target.
    ///
    /// Cost: through the clusters a page for each one scanned and some dozen sketches; otherwise a sketch or a
    /// vector for each candidate. Answers `explain` with what it was.
    ///
    /// # Errors
    /// When the target cannot be compared, the filter names a field that is not indexed, or the
    /// store fails.
    pub async fn query(&self, query: &Query) -> Result<Answer> {
        let version = self.version();
        let metric = self.metric();
        let (mut target, own) = self.target(&query.target).await?;
        metric.prepare(&mut target);
        let mut hidden = self.state.expired(self.now).await?;
        hidden.extend(own);
        let selected = match &query.filter {
            Some(filter) => {
                let matching = filter::select(filter, &self.state).await?;
                Some((matching & &*self.state.vectors) - &hidden)
            }
            None => None,
        };
        let mut plan = Plan {
            clusters: self
                .state
                .index
                .as_ref()
                .map_or(0, |index| index.clusters() as u64),
            ..Plan::default()
        };
        let running = self.processors.enter();
        let found = self
            .find(&target, query, selected, &hidden, &running, &mut plan)
            .await?;
        drop(running);
        let matches = self.matches(&target, found, query).await?;
        Ok(Answer {
            matches,
            version,
            plan,
        })
    }

    /// The vector to look near, and the ordinal it belongs to.
    async fn target(&self, target: &Target) -> Result<(Vec<f32>, Option<u32>)> {
        let (vector, own) = match target {
            Target::Vector(vector) => {
                self.metric()
                    .check(vector)
                    .map_err(|reason| Error::Vector {
                        operation: None,
                        reason,
                    })?;
                (vector.clone(), None)
            }
            Target::Record(id) => {
                let row = self.row(id).await?.filter(|row| !row.is_expired(self.now));
                let row = row.ok_or_else(|| Error::NoRecord {
                    operation: None,
                    id: id.clone(),
                })?;
                if !row.has_vector {
                    return Err(Error::NoVector { id: id.clone() });
                }
                (self.vector(row.ordinal).await?, Some(row.ordinal))
            }
        };
        match self.dimension() {
            Some(expected) if expected as usize != vector.len() => Err(Error::Dimension {
                operation: None,
                expected,
                actual: vector.len(),
            }),
            _ => Ok((vector, own)),
        }
    }

    /// Candidates for the best matches, in no order.
    async fn find(
        &self,
        target: &[f32],
        query: &Query,
        selected: Option<RoaringBitmap>,
        hidden: &RoaringBitmap,
        running: &Running<'_>,
        plan: &mut Plan,
    ) -> Result<Vec<u32>> {
        let filtered = selected.is_some();
        let cost = Cost {
            vectors: self.state.vectors.len(),
            candidates: selected
                .as_ref()
                .map_or(self.state.vectors.len(), RoaringBitmap::len),
            dimension: target.len(),
            filtered,
            top_k: query.top_k,
            calibration: self.state.index.as_ref().map(|index| &index.calibration),
        };
        let (Some(index), Some((route, stop))) = (&self.state.index, cost.route(query.effort))
        else {
            let all;
            let ordinals = match &selected {
                Some(selected) => selected,
                None if hidden.is_empty() => &*self.state.vectors,
                None => {
                    all = &*self.state.vectors - hidden;
                    &all
                }
            };
            plan.kind = if filtered {
                PlanKind::FilterFirst
            } else {
                PlanKind::Scan
            };
            plan.exact = true;
            plan.recall = Some(1.0);
            plan.scanned = ordinals.len();
            plan.reranked = ordinals.len();
            return self.scan(target, query.top_k, ordinals, running).await;
        };
        plan.recall = match query.effort {
            Effort::Recall(recall) => Some(recall),
            Effort::Exact | Effort::Probes(_) => None,
        };
        plan.calibration = index.calibration.searches().into();
        // Signs that were gathered, or are worth it because the same candidates were asked for before.
        let each = match (route, &selected) {
            (
                Route::Each {
                    deviations,
                    sketches,
                },
                Some(selected),
            ) => {
                let signs = index.gathered.is_asked_again(selected);
                (signs || sketches).then_some((selected, signs.then_some(deviations)))
            }
            _ => None,
        };
        let search = Search {
            index,
            snapshot: &*self.state.snapshot,
            cache: &self.cache,
            allowed: match &selected {
                Some(selected) if each.is_none() => {
                    Allowed::only(selected, self.state.vectors.len())
                }
                _ => Allowed::AllBut(hidden),
            },
        };
        let found = match each {
            Some((selected, signs)) => {
                plan.kind = PlanKind::FilterFirst;
                match signs {
                    Some(deviations) => {
                        let found =
                            search.run_over_signs(target, query.top_k, deviations, selected);
                        found.await?
                    }
                    None => search.run_over(target, query.top_k, selected).await?,
                }
            }
            None => {
                plan.kind = PlanKind::Clusters;
                search.run(target, query.top_k, stop).await?
            }
        };
        let Found {
            ordinals,
            probes,
            scanned,
            refined,
        } = found;
        plan.probes = probes;
        plan.scanned = scanned;
        plan.refined = refined;
        plan.reranked = ordinals.len() as u64;
        Ok(ordinals)
    }

    /// The best of all `ordinals`, compared in full precision, with every tie at the end. In parts, if that is
    /// worth it and there are processors with nothing to do.
    async fn scan(
        &self,
        target: &[f32],
        k: usize,
        ordinals: &RoaringBitmap,
        running: &Running<'_>,
    ) -> Result<Vec<u32>> {
        let components = ordinals.len() * target.len() as u64;
        let most = usize::try_from(components / PART_COMPONENTS).unwrap_or(usize::MAX);
        let count = running.free().min(most).max(1);
        if count == 1 {
            return Ok(ordinals_of(self.scan_part(target, k, ordinals).await?));
        }
        let target: Arc<[f32]> = target.into();
        let mut parts = split(ordinals, count);
        let own = parts.pop().unwrap_or_default();
        let others: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let (view, target) = (self.clone(), Arc::clone(&target));
                let part = async move { view.scan_part(&target, k, &part).await };
                self.processors.run(part)
            })
            .collect();
        let mut top = self.scan_part(&target, k, &own).await?;
        for other in others {
            let found = other.await.ok_or_else(|| {
                StoreError::Unavailable("a part of the query was given up".to_owned())
            })?;
            top.merge(found?);
        }
        Ok(ordinals_of(top))
    }

    /// The best of some ordinals.
    async fn scan_part(&self, target: &[f32], k: usize, ordinals: &RoaringBitmap) -> Result<TopK> {
        let mut top = TopK::new(k);
        let search = Candidates {
            snapshot: &*self.state.snapshot,
            blocks: &self.state.vector_blocks,
            cache: &self.cache,
            metric: self.metric(),
            ordinals,
        };
        scan(target, &search, &mut top).await?;
        Ok(top)
    }

    /// Ranks candidates in full precision, with the same bits on every machine, and reads the best.
    async fn matches(&self, target: &[f32], found: Vec<u32>, query: &Query) -> Result<Vec<Match>> {
        let metric = self.metric();
        let mut top = TopK::new(query.top_k);
        let mut blocks = Vec::with_capacity(found.len());
        for ordinal in &found {
            let number = ordinal / BLOCK_ORDINALS;
            self.state.vector_blocks.expect(number);
            self.state.id_blocks.expect(number);
        }
        for ordinal in &found {
            let number = ordinal / BLOCK_ORDINALS;
            blocks.push(self.state.vector_blocks.get(&self.cache, number));
        }
        let expect = |blocks: &[Option<Arc<Kept<VectorBlock>>>], at: usize| {
            if let Some(Some(block)) = blocks.get(at) {
                block.expect(found[at] % BLOCK_ORDINALS, target.len());
            }
        };
        for at in 0..AHEAD {
            expect(&blocks, at);
        }
        for (at, &ordinal) in found.iter().enumerate() {
            expect(&blocks, at + AHEAD);
            let block = blocks[at].take();
            top.offer(self.rank(target, ordinal, block).await?, ordinal);
        }
        let (ranks, ordinals): (Vec<_>, Vec<_>) = top.finish().into_iter().unzip();
        let ids = cached_ids(&self.state, &self.cache, &ordinals).await?;
        let mut ranked: Vec<_> = ranks.into_iter().zip(ids).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        ranked.truncate(query.top_k);
        let mut matches = Vec::with_capacity(ranked.len());
        for (rank, id) in ranked {
            let score = metric.score(rank);
            let record = if query.parts == Parts::NONE {
                Record {
                    id,
                    ..Record::default()
                }
            } else {
                self.get(&id, query.parts)
                    .await?
                    .ok_or_else(|| missing_record(&id))?
            };
            matches.push(Match { record, score });
        }
        Ok(matches)
    }

    async fn rank(
        &self,
        target: &[f32],
        ordinal: u32,
        block: Option<Arc<Kept<VectorBlock>>>,
    ) -> Result<f32> {
        let metric = self.metric();
        let number = ordinal / BLOCK_ORDINALS;
        let snapshot = &*self.state.snapshot;
        let bytes = VectorBlock::bytes_of(target.len());
        let load = VectorBlock::load(snapshot, number, target.len(), metric);
        let blocks = &self.state.vector_blocks;
        let block = blocks.or_load(block, &self.cache, number, bytes, load);
        let Some(block) = block.await? else {
            let mut row = single(snapshot, ordinal, target.len()).await?;
            metric.prepare(&mut row);
            return Ok(metric.portable_rank(target, &row));
        };
        let row = block
            .row(ordinal % BLOCK_ORDINALS, target.len())
            .ok_or_else(|| {
                StoreError::corrupt_row(&crate::keys::vector::key(ordinal), "missing")
            })?;
        Ok(metric.portable_rank(target, &row))
    }
}

/// A set in so many parts of about the same size, none of which shares a block with another.
fn split(ordinals: &RoaringBitmap, parts: usize) -> Vec<RoaringBitmap> {
    let size = ordinals.len().div_ceil(parts as u64).max(1);
    let mut split = Vec::with_capacity(parts);
    let mut start = 0;
    for part in 1..parts as u64 {
        let Some(first) = u32::try_from(part * size)
            .ok()
            .and_then(|rank| ordinals.select(rank))
        else {
            break;
        };
        let end = first.next_multiple_of(BLOCK_ORDINALS);
        split.push(ordinals.range(start..end).collect());
        start = end.max(start);
    }
    split.push(ordinals.range(start..).collect());
    split
}

fn ordinals_of(top: TopK) -> Vec<u32> {
    let best = top.finish().into_iter();
    best.map(|(_, ordinal)| ordinal).collect()
}

fn missing_record(id: &str) -> StoreError {
    StoreError::corrupt_row(&crate::keys::record::key(id), "missing")
}
