//! Changing clusters as a whole: cutting, dissolving, centring anew.

use std::{collections::BTreeMap, sync::Arc};

use quartz_kernels::codes::Table;

use super::{
    assign::squared_distance,
    bisect::{bisect, mean},
    edit::{EditedPage, Editor, NEIGHBOURS},
    page::Role,
    prepared::Prepared,
    router::{Near, Nearness},
    sketch::Sketch,
};
use crate::{keys::place::Place, store::Result};

/// Vectors in first place that a split needs; with fewer it goes by all members.
const BASIS_MIN: usize = 8;
/// What squared distances may be off, in squared lengths.
const ROUNDING: f32 = 1e-5;
/// Clusters that members choose from: around a new centre, or nearest to the vector.
const AROUND: usize = 32;

impl Editor<'_> {
    /// Cuts a cluster in two and lets its members choose again, among the new centroids and those
    /// around them (the reassignment of SPFresh, SOSP 2023).
    pub(super) async fn split(&mut self, cluster: u32) -> Result<()> {
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

        self.recentre([(cluster, first), (new, second)]);
        self.page(cluster).await?.clear();
        self.pages
            .entry(new)
            .or_insert_with(|| EditedPage::empty(0));
        let around = self.around(&[cluster, new]);
        for member in members {
            let near = self.compare(&member.sketch, &around, member.place);
            // Only a third cluster that is truly nearer overrules the cut, so that both halves keep their
            // size.
            let home = match on_second.get(&member.ordinal) {
                Some(true) => new,
                Some(false) => cluster,
                None => member.place.primary,
            };
            let halves = if member.place.primary == cluster {
                [cluster, new]
            } else {
                [home; 2]
            };
            let chosen = choose(&member.sketch, &near, home, halves);
            let (ordinal, before) = (member.ordinal, Some(member.place));
            self.assign(
                ordinal,
                &member.sketch,
                before,
                Some(cluster),
                chosen,
                &near,
            )
            .await?;
        }
        self.attract(cluster, &around).await?;
        self.attract(new, &around).await
    }

    /// Lets the members of a cluster choose others, and removes it. The last cluster stays until it is
    /// empty.
    pub(super) async fn dissolve(&mut self, cluster: u32) -> Result<()> {
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
            let (ordinal, before) = (member.ordinal, Some(member.place));
            self.assign(
                ordinal,
                &member.sketch,
                before,
                Some(cluster),
                &near[0],
                &near,
            )
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
            // It may have moved meanwhile.
            if place.primary != cluster || place.secondary == Some(new) {
                continue;
            }
            let sketch = self.sketch(ordinal).await?;
            let near = self.compare(&sketch, around, place);
            let nearest = nearest(&sketch, &near);
            let own = near.iter().find(|near| near.cluster == cluster);
            let is_nearer = own.is_some_and(|own| {
                let distance = |near: &Near| squared_distance(&sketch, near);
                is_nearer(&sketch, distance(nearest), distance(own))
            });
            if nearest.cluster == new && is_nearer {
                self.assign(ordinal, &sketch, Some(place), None, nearest, &near)
                    .await?;
            }
        }
        Ok(())
    }

    /// Moves a centroid to the mean of its members in first place, and lets those choose again: one step of Lloyd's
    /// algorithm for one cluster. What splits around it have left in a second best place finds a better one.
    pub(super) async fn centre(&mut self, cluster: u32) -> Result<()> {
        let members = self.members(cluster).await?.into_iter();
        let (first, second): (Vec<_>, Vec<_>) =
            members.partition(|member| member.place.primary == cluster);
        if first.is_empty() {
            return Ok(());
        }
        let centroid = mean(first.iter().map(|member| &*member.sketch));
        self.recentre([(cluster, centroid)]);
        self.page(cluster).await?.clear();
        // They choose when the cluster they are in first is centred.
        for member in second {
            let Member {
                ordinal, sketch, ..
            } = member;
            self.enter(cluster, ordinal, Role::Second, &sketch).await?;
        }
        for member in first {
            let near = self.choices(&member);
            let nearest = choose(&member.sketch, &near, cluster, [cluster; 2]);
            let (ordinal, before) = (member.ordinal, Some(member.place));
            self.assign(
                ordinal,
                &member.sketch,
                before,
                Some(cluster),
                nearest,
                &near,
            )
            .await?;
        }
        Ok(())
    }

    /// The clusters nearest to a vector, and those it is in. Among the clusters around its own there is often none
    /// that is good as its second.
    fn choices(&self, member: &Member) -> Vec<Near> {
        let router = &self.index.router;
        let vector = Prepared::member((*member.sketch).clone());
        let mut near = router.near(&vector, Nearness::Distance, AROUND);
        for cluster in member.place.clusters() {
            if let Some(centroid) = router.centroid(cluster)
                && near.iter().all(|near| near.cluster != cluster)
            {
                near.push(Near::new(&member.sketch, cluster, centroid));
            }
        }
        near
    }

    /// Some clusters and those near them.
    fn around(&self, clusters: &[u32]) -> BTreeMap<u32, Arc<Sketch>> {
        let mut around = BTreeMap::new();
        for &cluster in clusters {
            let Some(centroid) = self.index.router.centroid(cluster) else {
                continue;
            };
            let centre = Prepared::member((**centroid).clone());
            let near = self.index.router.near(&centre, Nearness::Distance, AROUND);
            around.extend(near.into_iter().map(|near| (near.cluster, near.centroid)));
            // Of many equal ones it may not be among them.
            around.insert(cluster, Arc::clone(centroid));
        }
        around
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
            .map(|(cluster, centroid)| Near::new(vector, cluster, centroid))
            .collect()
    }

    async fn members(&mut self, cluster: u32) -> Result<Vec<Member>> {
        let ordinals = self
            .page(cluster)
            .await?
            .page
            .ordinals()
            .collect::<Vec<_>>();
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
}

/// A vector in a cluster that is being split or dissolved.
struct Member {
    ordinal: u32,
    sketch: Arc<Sketch>,
    place: Place,
}

/// Whether one squared distance of a vector is less than another by more than rounding explains.
fn is_nearer(vector: &Sketch, one: f32, other: f32) -> bool {
    one < other - ROUNDING * vector.squared_norm
}

/// The nearest cluster if it is truly nearer than `rivals`, else `home`: equal vectors do not wander.
fn choose<'a>(vector: &Sketch, near: &'a [Near], home: u32, rivals: [u32; 2]) -> &'a Near {
    let at = |cluster: u32| near.iter().find(|near| near.cluster == cluster);
    let nearest = nearest(vector, near);
    let rivals = rivals.into_iter().filter_map(at);
    let rival = rivals
        .map(|rival| squared_distance(vector, rival))
        .fold(f32::INFINITY, f32::min);
    match at(home) {
        Some(home) if !is_nearer(vector, squared_distance(vector, nearest), rival) => home,
        _ => nearest,
    }
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
