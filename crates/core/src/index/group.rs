use std::sync::Arc;

use quartz_kernels::{
    codes::{self, Scan},
    dot_i8, prefetch,
};

use super::{
    bisect::bisect,
    code::Code,
    page::{Page, Role},
    prepared::Prepared,
    router::Nearness,
    sketch::Sketch,
};
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
    /// Codes of all members side by side, for comparing many.
    codes: Vec<i8>,
    scales: Vec<f32>,
    pub(crate) squared_norms: Vec<f32>,
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
                Role::First,
                &Code::new(&centroid, &origin.components, Metric::Dot),
            );
        }
        let codes = members
            .iter()
            .flat_map(|(_, sketch)| sketch.codes.iter().copied())
            .collect();
        let scales = members.iter().map(|(_, sketch)| sketch.scale).collect();
        let squared_norms = members
            .iter()
            .map(|(_, sketch)| sketch.squared_norm)
            .collect();
        Self {
            members,
            codes,
            scales,
            squared_norms,
            origin,
            page,
        }
    }

    /// Places of [`estimate`](Self::estimate): whole blocks.
    pub(crate) fn places(&self) -> usize {
        self.page.add.len()
    }

    /// Writes an estimate of the score of each member, `-∞` behind the last one. Meanwhile memory is asked for the
    /// group that comes next.
    pub(crate) fn estimate(
        &self,
        query: &Prepared,
        nearness: Nearness,
        next: Option<&Group>,
        estimates: &mut [f32],
    ) {
        let scan = Scan {
            table: &query.table,
            codes: &self.page.codes,
            add: &self.page.add,
            scale: &self.page.scale,
            base: query.sketch.dot(&self.origin.sketch),
            slack: 0.0,
            ahead: next.map_or(&[], |next| &next.page.codes),
        };
        codes::bounds(&scan, estimates);
        for (estimate, squared_norm) in estimates.iter_mut().zip(&self.squared_norms) {
            *estimate = nearness.score(*estimate, *squared_norm);
        }
    }

    /// The product of `query` with the member at a position.
    pub(crate) fn dot(&self, query: &Sketch, position: usize) -> f32 {
        let codes = self.codes_of(position, query.codes.len());
        dot_i8(codes, &query.codes) as f32 * (self.scales[position] * query.scale)
    }

    /// Asks the processor for what [`dot`](Self::dot) will read.
    pub(crate) fn expect(&self, position: usize, dimension: usize) {
        prefetch(self.codes_of(position, dimension));
    }

    fn codes_of(&self, position: usize, dimension: usize) -> &[i8] {
        &self.codes[position * dimension..(position + 1) * dimension]
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
