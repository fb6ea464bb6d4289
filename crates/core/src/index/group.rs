use std::sync::Arc;

use quartz_kernels::codes;

use super::{bisect::bisect, code::Code, page::Page, prepared::Prepared, sketch::Sketch};
use crate::Metric;

/// Centroids in a group before it is cut in two.
pub(crate) const GROUP_MAX: usize = 256;

/// Neighbouring centroids, with one-bit codes of their own.
///
/// A group is a function of its members alone, so that it is the same after reopening, and is shared by
/// all states that did not change it.
pub(crate) struct Group {
    /// Ascending by number.
    pub(crate) members: Vec<(u32, Arc<Sketch>)>,
    /// The mean of the members, which their codes are relative to.
    pub(crate) origin: Prepared,
    page: Page,
}

impl Group {
    pub(crate) fn new(mut members: Vec<(u32, Arc<Sketch>)>) -> Self {
        members.sort_unstable_by_key(|member| member.0);
        let origin = super::bisect::mean(members.iter().map(|(_, sketch)| &**sketch));
        let origin = Prepared::member(origin);
        let mut page = Page::default();
        let mut centroid = Vec::with_capacity(origin.components.len());
        for (number, sketch) in &members {
            centroid.clear();
            sketch.expand(&mut centroid);
            page.push(
                *number,
                &Code::new(&centroid, &origin.components, Metric::Dot),
            );
        }
        Self {
            members,
            origin,
            page,
        }
    }

    /// Places of [`estimate`](Self::estimate): whole blocks.
    pub(crate) fn places(&self) -> usize {
        self.page.add.len()
    }

    /// Writes an estimate of the product of `query` with each member, `-∞` behind the last one.
    pub(crate) fn estimate(&self, query: &Prepared, estimates: &mut [f32]) {
        let Page {
            add, scale, codes, ..
        } = &self.page;
        let base = query.sketch.dot(&self.origin.sketch);
        codes::bounds(&query.table, codes, add, scale, base, 0.0, estimates);
    }

    pub(crate) fn position(&self, cluster: u32) -> Option<usize> {
        self.members
            .binary_search_by_key(&cluster, |member| member.0)
            .ok()
    }

    /// Two groups of about half the members each.
    pub(crate) fn cut(members: Vec<(u32, Arc<Sketch>)>) -> [Vec<(u32, Arc<Sketch>)>; 2] {
        let sketches: Vec<_> = members.iter().map(|(_, sketch)| &**sketch).collect();
        let sides = bisect(&sketches);
        let mut halves = [Vec::new(), Vec::new()];
        for (member, side) in members.into_iter().zip(sides) {
            halves[usize::from(side)].push(member);
        }
        halves
    }
}
