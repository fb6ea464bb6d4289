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
//! - A **search** scans pages, nearest cluster first; what may still be among the best by its bound is
//!   compared by its sketch, and the last few by their full vectors ([`search`]).
//!
//! Everything is decided on sketches, with exact integer products and a fixed order of additions, so
//! the index is the same on every machine and `quartz check` can compute every code again.

mod assign;
mod bisect;
mod block;
mod check;
mod code;
mod edit;
mod group;
mod page;
mod prepared;
mod reshape;
mod rotation;
mod router;
mod search;
mod seen;
mod sketch;

use std::sync::Arc;

pub(crate) use self::{
    block::SketchBlock,
    check::check,
    edit::{Edited, Editor},
    page::{Page, Role},
    search::{Allowed, Found, Search, Stop},
};
use self::{rotation::Rotation, router::Router, sketch::Sketch};
use crate::{
    Metric,
    cache::{Stamps, VectorCache},
    store::{Result, Snapshot},
};

/// The index of a namespace as of one commit: what of it is always in memory. Clones share it.
#[derive(Clone)]
pub(crate) struct Index {
    metric: Metric,
    rotation: Arc<Rotation>,
    router: Router,
    /// Of pages, by cluster.
    pages: Stamps,
    tending: Tending,
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
    /// That of a namespace without vectors.
    pub(crate) fn new(metric: Metric, dimension: usize, cache: &VectorCache) -> Self {
        Self {
            metric,
            rotation: Arc::new(Rotation::new(dimension)),
            router: Router::default(),
            pages: Stamps::new(cache),
            tending: Tending::default(),
        }
    }

    /// Reads the centroids; pages are read when they are needed.
    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        metric: Metric,
        dimension: usize,
        cache: &VectorCache,
    ) -> Result<Self> {
        let mut index = Self::new(metric, dimension, cache);
        index.router = Router::load(snapshot, index.rotation.padded()).await?;
        Ok(index)
    }

    /// Clusters.
    pub(crate) const fn clusters(&self) -> usize {
        self.router.len()
    }

    /// Whether [`Editor::tend`] has something to do.
    pub(crate) const fn wants_tending(&self) -> bool {
        self.tending.clusters > 0
    }

    /// Keeps the page of a cluster at hand.
    pub(crate) fn remember_page(&self, cluster: u32, page: Arc<Page>, cache: &VectorCache) {
        cache.insert_page(&self.pages, cluster, page);
    }

    /// Makes room for the page that replaces this one.
    pub(crate) fn forget_page(&self, cluster: u32, cache: &VectorCache) {
        cache.remove_page(&self.pages, cluster);
    }

    fn sketch(&self, vector: &[f32]) -> Sketch {
        let mut vector = vector.to_vec();
        self.metric.prepare(&mut vector);
        Sketch::new(&self.rotation.apply(&vector))
    }
}
