use super::{code::DEVIATION, prepared::Prepared, router::Ranked};
use crate::Metric;

/// What ranks the members of a cluster are likely to have, as far as that is known without looking at them.
///
/// A member is `x = c + r`. Of its product with a query, `<q, c>` is known; in a space of many dimensions the rest is
/// close to a normal deviate. Its deviation is taken to be that of a component of `r` times the distance to the member,
/// for all metrics alike; the calibration of patience makes up for what that is off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    mean: f32,
    deviation: f32,
}

/// Deviations at which a cluster counts as one.
const ONE: f32 = 5.0;
/// Fewer and more tell no more than these. Where all members are equal, any distance is infinitely many.
const LEAST: f32 = 2.0;
const MOST: f32 = 8.0;

impl Outlook {
    /// `spread` is the mean [scale](super::code::Code) of the members.
    pub(super) fn new(
        metric: Metric,
        query: &Prepared,
        ranked: Ranked,
        spread: f32,
        dimension: usize,
    ) -> Self {
        let scale = match metric {
            Metric::Cosine | Metric::Dot => spread,
            Metric::Euclidean => 0.5 * spread,
        };
        // The mean square of a component of a residual: |r| = α √d scale.
        let square = (1.0 - DEVIATION * DEVIATION) * scale * scale;
        let to_centroid = query.sketch.squared_norm + ranked.squared_norm - 2.0 * ranked.dot;
        let to_member = to_centroid.max(0.0) + dimension as f32 * square;
        let deviation = (square * to_member).sqrt();
        match metric {
            Metric::Cosine | Metric::Dot => Self {
                mean: ranked.dot,
                deviation,
            },
            Metric::Euclidean => Self {
                mean: -to_member,
                deviation: 2.0 * deviation,
            },
        }
    }

    /// How much it tells about the clusters behind it that this one has no member above a threshold: the more, the
    /// further that is out of its reach.
    ///
    /// A square, and no exponential function, which hosts round differently. A higher power takes a few codes less, and
    /// more for the slowest queries (decision 0011).
    pub(super) fn weight(self, threshold: f32) -> f32 {
        let deviations = (threshold - self.mean) / self.deviation;
        // Where both are nothing, they are not a number, and tell as little as can be.
        let told = if deviations > LEAST {
            deviations.min(MOST)
        } else {
            LEAST
        };
        let ratio = told / ONE;
        ratio * ratio
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quartz_kernels::portable_dot;

    use super::*;
    use crate::index::{
        code::Code,
        rotation::{Rotation, mix},
        router::{Nearness, Ranking, Router},
        sketch::Sketch,
    };

    fn outlook(mean: f32, deviation: f32) -> Outlook {
        Outlook { mean, deviation }
    }

    #[test]
    fn a_cluster_counts_more_the_further_it_is_out_of_reach() {
        let cluster = outlook(0.5, 0.05);
        let weights = [f32::NEG_INFINITY, 0.55, 0.65, 0.75, 0.85, 2.0].map(|t| cluster.weight(t));
        assert!(weights.is_sorted(), "{weights:?}");
        assert!((weights[3] - 1.0).abs() < 1e-5);
        assert!(weights[0] > 0.0 && weights[5] < 10.0);
    }

    #[test]
    fn equal_members_count_within_bounds() {
        for threshold in [f32::NEG_INFINITY, 0.4, 0.5, 0.6] {
            let weight = outlook(0.5, 0.0).weight(threshold);
            assert!((0.05..5.0).contains(&weight), "{weight}");
        }
    }

    const DIMENSION: usize = 256;

    /// Of a length, in a direction of its own.
    fn direction(seed: u64, length: f32) -> Vec<f32> {
        let component = |at: u64| (mix(seed << 32 | at) >> 40) as f32 / (1 << 24) as f32 - 0.5;
        let noise: Vec<_> = (0..DIMENSION as u64).map(component).collect();
        let factor = length / portable_dot(&noise, &noise).sqrt();
        let noise: Vec<_> = noise.iter().map(|component| component * factor).collect();
        Rotation::new(DIMENSION).apply(&noise)
    }

    /// Among vectors of length one all metrics rank alike, and so do clusters count alike; the ranks of the members
    /// have the mean that was to be expected, and a deviation of that order.
    #[test]
    fn clusters_count_alike_by_all_metrics() {
        let centroid = direction(0, 0.8);
        let around = |seed| {
            let noise = direction(seed, 1.0);
            let along = portable_dot(&noise, &centroid) / portable_dot(&centroid, &centroid);
            let across: Vec<_> = noise
                .iter()
                .zip(&centroid)
                .map(|(noise, centroid)| noise - along * centroid)
                .collect();
            let factor = 0.6 / portable_dot(&across, &across).sqrt();
            across
                .iter()
                .zip(&centroid)
                .map(|(across, centroid)| across * factor + centroid)
                .collect::<Vec<_>>()
        };
        let query = around(1);
        let members: Vec<_> = (2..402).map(around).collect();
        let dots = members.iter().map(|member| portable_dot(&query, member));
        let count = members.len() as f32;
        let mean = dots.clone().sum::<f32>() / count;
        let squares = dots.map(|dot| (dot - mean) * (dot - mean));
        let deviation = (squares.sum::<f32>() / count).sqrt();

        let mut router = Router::default();
        router.set(vec![(0, Arc::new(Sketch::new(&centroid)))]);
        let prepared = Prepared::query(query);
        let Some(ranked) = Ranking::new(&router, &prepared, Nearness::Distance, 1).next(&prepared)
        else {
            panic!("no cluster");
        };
        for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean] {
            // The square of a distance is two less twice the product.
            let (unit, least) = match metric {
                Metric::Cosine | Metric::Dot => (1.0, 0.0),
                Metric::Euclidean => (2.0, -2.0),
            };
            let rank = |dot| least + unit * dot;
            let scales = members
                .iter()
                .map(|member| Code::new(member, &centroid, metric).scale);
            let spread = scales.sum::<f32>() / count;
            let outlook = Outlook::new(metric, &prepared, ranked, spread, DIMENSION);
            assert!(
                (outlook.mean - rank(mean)).abs() < 0.2 * unit * deviation,
                "{metric:?}: {outlook:?}, was {mean}"
            );
            let ratio = outlook.deviation / (unit * deviation);
            assert!((0.8..1.6).contains(&ratio), "{metric:?}: {ratio}");
            let weight = outlook.weight(rank(mean + 5.0 * deviation));
            assert!((0.25..1.5).contains(&weight), "{metric:?}: {weight}");
        }
    }
}
