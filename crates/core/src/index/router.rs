use std::{collections::BTreeSet, sync::Arc};

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
const FLAT_MAX: usize = 16_384;
/// Beyond, groups are looked into, nearest first, until they hold this many.
const NEAR_MIN: usize = 8_192;
/// A request for more clusters than this looks into every group.
const NEAR_COUNT_MAX: usize = 1_024;
/// For each cluster asked for, so many are compared exactly, and a few more.
const REFINED_PER_RESULT: usize = 3;
const REFINED_MIN: usize = 48;

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
    /// Large product.
    Product,
}

impl Nearness {
    pub(crate) fn score(self, dot: f32, squared_norm: f32) -> f32 {
        match self {
            Self::Distance => 2.0 * dot - squared_norm,
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

    /// Sets the centroid of a cluster that is there, or puts a new cluster into the group of another
    /// one. Gives the clusters whose group has changed.
    pub(crate) fn set(
        &mut self,
        cluster: u32,
        centroid: Arc<Sketch>,
        neighbour: Option<u32>,
    ) -> Vec<u32> {
        let group = self
            .group_of(cluster)
            .or_else(|| self.group_of(neighbour?))
            .unwrap_or(0);
        let mut members = self.members(group);
        match members.iter_mut().find(|member| member.0 == cluster) {
            Some(member) => member.1 = centroid,
            None => members.push((cluster, centroid)),
        }
        if members.len() <= GROUP_MAX {
            self.set_group(group, members);
            return vec![cluster];
        }
        let free = self.groups.iter().position(Option::is_none);
        let other = free.unwrap_or(self.groups.len()) as u32;
        let [kept, moved] = Group::cut(members);
        let mut changed: BTreeSet<_> = moved.iter().map(|member| member.0).collect();
        changed.insert(cluster);
        self.set_group(group, kept);
        self.set_group(other, moved);
        changed.into_iter().collect()
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

    /// About the `count` nearest clusters, nearest first; equal ones ascend by number.
    pub(crate) fn near(&self, query: &Prepared, nearness: Nearness, count: usize) -> Vec<Near> {
        let groups = self.near_groups(query, nearness, count);
        let wanted = (count * REFINED_PER_RESULT).max(count + REFINED_MIN);
        let mut compared = if self.len <= wanted {
            let positions = groups
                .iter()
                .flat_map(|group| (0..group.members.len()).map(move |position| (*group, position)));
            positions
                .map(|(group, position)| Compared::new(query, nearness, group, position))
                .collect()
        } else {
            promising(&groups, query, nearness, wanted)
        };
        let by_score = |a: &Compared<'_>, b: &Compared<'_>| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.cluster.cmp(&b.cluster))
        };
        if compared.len() > count && count > 0 {
            compared.select_nth_unstable_by(count - 1, by_score);
            compared.truncate(count);
        }
        compared.sort_unstable_by(by_score);
        compared.into_iter().map(Compared::into_near).collect()
    }

    fn near_groups(&self, query: &Prepared, nearness: Nearness, count: usize) -> Vec<&Group> {
        let groups = self.groups.iter().flatten().map(|group| &**group);
        if self.len <= FLAT_MAX || count > NEAR_COUNT_MAX {
            return groups.collect();
        }
        let mut scored: Vec<_> = groups
            .map(|group| {
                let origin = &group.origin.sketch;
                let dot = query.sketch.dot(origin);
                (nearness.score(dot, origin.squared_norm), group)
            })
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut held = 0;
        scored
            .into_iter()
            .map(|(_, group)| group)
            .take_while(|group| {
                let near = held < NEAR_MIN;
                held += group.members.len();
                near
            })
            .collect()
    }
}

/// A cluster compared with a vector, while many are.
struct Compared<'a> {
    score: f32,
    dot: f32,
    cluster: u32,
    centroid: &'a Arc<Sketch>,
}

impl<'a> Compared<'a> {
    fn new(query: &Prepared, nearness: Nearness, group: &'a Group, position: usize) -> Self {
        let dot = group.dot(&query.sketch, position);
        let (cluster, centroid) = &group.members[position];
        Self {
            score: nearness.score(dot, centroid.squared_norm),
            dot,
            cluster: *cluster,
            centroid,
        }
    }

    fn into_near(self) -> Near {
        Near {
            cluster: self.cluster,
            centroid: Arc::clone(self.centroid),
            dot: self.dot,
        }
    }
}

/// The clusters whose estimates are best, compared exactly.
fn promising<'a>(
    groups: &[&'a Group],
    query: &Prepared,
    nearness: Nearness,
    wanted: usize,
) -> Vec<Compared<'a>> {
    let places = groups.iter().map(|group| group.places()).sum();
    let mut scores = vec![0.0; places];
    let mut start = 0;
    for group in groups {
        let scores = &mut scores[start..start + group.places()];
        start += scores.len();
        group.estimate(query, nearness, scores);
    }
    let mut positions = Vec::with_capacity(2 * wanted);
    codes::above(&scores, quantile(&scores, wanted), &mut positions);
    let mut compared = Vec::with_capacity(positions.len());
    let mut positions = positions
        .into_iter()
        .map(|position| position as usize)
        .peekable();
    let mut start = 0;
    for group in groups {
        let end = start + group.places();
        while let Some(position) = positions.next_if(|&position| position < end) {
            compared.push(Compared::new(query, nearness, group, position - start));
        }
        start = end;
    }
    compared
}

/// A number that the `wanted` best scores are above, and all that equal the last of them.
fn quantile(scores: &[f32], wanted: usize) -> f32 {
    if wanted >= scores.len() {
        return f32::NEG_INFINITY;
    }
    let mut copy = scores.to_vec();
    let (_, score, _) = copy.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
    score.next_down()
}
