//! The clustered vector index over the ordered map.
//!
//! In the line of SPANN (NeurIPS 2021), SPFresh (SOSP 2023), SOAR (NeurIPS 2023) and RaBitQ (SIGMOD
//! 2024/2025), with everything it keeps committed together with the record it indexes:
//!
//! - Every vector has a **sketch**: rotated by a fixed random [`rotation`], eight bits a component.
//! - Vectors are in **clusters** of up to 64 members in first place. A vector is in the cluster of its nearest centroid
//!   and in a second one chosen so that a query which misses the first finds it there ([`assign`]). A cluster
//!   that outgrows its size is cut in two ([`bisect`]), one that has nearly emptied is dissolved; members
//!   choose again among the clusters around ([`edit`], [`reshape`]), and what splits leave behind is centred anew
//!   in small portions when there is time. So work per write is bounded and nothing is ever
//!   built.
//! - A cluster's **page** holds its members with one bit a component, relative to the centroid, in blocks
//!   of 32 for the scanning kernels ([`page`], [`code`]).
//! - The **router** holds the centroids in memory and finds the clusters near a query ([`router`], [`group`]).
//! - A **calibration** says how patient a search must be for a recall ([`calibration`]).
//! - A **search** scans pages, nearest cluster first; what may still be among the best by its bound is
//!   compared by its sketch, and the last few by their full vectors ([`search`]).
//! - Where a filter leaves so few that clusters would be searched for them mostly in vain, each of them is bounded
//!   instead, by the signs of its sketch ([`each`], [`gathered`]).
//!
//! Everything is decided on sketches, with exact integer products and a fixed order of additions, so
//! the index is the same on every machine and `quartz check` can compute every code again.

mod allowed;
mod assign;
mod bisect;
mod block;
mod calibration;
mod check;
mod code;
mod each;
mod edit;
mod gathered;
mod group;
mod outlook;
mod page;
mod places;
mod prepared;
mod reshape;
mod rotation;
mod router;
mod routes;
mod search;
mod seen;
mod sketch;

use std::sync::Arc;

pub(crate) use self::{
    allowed::Allowed,
    block::SketchBlock,
    calibration::Calibration,
    check::check,
    edit::{Edited, Editor, Parts},
    page::{Page, Role},
    search::{Found, Search, Stop},
};
use self::{
    gathered::Gatherings, places::PlaceBlock, rotation::Rotation, router::Router, sketch::Sketch,
};
use crate::{
    Metric,
    cache::Slots,
    store::{Result, Snapshot},
};

/// The index of a namespace as of one commit: what of it is always in memory. Clones share it.
#[derive(Clone)]
pub(crate) struct Index {
    metric: Metric,
    rotation: Arc<Rotation>,
    router: Router,
    /// Pages in memory, by cluster.
    pages: Slots<Page>,
    /// Sketches in memory, by block of ordinals.
    sketches: Slots<SketchBlock>,
    /// Places in memory, by block of ordinals.
    places: Slots<PlaceBlock>,
    /// Signs in memory, by selection.
    pub(crate) gathered: Gatherings,
    tending: Tending,
    pub(crate) calibration: Calibration,
}

/// What is left to do for clusters that splits have left behind. Forgotten at the end of the process:
/// searches only have to scan a little more.
#[derive(Clone, Copy, Default)]
struct Tending {
    /// Clusters to centre anew.
    clusters: usize,
    /// The cluster to begin with.
    next: u32,
}

impl Index {
    /// One without clusters, for vectors in some blocks of ordinals.
    pub(crate) fn new(metric: Metric, dimension: usize, blocks: usize) -> Self {
        Self {
            metric,
            rotation: Arc::new(Rotation::new(dimension)),
            router: Router::default(),
            pages: Slots::new(0),
            sketches: Slots::new(blocks),
            places: Slots::new(blocks),
            gathered: Gatherings::default(),
            tending: Tending::default(),
            calibration: Calibration::default(),
        }
    }

    /// Reads the centroids; pages are read when they are needed.
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        metric: Metric,
        dimension: usize,
        blocks: usize,
    ) -> Result<Self> {
        let mut index = Self::new(metric, dimension, blocks);
        index.router = Router::load(snapshot, index.rotation.padded()).await?;
        index.pages = Slots::new(index.router.numbers());
        index.calibration = Calibration::load(snapshot).await?;
        Ok(index)
    }

    /// Clusters.
    pub(crate) const fn clusters(&self) -> usize {
        self.router.len()
    }

    /// Whether [`Editor::tend`] or [`Editor::calibrate`] has something to do, in a namespace with so many vectors.
    pub(crate) fn wants_tending(&self, vectors: u64) -> bool {
        self.tending.clusters > 0 || self.calibration.is_due(self.clusters(), vectors)
    }

    fn sketch(&self, vector: &[f32]) -> Sketch {
        let mut vector = vector.to_vec();
        self.metric.prepare(&mut vector);
        Sketch::new(&self.rotation.apply(&vector))
    }
}
