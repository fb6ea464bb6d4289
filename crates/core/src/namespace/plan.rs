use super::Effort;
use crate::index::{Calibration, Stop};

/// What the planner knows of a query.
pub(super) struct Cost<'a> {
    /// Vectors in the namespace.
    pub(super) vectors: u64,
    /// Vectors that the filter leaves.
    pub(super) candidates: u64,
    pub(super) dimension: usize,
    pub(super) filtered: bool,
    pub(super) top_k: usize,
    /// `None` where there is no index.
    pub(super) calibration: Option<&'a Calibration>,
}

/// An approximate way to answer a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Route {
    /// Bound every candidate by its signs, with that benefit of the doubt, if those are gathered or worth it.
    Each {
        deviations: f32,
        /// Else compare the sketch of each rather than scan clusters.
        sketches: bool,
    },
    /// Scan the clusters near the query.
    Clusters,
}

/// Components up to which every vector is compared in full precision: 2,700 vectors of 384 dimensions.
const SCAN_COMPONENTS: u64 = 1 << 20;
/// The same for the candidates a filter leaves, which lie scattered.
const FILTERED_COMPONENTS: u64 = 1 << 15;

/// Nanoseconds to bound a candidate by its signs, to compare its sketch, and to scan a cluster under a filter, at 384
/// dimensions.
const SIGNS: f64 = 5.0;
const SKETCH: f64 = 80.0;
const CLUSTER: f64 = 550.0;
/// Clusters that a query scans for ten matches at a recall of 0.95, and how they grow with the rank of the last match
/// among all vectors, when a filter leaves one in so many.
const CLUSTERS_FOR_TEN: f64 = 20.0;
const GROWTH_BY_COUNT: f64 = 0.45;
const GROWTH_BY_SCARCITY: f64 = 0.8;
/// Clusters count the less the lower the worst match is (`Outlook`), so a search need not be as patient. How patience
/// goes with the rank of that among all vectors.
const PATIENCE_BY_RANK: f64 = -0.25;

/// The benefit of the doubt that a one-bit estimate is given up to a recall of 0.95, and how it grows beyond. Less than
/// the 1.9 of RaBitQ's ε₀: most vectors are in two clusters, and are looked at if either bound says so.
const DEVIATIONS: f32 = 1.6;
const DEVIATIONS_PER_RECALL: f32 = 12.0;
/// The same where every candidate is bounded. A bound that is too low is all that misses there, at most as often as a
/// normal deviate exceeds this: as often as may be missed, within a tenth from 0.90 to 0.999.
fn each_deviations(recall: f32) -> f32 {
    (-1.7 * (1.0 - recall).ln() - 2.37).max(0.0).sqrt()
}

impl Cost<'_> {
    /// The cheapest approximate way and where it stops, or `None` where an exact answer costs no more.
    pub(super) fn route(&self, effort: Effort) -> Option<(Route, Stop)> {
        let calibration = self.calibration?;
        let scarcity = self.vectors as f64 / self.candidates.max(1) as f64;
        let rank = self.top_k.max(1) as f64 * scarcity;
        let by_rank = (rank / Calibration::NEIGHBOURS as f64).powf(PATIENCE_BY_RANK);
        let stop = match effort {
            Effort::Exact => return None,
            Effort::Recall(recall) => Stop {
                deviations: DEVIATIONS + DEVIATIONS_PER_RECALL * (recall - 0.95).max(0.0),
                patience: (calibration.patience(recall) * by_rank) as f32,
                probes: usize::MAX,
            },
            Effort::Probes(probes) => Stop {
                deviations: DEVIATIONS + DEVIATIONS_PER_RECALL * 0.05,
                patience: f32::INFINITY,
                probes: probes as usize,
            },
        };
        let components = self.candidates * self.dimension as u64;
        let few = if self.filtered {
            FILTERED_COMPONENTS
        } else {
            SCAN_COMPONENTS
        };
        if components <= few || self.vectors * self.dimension as u64 <= SCAN_COMPONENTS {
            return None;
        }
        let Effort::Recall(recall) = effort else {
            return Some((Route::Clusters, stop));
        };
        if !self.filtered {
            return Some((Route::Clusters, stop));
        }
        let clusters = CLUSTERS_FOR_TEN
            * (self.top_k as f64 / 10.0).powf(GROWTH_BY_COUNT)
            * scarcity.powf(GROWTH_BY_SCARCITY);
        let (candidates, clusters) = (self.candidates as f64, clusters * CLUSTER);
        let route = if candidates * SIGNS < clusters {
            Route::Each {
                deviations: each_deviations(recall),
                sketches: candidates * SKETCH < clusters,
            }
        } else {
            Route::Clusters
        };
        Some((route, stop))
    }
}
