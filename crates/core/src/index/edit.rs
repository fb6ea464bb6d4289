//! Changing the index in one commit: vectors leave and enter clusters, clusters split and dissolve.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use quartz_kernels::codes::BLOCK;
use roaring::RoaringBitmap;

use super::{
    Index,
    assign::seconds,
    code::Code,
    page::{Page, Role},
    places::PlaceBlock,
    prepared::Prepared,
    router::{Near, Nearness},
    sketch::Sketch,
};
use crate::{
    cache::VectorCache,
    keys::{self, place::Place},
    store::{Batch, Result, Snapshot, StoreError},
    vector::BLOCK_ORDINALS,
};

/// Members in first place above which a cluster is split.
pub(crate) const FIRST_MAX: usize = 64;
/// Members in first place below which a cluster is dissolved.
pub(crate) const FIRST_MIN: usize = 8;
/// Members, in first and second place, from which a cluster takes no more in second place.
pub(crate) const MEMBERS_MAX: usize = 256;
/// Clusters a vector chooses from.
pub(super) const NEIGHBOURS: usize = 16;
/// Clusters to centre anew for each split: so many times in its life a cluster is looked at again.
const TENDED_PER_SPLIT: usize = 2;
/// Splits that one commit does at most beside one for each of its changes. What is left over its size
/// is split when it is next touched.
const SPLITS_SPARE: usize = 64;

/// An index being changed.
pub(crate) struct Editor<'a> {
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) cache: &'a VectorCache,
    pub(super) base: &'a Index,
    pub(super) index: Index,
    pub(super) pages: BTreeMap<u32, EditedPage>,
    places: HashMap<u32, Option<Place>>,
    /// Places that differ from the stored ones.
    replaced: BTreeSet<u32>,
    sketches: HashMap<u32, Arc<Sketch>>,
    /// Sketches to store (`true`) or to delete.
    resketched: BTreeMap<u32, bool>,
    /// Clusters whose row is to be written or, if they are gone, deleted.
    pub(super) recentred: BTreeSet<u32>,
    overfull: Vec<u32>,
    sparse: Vec<u32>,
    splits_left: usize,
    /// Whether the calibration is to be written.
    pub(super) calibrated: bool,
}

/// A page and which of its blocks differ from the stored ones.
pub(super) struct EditedPage {
    pub(super) page: Page,
    stored_blocks: usize,
    dirty: BTreeSet<usize>,
}

/// What an editor did, but for the rows.
pub(crate) struct Edited {
    /// `None` if there has never been a vector.
    pub(crate) index: Option<Arc<Index>>,
    pub(crate) parts: Parts,
}

/// What an editor changed of what may be in memory, for the cache once it is committed.
#[derive(Default)]
pub(crate) struct Parts {
    /// By cluster; `None`: gone.
    pages: Vec<(u32, Option<Page>)>,
    places: Vec<(u32, PlaceBlock)>,
}

impl Parts {
    /// Puts the parts of `index` in the place of those of `base`.
    pub(crate) fn publish(self, base: Option<&Index>, index: &Index, cache: &VectorCache) {
        for (cluster, page) in self.pages {
            if let Some(base) = base {
                base.pages.forget(cache, cluster);
            }
            if let Some(page) = page {
                index.pages.insert(cache, cluster, page);
            }
        }
        for (number, block) in self.places {
            if let Some(base) = base {
                base.places.forget(cache, number);
            }
            index.places.insert(cache, number, block);
        }
    }
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
            calibrated: false,
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
        self.splits_left += 1;
        self.settle().await
    }

    /// Puts a vector in; the ordinal must not be there.
    pub(crate) async fn insert(&mut self, ordinal: u32, vector: &[f32]) -> Result<()> {
        let sketch = self.index.sketch(vector);
        self.resketched.insert(ordinal, true);
        self.sketches.insert(ordinal, Arc::new(sketch.clone()));
        if self.index.router.len() == 0 {
            let cluster = self.index.router.free_number();
            self.recentre([(cluster, sketch.clone())]);
            self.pages
                .entry(cluster)
                .or_insert_with(|| EditedPage::empty(0));
        }
        let vector = Prepared::member(sketch);
        let near = self
            .index
            .router
            .near(&vector, Nearness::Distance, NEIGHBOURS);
        self.assign(ordinal, &vector.sketch, None, None, &near[0], &near)
            .await?;
        self.splits_left += 1;
        self.settle().await
    }

    /// Centres up to `clusters` clusters anew, in turn; whether there were any.
    pub(crate) async fn tend(&mut self, clusters: usize) -> Result<bool> {
        let before = self.index.tending.clusters;
        for _ in 0..clusters.min(self.index.tending.clusters) {
            let Some(cluster) = self.index.router.next_from(self.index.tending.next) else {
                break;
            };
            self.index.tending.clusters -= 1;
            self.index.tending.next = cluster + 1;
            self.centre(cluster).await?;
            self.settle().await?;
        }
        Ok(before > 0)
    }

    /// Writes the rows that changed.
    pub(crate) fn finish(mut self, batch: &mut Batch) -> Edited {
        let dimension = self.index.rotation.padded();
        let changed: RoaringBitmap = self.resketched.keys().copied().collect();
        let blocks = changed.iter().map(|ordinal| ordinal / BLOCK_ORDINALS);
        self.index.sketches.renew(blocks);
        self.index.gathered = self.index.gathered.without(&changed);
        for (ordinal, stored) in self.resketched {
            let key = keys::sketch::key(ordinal);
            match self.sketches.get(&ordinal).filter(|_| stored) {
                Some(sketch) => batch.put(key, keys::sketch::encode(sketch.scale, &sketch.codes)),
                None => batch.delete(key),
            }
        }
        let mut places = BTreeMap::new();
        for ordinal in self.replaced {
            let key = keys::place::key(ordinal);
            let place = self.places.get(&ordinal).copied().flatten();
            match place {
                Some(place) => batch.put(key, place.encode()),
                None => batch.delete(key),
            }
            let number = ordinal / BLOCK_ORDINALS;
            let block = places.entry(number).or_insert_with(|| {
                let block = self.base.places.peek(number);
                block.map(|block| PlaceBlock::clone(&block))
            });
            if let Some(block) = block {
                block.set(ordinal % BLOCK_ORDINALS, place);
            }
        }
        self.index.places.renew(places.keys().copied());
        let in_memory = places.into_iter();
        let places = in_memory.filter_map(|(number, block)| Some((number, block?)));
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
        if self.calibrated {
            let value = self.index.calibration.encode();
            batch.put(keys::calibration::key(), value);
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
            let lives = self.index.router.group_of(cluster).is_some();
            pages.push((cluster, lives.then_some(edited.page)));
        }
        let changed = pages.iter().map(|(cluster, _)| *cluster);
        self.index.pages.renew(changed);
        Edited {
            index: Some(Arc::new(self.index)),
            parts: Parts {
                pages,
                places: places.collect(),
            },
        }
    }

    /// Splits what is too large and dissolves what is too small.
    async fn settle(&mut self) -> Result<()> {
        loop {
            if let Some(cluster) = self.overfull.pop() {
                let is_there = self.index.router.group_of(cluster).is_some();
                if is_there
                    && self.page(cluster).await?.page.first_len() > FIRST_MAX
                    && self.splits_left > 0
                {
                    self.splits_left -= 1;
                    self.index.tending.clusters += TENDED_PER_SPLIT;
                    self.split(cluster).await?;
                }
            } else if let Some(cluster) = self.sparse.pop() {
                let is_there = self.index.router.group_of(cluster).is_some();
                if is_there && self.page(cluster).await?.page.first_len() < FIRST_MIN {
                    self.dissolve(cluster).await?;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// Gives a vector a first and a second place. It was in the clusters `before`, of which one may have
    /// been emptied.
    pub(super) async fn assign(
        &mut self,
        ordinal: u32,
        vector: &Sketch,
        before: Option<Place>,
        emptied: Option<u32>,
        first: &Near,
        near: &[Near],
    ) -> Result<()> {
        let role_before = |cluster: u32| {
            let place = before.filter(|_| Some(cluster) != emptied)?;
            place.role(cluster)
        };
        let mut second = None;
        for candidate in seconds(vector, first, near) {
            // A second place is a favour: it must never make a cluster grow without bound.
            let cluster = candidate.cluster;
            if role_before(cluster).is_some() || self.page(cluster).await?.page.len() < MEMBERS_MAX
            {
                second = Some(cluster);
                break;
            }
        }
        let place = Place {
            primary: first.cluster,
            secondary: second,
        };
        for cluster in before.into_iter().flat_map(Place::clusters) {
            if role_before(cluster).is_some() && place.role(cluster).is_none() {
                self.leave(cluster, ordinal).await?;
            }
        }
        for cluster in place.clusters() {
            match (role_before(cluster), place.role(cluster)) {
                (None, Some(role)) => {
                    self.enter(cluster, ordinal, role, vector).await?;
                }
                (Some(old), Some(new)) if old != new => {
                    self.change_role(cluster, ordinal, new).await?;
                }
                _ => {}
            }
        }
        if before != Some(place) {
            self.set_place(ordinal, Some(place));
        }
        Ok(())
    }

    pub(super) async fn enter(
        &mut self,
        cluster: u32,
        ordinal: u32,
        role: Role,
        vector: &Sketch,
    ) -> Result<()> {
        let metric = self.index.metric;
        let centroid = self.index.router.centroid(cluster);
        let centroid = centroid
            .map(|centroid| centroid.components())
            .unwrap_or_default();
        let code = Code::new(&vector.components(), &centroid, metric);
        let edited = self.page(cluster).await?;
        let position = edited.page.push(ordinal, role, &code);
        edited.dirty.insert(position / BLOCK);
        if edited.page.first_len() > FIRST_MAX {
            self.overfull.push(cluster);
        }
        Ok(())
    }

    async fn change_role(&mut self, cluster: u32, ordinal: u32, role: Role) -> Result<()> {
        let (edited, position) = self.member(cluster, ordinal).await?;
        edited.dirty.insert(position / BLOCK);
        edited.page.set_role(position, role);
        let first = edited.page.first_len();
        if first > FIRST_MAX {
            self.overfull.push(cluster);
        }
        if first < FIRST_MIN {
            self.sparse.push(cluster);
        }
        Ok(())
    }

    /// The page of a cluster, and where in it a vector is.
    async fn member(&mut self, cluster: u32, ordinal: u32) -> Result<(&mut EditedPage, usize)> {
        let edited = self.page(cluster).await?;
        let position = edited.page.position(ordinal).ok_or_else(|| {
            let key = keys::place::key(ordinal);
            StoreError::corrupt_row(&key, "the vector is not in its cluster")
        })?;
        Ok((edited, position))
    }

    async fn leave(&mut self, cluster: u32, ordinal: u32) -> Result<()> {
        let dimension = self.index.rotation.padded();
        let (edited, position) = self.member(cluster, ordinal).await?;
        let last = edited.page.len() - 1;
        edited.dirty.extend([position / BLOCK, last / BLOCK]);
        edited.page.swap_remove(position, dimension);
        if edited.page.first_len() < FIRST_MIN {
            self.sparse.push(cluster);
        }
        Ok(())
    }

    /// Sets centroids, as [`Router::set`](super::router::Router::set) does.
    pub(super) fn recentre<const N: usize>(&mut self, centroids: [(u32, Sketch); N]) {
        let centroids = centroids.map(|(cluster, centroid)| (cluster, Arc::new(centroid)));
        let changed = self.index.router.set(centroids.into());
        self.recentred.extend(changed);
    }

    pub(super) async fn page(&mut self, cluster: u32) -> Result<&mut EditedPage> {
        if !self.pages.contains_key(&cluster) {
            let page = match self.base.pages.get(self.cache, cluster) {
                Some(page) => Page::clone(&page),
                None => Page::load(self.snapshot, cluster, self.index.rotation.padded()).await?,
            };
            self.pages.insert(cluster, EditedPage::stored(page));
        }
        Ok(self
            .pages
            .entry(cluster)
            .or_insert_with(|| EditedPage::empty(0)))
    }

    pub(super) async fn place(&mut self, ordinal: u32) -> Result<Place> {
        let place = match self.places.get(&ordinal) {
            Some(place) => *place,
            None => {
                let place = self.base.place(self.snapshot, self.cache, ordinal).await?;
                self.places.insert(ordinal, place);
                place
            }
        };
        place.ok_or_else(|| StoreError::corrupt_row(&keys::place::key(ordinal), "missing"))
    }

    fn set_place(&mut self, ordinal: u32, place: Option<Place>) {
        self.places.insert(ordinal, place);
        self.replaced.insert(ordinal);
    }

    pub(super) async fn sketch(&mut self, ordinal: u32) -> Result<Arc<Sketch>> {
        if let Some(sketch) = self.sketches.get(&ordinal) {
            return Ok(Arc::clone(sketch));
        }
        let block = self.base.sketch_block(self.snapshot, self.cache, ordinal);
        let row = block.await?;
        let row = row.row(ordinal % BLOCK_ORDINALS, self.index.rotation.padded());
        let missing = || StoreError::corrupt_row(&keys::sketch::key(ordinal), "missing");
        let sketch = Arc::new(row.ok_or_else(missing)?.to_sketch());
        self.sketches.insert(ordinal, Arc::clone(&sketch));
        Ok(sketch)
    }
}

impl EditedPage {
    fn stored(page: Page) -> Self {
        Self {
            stored_blocks: page.len().div_ceil(BLOCK),
            page,
            dirty: BTreeSet::new(),
        }
    }

    pub(super) fn empty(stored_blocks: usize) -> Self {
        Self {
            page: Page::default(),
            stored_blocks,
            dirty: BTreeSet::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.dirty.extend(0..self.page.len().div_ceil(BLOCK));
        self.page = Page::default();
    }
}
