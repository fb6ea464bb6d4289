use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use quartz_kernels::codes;

use super::{
    group::{GROUP_MAX, Group},
    prepared::Prepared,
    sketch::Sketch,
};
use crate::{
    keys::{self, Kind, trailing_ordinal},
    store::{Result, RowCursor, ScanLimit, Snapshot, StoreError},
};

/// Up to this many centroids every group is looked into.
const FLAT_MAX: usize = 4_096;
/// Beyond, groups are looked into, nearest first, until they hold this many.
const NEAR_MIN: usize = 4_096;
/// A request for more clusters than this looks into every group.
const NEAR_COUNT_MAX: usize = 1_024;
/// Beside the clusters asked for and a quarter more, so many are compared exactly.
const REFINED_SPARE: usize = 8;
/// While one is compared, memory is asked for the one so many behind it.
const AHEAD: usize = 8;
/// Estimates in a sample of them, and by how many of these a guess of a quantile is on the safe side, beside half
/// as many again.
const SAMPLE: usize = 128;
const SAMPLE_SPARE: usize = 4;

/// The centroids of a namespace, in memory: which clusters are near a vector.
///
/// Groups of up to 256 centroids have one-bit codes, which are scanned first; the best are compared
/// exactly. While centroids are few every group is scanned, later those whose origin is near. Cloning
/// copies pointers.
#[derive(Clone, Default)]
pub(crate) struct Router {
    /// By group number; empty groups are `None`.
    groups: Vec<Option<Arc<Group>>>,
    /// Group of each cluster, by cluster number; [`NOWHERE`] if there is none.
    group_of: Vec<u32>,
    len: usize,
}

const NOWHERE: u32 = u32::MAX;
/// Group numbers are dense; a higher one can only be damage.
const GROUPS_MAX: u32 = 1 << 24;

/// A cluster near a vector.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    pub(crate) cluster: u32,
    pub(crate) centroid: Arc<Sketch>,
    /// Product of the vector and the centroid.
    pub(crate) dot: f32,
}

impl Near {
    pub(crate) fn new(vector: &Sketch, cluster: u32, centroid: &Arc<Sketch>) -> Self {
        Self {
            cluster,
            centroid: Arc::clone(centroid),
            dot: vector.dot(centroid),
        }
    }
}

/// What makes a cluster near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearness {
    /// Small distance.
    Distance,
    /// Small distance and small size: what is best to search among vectors of length one. The mean square
    /// of their distances to their centroid is one less its squared length, so size needs no number of its own.
    Compact,
    /// Large product.
    Product,
}

/// How much a squared distance counts that is due to the size of a cluster: of two at the same distance, the
/// denser one holds more that is near.
const SIZE: f32 = 0.4;

impl Nearness {
    pub(crate) fn score(self, dot: f32, squared_norm: f32) -> f32 {
        match self {
            Self::Distance => 2.0 * dot - squared_norm,
            Self::Compact => 2.0 * dot - (1.0 - SIZE) * squared_norm,
            Self::Product => dot,
        }
    }
}

impl Router {
    /// Reads every centroid. `dimension` is that of rotated vectors.
    pub(crate) async fn load(snapshot: &dyn Snapshot, dimension: usize) -> Result<Self> {
        let mut groups: Vec<Vec<(u32, Arc<Sketch>)>> = Vec::new();
        let (start, end) = (Kind::Cluster.key(&[]), Kind::Cluster.end());
        let mut cursor = RowCursor::new(snapshot, start, end, ScanLimit::rows(4096));
        while let Some(rows) = cursor.next_page().await? {
            for (key, value) in rows {
                let cluster = trailing_ordinal(&key)?;
                let mut codes = Vec::with_capacity(dimension);
                let (group, scale) = keys::cluster::decode_into(&value, dimension, &mut codes)
                    .and_then(|(group, scale)| {
                        if group > GROUPS_MAX {
                            return Err("the number of a group is too high");
                        }
                        Ok((group as usize, scale))
                    })
                    .map_err(|why| StoreError::corrupt_row(&key, why))?;
                if groups.len() <= group {
                    groups.resize(group + 1, Vec::new());
                }
                let sketch = Sketch::from_parts(scale, codes.into());
                groups[group].push((cluster, Arc::new(sketch)));
            }
        }
        let mut router = Self::default();
        for (number, members) in (0..).zip(groups) {
            router.set_group(number, members);
        }
        Ok(router)
    }

    /// Clusters.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn clusters(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.group_of)
            .filter(|(_, group)| **group != NOWHERE)
            .map(|(cluster, _)| cluster)
    }

    /// The first cluster with this number or a higher one, else the first of all.
    pub(crate) fn next_from(&self, number: u32) -> Option<u32> {
        let after = |number: u32| {
            let rest = self.group_of.get(number as usize..)?;
            let offset = rest.iter().position(|&group| group != NOWHERE)?;
            Some(number + offset as u32)
        };
        after(number).or_else(|| after(0))
    }

    pub(crate) fn group_of(&self, cluster: u32) -> Option<u32> {
        let group = *self.group_of.get(cluster as usize)?;
        (group != NOWHERE).then_some(group)
    }

    pub(crate) fn centroid(&self, cluster: u32) -> Option<&Arc<Sketch>> {
        let group = self.groups[self.group_of(cluster)? as usize].as_ref()?;
        Some(&group.members[group.position(cluster)?].1)
    }

    /// The lowest number no cluster has.
    pub(crate) fn free_number(&self) -> u32 {
        let free = self.group_of.iter().position(|&group| group == NOWHERE);
        free.unwrap_or(self.group_of.len()) as u32
    }

    /// Sets the centroids of clusters that are in the group of the first one, or new in it. Gives the clusters whose
    /// centroid or group has changed.
    pub(crate) fn set(&mut self, centroids: Vec<(u32, Arc<Sketch>)>) -> BTreeSet<u32> {
        let mut changed: BTreeSet<_> = centroids.iter().map(|member| member.0).collect();
        let first = centroids.first().map(|member| member.0);
        let group = first.and_then(|first| self.group_of(first)).unwrap_or(0);
        let mut members = self.members(group);
        members.retain(|member| !changed.contains(&member.0));
        members.extend(centroids);
        if members.len() <= GROUP_MAX {
            self.set_group(group, members);
            return changed;
        }
        let free = self.groups.iter().position(Option::is_none);
        let other = free.unwrap_or(self.groups.len()) as u32;
        let [kept, moved] = Group::cut(members);
        changed.extend(moved.iter().map(|member| member.0));
        self.set_group(group, kept);
        self.set_group(other, moved);
        changed
    }

    pub(crate) fn remove(&mut self, cluster: u32) {
        if let Some(group) = self.group_of(cluster) {
            let mut members = self.members(group);
            members.retain(|member| member.0 != cluster);
            self.group_of[cluster as usize] = NOWHERE;
            self.len -= 1;
            self.set_group(group, members);
        }
        while self.group_of.last() == Some(&NOWHERE) {
            self.group_of.pop();
        }
    }

    fn members(&self, group: u32) -> Vec<(u32, Arc<Sketch>)> {
        let group = self.groups.get(group as usize).and_then(Option::as_ref);
        group.map(|group| group.members.clone()).unwrap_or_default()
    }

    fn set_group(&mut self, number: u32, members: Vec<(u32, Arc<Sketch>)>) {
        for (cluster, _) in &members {
            let at = *cluster as usize;
            if self.group_of.len() <= at {
                self.group_of.resize(at + 1, NOWHERE);
            }
            self.len += usize::from(self.group_of[at] == NOWHERE);
            self.group_of[at] = number;
        }
        let at = number as usize;
        if self.groups.len() <= at {
            self.groups.resize(at + 1, None);
        }
        self.groups[at] = (!members.is_empty()).then(|| Arc::new(Group::new(members)));
    }

    /// Numbers of clusters are below this.
    pub(crate) const fn numbers(&self) -> usize {
        self.group_of.len()
    }

    /// About the `count` nearest clusters, nearest first; equal ones ascend by number.
    pub(crate) fn near(&self, query: &Prepared, nearness: Nearness, count: usize) -> Vec<Near> {
        let mut ranking = Ranking::new(self, query, nearness, count);
        let mut near = Vec::with_capacity(count);
        while near.len() < count
            && let Some(ranked) = ranking.next(query)
        {
            if let Some(centroid) = self.centroid(ranked.cluster()) {
                near.push(Near {
                    cluster: ranked.cluster(),
                    centroid: Arc::clone(centroid),
                    dot: ranked.dot,
                });
            }
        }
        near
    }
}

/// A cluster in a [`Ranking`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked {
    /// Ascends from the nearest on; the cluster is in its lower half.
    key: u64,
    /// Product of the query and the centroid.
    pub(crate) dot: f32,
    /// Squared length of the centroid.
    pub(crate) squared_norm: f32,
}

impl Ranked {
    pub(crate) const fn cluster(self) -> u32 {
        self.key as u32
    }
}

/// The clusters, nearest to a query first; equal ones ascend by number.
///
/// They are ranked in growing portions: estimated all at once by their one-bit codes, of which the best are
/// compared exactly. Estimates and comparisons serve all portions.
pub(crate) struct Ranking<'a> {
    nearness: Nearness,
    /// Those whose origin is nearest first, where there are many.
    groups: Vec<&'a Group>,
    /// Groups whose centroids are estimated.
    opened: usize,
    /// Of the opened groups, one after the other.
    estimates: Vec<f32>,
    /// Whatever is estimated above this is compared.
    floor: f32,
    ranked: Vec<Ranked>,
    next: usize,
    /// Clusters to rank before the next portion.
    portion: usize,
    positions: Vec<u32>,
}

impl<'a> Ranking<'a> {
    /// `first` is the size of the first portion.
    pub(crate) fn new(
        router: &'a Router,
        query: &Prepared,
        nearness: Nearness,
        first: usize,
    ) -> Self {
        let groups = router.groups.iter().flatten().map(|group| &**group);
        let groups: Vec<_> = groups.collect();
        let places = router.len + groups.len() * codes::BLOCK;
        let mut ranking = Self {
            nearness,
            groups,
            opened: 0,
            estimates: Vec::with_capacity(places.min(NEAR_MIN + GROUP_MAX)),
            floor: f32::INFINITY,
            ranked: Vec::with_capacity(2 * first.min(router.len)),
            next: 0,
            portion: first.max(1),
            positions: Vec::with_capacity(GROUP_MAX),
        };
        if router.len > FLAT_MAX {
            ranking.sort_groups(query);
            ranking.open(query, NEAR_MIN);
        } else {
            ranking.open(query, usize::MAX);
        }
        ranking.rank(query);
        ranking
    }

    /// The nearest cluster that was not given yet.
    pub(crate) fn next(&mut self, query: &Prepared) -> Option<Ranked> {
        while self.next >= self.portion.min(self.ranked.len()) && !self.is_complete() {
            if self.next >= self.portion {
                self.portion *= 2;
            }
            if self.portion > NEAR_COUNT_MAX || self.floor == f32::NEG_INFINITY {
                self.open(query, usize::MAX);
            }
            self.rank(query);
        }
        let ranked = *self.ranked.get(self.next)?;
        self.next += 1;
        Some(ranked)
    }

    fn is_complete(&self) -> bool {
        self.floor == f32::NEG_INFINITY && self.opened == self.groups.len()
    }

    /// Those that [`next`](Self::next) is likely to give from the one after `ahead` others on.
    pub(crate) fn coming(&self, ahead: usize) -> impl Iterator<Item = u32> {
        let coming = self.ranked.get(self.next + ahead..).unwrap_or_default();
        coming.iter().map(|ranked| ranked.cluster())
    }

    fn sort_groups(&mut self, query: &Prepared) {
        let key = |(number, group): (u32, &'a Group)| {
            let origin = &group.origin.sketch;
            let dot = query.sketch.dot(origin);
            let score = self.nearness.score(dot, origin.squared_norm);
            (key(score, number), group)
        };
        let mut keyed: Vec<_> = (0..).zip(self.groups.iter().copied()).map(key).collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        self.groups = keyed.into_iter().map(|(_, group)| group).collect();
    }

    /// Estimates the next groups, until so many centroids are.
    fn open(&mut self, query: &Prepared, centroids: usize) {
        while self.opened < self.groups.len() && self.estimates.len() < centroids {
            let start = self.estimates.len();
            let group = self.groups[self.opened];
            self.estimates.resize(start + group.places(), 0.0);
            let next = self.groups.get(self.opened + 1).copied();
            group.estimate(query, self.nearness, next, &mut self.estimates[start..]);
            self.compare(query, self.opened, start, self.floor..=f32::INFINITY);
            self.opened += 1;
        }
    }

    /// Compares what is promising enough for the portion, and sorts what was not given yet.
    fn rank(&mut self, query: &Prepared) {
        let wanted = self.portion + self.portion / 4 + REFINED_SPARE;
        let floor = quantile(&self.estimates, wanted);
        if floor < self.floor {
            let mut start = 0;
            for number in 0..self.opened {
                self.compare(query, number, start, floor..=self.floor);
                start += self.groups[number].places();
            }
            self.floor = floor;
        }
        let rest = &mut self.ranked[self.next..];
        let count = self.portion - self.next;
        if count < rest.len() {
            rest.select_nth_unstable_by_key(count, |ranked| ranked.key);
        }
        let count = count.min(rest.len());
        rest[..count].sort_unstable_by_key(|ranked| ranked.key);
    }

    /// Compares the members of a group whose estimates are above the start of a range, or are whatever when it
    /// has none, and not above its end.
    fn compare(
        &mut self,
        query: &Prepared,
        number: usize,
        start: usize,
        range: RangeInclusive<f32>,
    ) {
        let group = self.groups[number];
        let estimates = &self.estimates[start..start + group.places()];
        self.positions.clear();
        if *range.start() == f32::NEG_INFINITY {
            self.positions.extend(0..group.members.len() as u32);
        } else {
            codes::above(estimates, *range.start(), &mut self.positions);
        }
        for (at, &position) in self.positions.iter().enumerate() {
            if let Some(&later) = self.positions.get(at + AHEAD) {
                group.expect(later as usize, query.sketch.codes.len());
            }
            let position = position as usize;
            if estimates[position] > *range.end() {
                continue;
            }
            let dot = group.dot(&query.sketch, position);
            let squared_norm = group.squared_norms[position];
            self.ranked.push(Ranked {
                key: key(
                    self.nearness.score(dot, squared_norm),
                    group.members[position].0,
                ),
                dot,
                squared_norm,
            });
        }
    }
}

/// Orders clusters, or groups, by descending score, then by number, as the total order of floats has it.
const fn key(score: f32, number: u32) -> u64 {
    let bits = score.to_bits();
    let descending = if bits >> 31 == 0 {
        !bits & !(1 << 31)
    } else {
        bits
    };
    (descending as u64) << 32 | number as u64
}

/// A number that the `wanted` best scores are above, and all that equal the last of them.
fn quantile(scores: &[f32], wanted: usize) -> f32 {
    if wanted >= scores.len() {
        return f32::NEG_INFINITY;
    }
    let best_first = |a: &f32, b: &f32| b.total_cmp(a);
    // A sample tells what few but the wanted ones are above.
    let mut best: Vec<_> = scores
        .iter()
        .step_by(scores.len().div_ceil(SAMPLE))
        .copied()
        .collect();
    let rank = best.len() * wanted / scores.len();
    let rank = (rank + rank / 2 + SAMPLE_SPARE).min(best.len() - 1);
    let (_, &mut floor, _) = best.select_nth_unstable_by(rank, best_first);
    let mut positions = Vec::with_capacity(2 * wanted);
    codes::above(scores, floor, &mut positions);
    best.clear();
    if positions.len() >= wanted {
        best.extend(positions.iter().map(|&position| scores[position as usize]));
    } else {
        best.extend_from_slice(scores);
    }
    let (_, score, _) = best.select_nth_unstable_by(wanted - 1, best_first);
    score.next_down()
}
