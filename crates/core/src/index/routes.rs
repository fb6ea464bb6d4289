use std::{mem, sync::Arc};

use super::{
    Page,
    prepared::Prepared,
    router::{Nearness, Ranked, Ranking},
    search::{ROUND, Search, Stop},
};
use crate::cache::Kept;

/// Clusters that are ranked at first: a few, and one and a quarter for each unit of patience, which is about a cluster
/// scanned in vain, within bounds.
const ROUTED_SPARE: usize = 24;
const ROUTED_MAX: usize = 512;

/// A cluster, and its page where that is in memory.
pub(super) type Routed = (Ranked, Option<Arc<Kept<Page>>>);

/// Clusters, nearest first, taken in rounds. Where the pages of the round after are is asked for while one is
/// scanned, and then what they hold beside their codes; these the scan itself asks for, cluster by cluster.
pub(super) struct Routes<'a> {
    search: &'a Search<'a>,
    ranking: Ranking<'a>,
    ahead: Vec<Routed>,
}

impl<'a> Routes<'a> {
    pub(super) fn new(
        search: &'a Search<'a>,
        query: &Prepared,
        nearness: Nearness,
        stop: &Stop,
    ) -> Self {
        let likely = (stop.patience as usize).min(stop.probes).min(ROUTED_MAX);
        let first = likely + likely / 4 + ROUTED_SPARE;
        let ranking = Ranking::new(&search.index.router, query, nearness, first);
        for cluster in ranking.coming(0).take(2 * ROUND) {
            search.index.pages.expect(cluster);
        }
        Self {
            search,
            ranking,
            ahead: Vec::with_capacity(ROUND),
        }
    }

    /// Puts the next clusters into `round`, which is empty.
    pub(super) fn round(&mut self, query: &Prepared, most: usize, round: &mut Vec<Routed>) {
        let mut ahead = mem::take(&mut self.ahead);
        mem::swap(round, &mut ahead);
        if round.is_empty() {
            self.take(query, round);
            if let Some((_, Some(page))) = round.first()
                && !self.search.allowed.is_filter()
            {
                page.prefetch_codes();
            }
        }
        if most > ROUND {
            self.take(query, &mut ahead);
        }
        self.ahead = ahead;
        round.truncate(most);
    }

    fn take(&mut self, query: &Prepared, taken: &mut Vec<Routed>) {
        let pages = &self.search.index.pages;
        for cluster in self.ranking.coming(ROUND).take(ROUND) {
            pages.expect(cluster);
        }
        while taken.len() < ROUND
            && let Some(ranked) = self.ranking.next(query)
        {
            let page = pages.get(self.search.cache, ranked.cluster());
            if let Some(page) = &page {
                page.prefetch_members();
                if !self.search.allowed.is_filter() {
                    page.prefetch_numbers();
                }
            }
            taken.push((ranked, page));
        }
    }

    /// The codes of the first cluster of the next round, where they are in memory.
    pub(super) fn coming_codes(&self) -> &[u8] {
        let first = self.ahead.first().and_then(|(_, page)| page.as_ref());
        first.map_or(&[], |page| &page.codes)
    }
}
