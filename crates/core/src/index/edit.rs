//! Changing the index in one commit: vectors leave and enter clusters, clusters split and dissolve.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use quartz_kernels::codes::{BLOCK, Table};

use super::{
    Index,
    assign::{seconds, squared_distance},
    bisect::{bisect, mean},
    code::Code,
    page::Page,
    prepared::Prepared,
    router::{Near, Nearness},
    sketch::Sketch,
};
use crate::{
    cache::VectorCache,
    keys::{self, place::Place},
    store::{Batch, Result, Snapshot, StoreError},
};

/// Members, in first and second place, above which a cluster is split.
pub(crate) const CLUSTER_MAX: usize = 128;
/// Members below which a cluster is dissolved.
pub(crate) const CLUSTER_MIN: usize = 8;
/// Vectors in first place that a split needs; with fewer it goes by all members.
const BASIS_MIN: usize = 8;
/// Clusters a vector chooses from.
const NEIGHBOURS: usize = 16;
/// Splits that one commit does at most beside one for each of its inserts. What is left over its size
/// is split when it is next touched.
const SPLITS_SPARE: usize = 64;

/// An index being changed.
pub(crate) struct Editor<'a> {
    snapshot: &'a dyn Snapshot,
    cache: &'a VectorCache,
    base: &'a Index,
    index: Index,
    pages: BTreeMap<u32, EditedPage>,
    places: HashMap<u32, Option<Place>>,
    /// Places that differ from the stored ones.
    replaced: BTreeSet<u32>,
    sketches: HashMap<u32, Arc<Sketch>>,
    /// Sketches to store (`true`) or to delete.
    resketched: BTreeMap<u32, bool>,
    /// Clusters whose row is to be written or, if they are gone, deleted.
    recentred: BTreeSet<u32>,
    overfull: Vec<u32>,
    sparse: Vec<u32>,
    splits_left: usize,
}

/// A page and which of its blocks differ from the stored ones.
struct EditedPage {
    page: Page,
    stored_blocks: usize,
    dirty: BTreeSet<usize>,
}

/// What an editor did, but for the rows.
#[derive(Default)]
pub(crate) struct Edited {
    /// `None` if there has never been a vector.
    pub(crate) index: Option<Index>,
    /// The clusters that changed, with their pages; `None`: gone.
    pub(crate) pages: Vec<(u32, Option<Arc<Page>>)>,
}

impl<'a> Editor<'a> {
    pub(crate) fn new(snapshot: &'a dyn Snapshot, cache: &'a VectorCache, base: &'a Index) -> Self {
        Self {
            snapshot,
            cache,
            base,
            index: base.clone(),
            pages: BTreeMap::new(),
            places: HashMap::new(),
            replaced: BTreeSet::new(),
            sketches: HashMap::new(),
            resketched: BTreeMap::new(),
            recentred: BTreeSet::new(),
            overfull: Vec::new(),
            sparse: Vec::new(),
            splits_left: SPLITS_SPARE,
        }
    }

    /// Takes a vector out.
    pub(crate) async fn remove(&mut self, ordinal: u32) -> Result<()> {
        let place = self.place(ordinal).await?;
        for cluster in place.clusters() {
            self.leave(cluster, ordinal).await?;
        }
        self.set_place(ordinal, None);
        self.sketches.remove(&ordinal);
        self.resketched.insert(ordinal, false);
        self.settle().await
    }

    /// Puts a vector in; the ordinal must not be there.
    pub(crate) async fn insert(&mut self, ordinal: u32, vector: &[f32]) -> Result<()> {
        let sketch = self.index.sketch(vector);
        self.resketched.insert(ordinal, true);
        self.sketches.insert(ordinal, Arc::new(sketch.clone()));
        if self.index.router.len() == 0 {
            let cluster = self.index.router.free_number();
            self.recentre(cluster, sketch.clone(), None);
            self.pages
                .entry(cluster)
                .or_insert_with(|| EditedPage::empty(0));
        }
        let vector = Prepared::member(sketch);
        let near = self
            .index
            .router
            .near(&vector, Nearness::Distance, NEIGHBOURS);
        self.assign(ordinal, &vector, None, None, &near[0], &near)
            .await?;
        self.splits_left += 1;
        self.settle().await
    }

    /// Writes the rows that changed.
    pub(crate) fn finish(mut self, stamp: u64, batch: &mut Batch) -> Edited {
        let dimension = self.index.rotation.padded();
        for (ordinal, stored) in self.resketched {
            let key = keys::sketch::key(ordinal);
            match self.sketches.get(&ordinal).filter(|_| stored) {
                Some(sketch) => batch.put(key, keys::sketch::encode(sketch.scale, &sketch.codes)),
                None => batch.delete(key),
            }
        }
        for ordinal in self.replaced {
            let key = keys::place::key(ordinal);
            match self.places.get(&ordinal).copied().flatten() {
                Some(place) => batch.put(key, place.encode()),
                None => batch.delete(key),
            }
        }
        let router = &self.index.router;
        for cluster in self.recentred {
            let key = keys::cluster::key(cluster);
            match (router.group_of(cluster), router.centroid(cluster)) {
                (Some(group), Some(centroid)) => {
                    let value = keys::cluster::encode(group, centroid.scale, &centroid.codes);
                    batch.put(key, value);
                }
                _ => batch.delete(key),
            }
        }
        let mut pages = Vec::new();
        for (cluster, edited) in self.pages {
            if edited.dirty.is_empty() {
                continue;
            }
            let blocks = edited.page.len().div_ceil(BLOCK);
            for block in edited
                .dirty
                .iter()
                .copied()
                .chain(blocks..edited.stored_blocks)
            {
                let key = keys::codes::key(cluster, block as u16);
                match edited.page.encode_block(block, dimension) {
                    Some(value) => batch.put(key, value),
                    None if block < edited.stored_blocks => batch.delete(key),
                    None => {}
                }
            }
            self.index.pages.touch([cluster], stamp);
            let lives = self.index.router.group_of(cluster).is_some();
            pages.push((cluster, lives.then(|| Arc::new(edited.page))));
        }
        Edited {
            index: Some(self.index),
            pages,
        }
    }

    /// Splits what is too large and dissolves what is too small.
    async fn settle(&mut self) -> Result<()> {
        loop {
            if let Some(cluster) = self.overfull.pop() {
                let is_there = self.index.router.group_of(cluster).is_some();
                if is_there
                    && self.page(cluster).await?.page.len() > CLUSTER_MAX
                    && self.splits_left > 0
                {
                    self.splits_left -= 1;
                    self.split(cluster).await?;
                }
            } else if let Some(cluster) = self.sparse.pop() {
                let is_there = self.index.router.group_of(cluster).is_some();
                if is_there && self.page(cluster).await?.page.len() < CLUSTER_MIN {
                    self.dissolve(cluster).await?;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// Cuts a cluster in two and lets its members choose again, among the new centroids and those
    /// around them (the reassignment of SPFresh, SOSP 2023).
    async fn split(&mut self, cluster: u32) -> Result<()> {
        let members = self.members(cluster).await?;
        let first: Vec<_> = members
            .iter()
            .filter(|member| member.place.primary == cluster)
            .collect();
        let basis = if first.len() >= BASIS_MIN {
            first
        } else {
            members.iter().collect()
        };
        let sketches: Vec<_> = basis.iter().map(|member| &*member.sketch).collect();
        let sides = bisect(&sketches);
        let centroid = |side: bool| {
            let side = sketches
                .iter()
                .zip(&sides)
                .filter(|(_, other)| **other == side);
            mean(side.map(|(sketch, _)| *sketch))
        };
        let (first, second) = (centroid(false), centroid(true));
        let new = self.index.router.free_number();
        let on_second: BTreeMap<u32, bool> = basis
            .iter()
            .zip(&sides)
            .map(|(member, side)| (member.ordinal, *side))
            .collect();

        self.recentre(cluster, first.clone(), None);
        self.recentre(new, second.clone(), Some(cluster));
        self.page(cluster).await?.clear();
        self.pages
            .entry(new)
            .or_insert_with(|| EditedPage::empty(0));
        let mut around = BTreeMap::new();
        for centre in [first, second] {
            let centre = Prepared::member(centre);
            for near in self
                .index
                .router
                .near(&centre, Nearness::Distance, NEIGHBOURS)
            {
                around.insert(near.cluster, near.centroid);
            }
        }
        for member in members {
            let vector = Prepared::member((*member.sketch).clone());
            let near = self.compare(&vector.sketch, &around, member.place);
            let distance = |near: &Near| squared_distance(&vector.sketch, near);
            let at = |cluster: u32| near.iter().find(|near| near.cluster == cluster);
            let nearest = nearest(&vector.sketch, &near);
            let halves = [at(cluster), at(new)].into_iter().flatten().map(distance);
            // Only a third cluster that is truly nearer overrules the cut, so that both halves keep their
            // size and equal vectors do not wander.
            let home = on_second
                .get(&member.ordinal)
                .and_then(|&side| at(if side { new } else { cluster }));
            let chosen = match home {
                Some(home) if distance(nearest) >= halves.fold(f32::INFINITY, f32::min) => home,
                _ => nearest,
            };
            let (ordinal, before) = (member.ordinal, Some(member.place));
            self.assign(ordinal, &vector, before, Some(cluster), chosen, &near)
                .await?;
        }
        self.attract(cluster, &around).await?;
        self.attract(new, &around).await
    }

    /// Lets the members of a cluster choose others, and removes it. The last cluster stays until it is
    /// empty.
    async fn dissolve(&mut self, cluster: u32) -> Result<()> {
        let members = self.members(cluster).await?;
        if !members.is_empty() && self.index.router.len() == 1 {
            return Ok(());
        }
        self.index.router.remove(cluster);
        self.recentred.insert(cluster);
        self.page(cluster).await?.clear();
        for member in members {
            let vector = Prepared::member((*member.sketch).clone());
            let near = self
                .index
                .router
                .near(&vector, Nearness::Distance, NEIGHBOURS);
            let nearest = nearest(&vector.sketch, &near).clone();
            let (ordinal, before) = (member.ordinal, Some(member.place));
            self.assign(ordinal, &vector, before, Some(cluster), &nearest, &near)
                .await?;
        }
        Ok(())
    }

    /// Moves vectors of the clusters around a new centroid that are nearer to it than to their own.
    async fn attract(&mut self, new: u32, around: &BTreeMap<u32, Arc<Sketch>>) -> Result<()> {
        let Some(centre) = around.get(&new).cloned() else {
            return Ok(());
        };
        let dimension = self.index.rotation.padded();
        let mut drawn = Vec::new();
        for (&cluster, own) in around.iter().filter(|other| *other.0 != new) {
            let mut towards = Vec::with_capacity(dimension);
            centre.expand(&mut towards);
            let mut from = Vec::with_capacity(dimension);
            own.expand(&mut from);
            for (towards, from) in towards.iter_mut().zip(from) {
                *towards -= from;
            }
            // |v - own|² - |v - centre|² = 2 <centre - own, v> - |centre|² + |own|²
            let shift = centre.dot(own) - own.squared_norm;
            let least = (centre.squared_norm - own.squared_norm) / 2.0;
            let towards = Table::new(&towards);
            let metric = self.index.metric;
            let page = &self.page(cluster).await?.page;
            page.leaning(&towards, shift, least, metric, |ordinal| {
                drawn.push((cluster, ordinal));
            });
        }
        for (cluster, ordinal) in drawn {
            let place = self.place(ordinal).await?;
            // It may have moved meanwhile, and where it is in second place it is not asked.
            if place.primary != cluster || place.secondary == Some(new) {
                continue;
            }
            let sketch = self.sketch(ordinal).await?;
            let near = self.compare(&sketch, around, place);
            let nearest = nearest(&sketch, &near);
            let own = near.iter().find(|near| near.cluster == cluster);
            let is_nearer = own.is_some_and(|own| {
                squared_distance(&sketch, nearest) < squared_distance(&sketch, own)
            });
            if nearest.cluster == new && is_nearer {
                let vector = Prepared::member((*sketch).clone());
                self.assign(ordinal, &vector, Some(place), None, nearest, &near)
                    .await?;
            }
        }
        Ok(())
    }

    /// Gives a vector a first and a second place. It was in the clusters `before`, of which one may have
    /// been emptied.
    async fn assign(
        &mut self,
        ordinal: u32,
        vector: &Prepared,
        before: Option<Place>,
        emptied: Option<u32>,
        first: &Near,
        near: &[Near],
    ) -> Result<()> {
        let stays = |cluster: u32| {
            Some(cluster) != emptied
                && before.is_some_and(|place| place.clusters().any(|other| other == cluster))
        };
        let mut second = None;
        for candidate in seconds(&vector.sketch, first, near) {
            // A second place is a favour: it must never make a cluster split.
            let cluster = candidate.cluster;
            if stays(cluster) || self.page(cluster).await?.page.len() < CLUSTER_MAX {
                second = Some(cluster);
                break;
            }
        }
        let place = Place {
            primary: first.cluster,
            secondary: second,
        };
        for cluster in before.into_iter().flat_map(Place::clusters) {
            if stays(cluster) && !place.clusters().any(|other| other == cluster) {
                self.leave(cluster, ordinal).await?;
            }
        }
        for cluster in place.clusters() {
            if !stays(cluster) {
                self.enter(cluster, ordinal, &vector.components).await?;
            }
        }
        if before != Some(place) {
            self.set_place(ordinal, Some(place));
        }
        Ok(())
    }

    async fn enter(&mut self, cluster: u32, ordinal: u32, vector: &[f32]) -> Result<()> {
        let metric = self.index.metric;
        let mut centroid = Vec::with_capacity(vector.len());
        if let Some(sketch) = self.index.router.centroid(cluster) {
            sketch.expand(&mut centroid);
        }
        let code = Code::new(vector, &centroid, metric);
        let edited = self.page(cluster).await?;
        let position = edited.page.push(ordinal, &code);
        edited.dirty.insert(position / BLOCK);
        if edited.page.len() > CLUSTER_MAX {
            self.overfull.push(cluster);
        }
        Ok(())
    }

    async fn leave(&mut self, cluster: u32, ordinal: u32) -> Result<()> {
        let dimension = self.index.rotation.padded();
        let edited = self.page(cluster).await?;
        let position = edited.page.position(ordinal).ok_or_else(|| {
            StoreError::corrupt_row(
                &keys::place::key(ordinal),
                "the vector is not in its cluster",
            )
        })?;
        let last = edited.page.len() - 1;
        edited.dirty.extend([position / BLOCK, last / BLOCK]);
        edited.page.swap_remove(position, dimension);
        if edited.page.len() < CLUSTER_MIN {
            self.sparse.push(cluster);
        }
        Ok(())
    }

    fn recentre(&mut self, cluster: u32, centroid: Sketch, neighbour: Option<u32>) {
        let centroid = Arc::new(centroid);
        let changed = self.index.router.set(cluster, centroid, neighbour);
        self.recentred.extend(changed);
    }

    /// The clusters `around` and those the vector is in, compared with it.
    fn compare(
        &self,
        vector: &Sketch,
        around: &BTreeMap<u32, Arc<Sketch>>,
        place: Place,
    ) -> Vec<Near> {
        let own = place
            .clusters()
            .filter(|cluster| !around.contains_key(cluster))
            .filter_map(|cluster| Some((cluster, self.index.router.centroid(cluster)?)));
        around
            .iter()
            .map(|(cluster, centroid)| (*cluster, centroid))
            .chain(own)
            .map(|(cluster, centroid)| Near::new(vector, Nearness::Distance, cluster, centroid))
            .collect()
    }

    async fn members(&mut self, cluster: u32) -> Result<Vec<Member>> {
        let ordinals = self.page(cluster).await?.page.ordinals.clone();
        let mut members = Vec::with_capacity(ordinals.len());
        for ordinal in ordinals {
            members.push(Member {
                ordinal,
                sketch: self.sketch(ordinal).await?,
                place: self.place(ordinal).await?,
            });
        }
        Ok(members)
    }

    async fn page(&mut self, cluster: u32) -> Result<&mut EditedPage> {
        if !self.pages.contains_key(&cluster) {
            let page = match self.cache.page(&self.base.pages, cluster) {
                Some(page) => (*page).clone(),
                None => Page::load(self.snapshot, cluster, self.index.rotation.padded()).await?,
            };
            self.pages.insert(cluster, EditedPage::stored(page));
        }
        Ok(self
            .pages
            .entry(cluster)
            .or_insert_with(|| EditedPage::empty(0)))
    }

    async fn place(&mut self, ordinal: u32) -> Result<Place> {
        let key = keys::place::key(ordinal);
        let place = match self.places.get(&ordinal) {
            Some(place) => *place,
            None => {
                let stored = self.snapshot.get(&key).await?;
                let place = stored
                    .map(|value| Place::decode(&value))
                    .transpose()
                    .map_err(|why| StoreError::corrupt_row(&key, why))?;
                self.places.insert(ordinal, place);
                place
            }
        };
        place.ok_or_else(|| StoreError::corrupt_row(&key, "missing"))
    }

    fn set_place(&mut self, ordinal: u32, place: Option<Place>) {
        self.places.insert(ordinal, place);
        self.replaced.insert(ordinal);
    }

    async fn sketch(&mut self, ordinal: u32) -> Result<Arc<Sketch>> {
        if let Some(sketch) = self.sketches.get(&ordinal) {
            return Ok(Arc::clone(sketch));
        }
        let key = keys::sketch::key(ordinal);
        let corrupt = |why| StoreError::corrupt_row(&key, why);
        let value = self
            .snapshot
            .get(&key)
            .await?
            .ok_or_else(|| corrupt("missing"))?;
        let mut codes = Vec::new();
        let dimension = self.index.rotation.padded();
        let scale = keys::sketch::decode_into(&value, dimension, &mut codes).map_err(corrupt)?;
        let sketch = Arc::new(Sketch::from_parts(scale, codes.into()));
        self.sketches.insert(ordinal, Arc::clone(&sketch));
        Ok(sketch)
    }
}

/// A vector in a cluster that is being split or dissolved.
struct Member {
    ordinal: u32,
    sketch: Arc<Sketch>,
    place: Place,
}

fn nearest<'a>(vector: &Sketch, near: &'a [Near]) -> &'a Near {
    let mut nearest = &near[0];
    for other in near {
        if squared_distance(vector, other) < squared_distance(vector, nearest) {
            nearest = other;
        }
    }
    nearest
}

impl EditedPage {
    fn stored(page: Page) -> Self {
        Self {
            stored_blocks: page.len().div_ceil(BLOCK),
            page,
            dirty: BTreeSet::new(),
        }
    }

    fn empty(stored_blocks: usize) -> Self {
        Self {
            page: Page::default(),
            stored_blocks,
            dirty: BTreeSet::new(),
        }
    }

    fn clear(&mut self) {
        self.dirty.extend(0..self.page.len().div_ceil(BLOCK));
        self.page = Page::default();
    }
}
