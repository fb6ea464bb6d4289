use super::{code::DEVIATION, prepared::Prepared, router::Ranked};
use crate::Metric;

/// What ranks the members of a cluster are likely to have, as far as that is known without looking at them.
///
/// A member is `x = c + r`. Of its product with a query, `<q, c>` is known; in a space of many dimensions the rest is
/// close to a normal deviate, and its deviation is that of a component of `r` times the distance to the member.
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
    /// A power, and no exponential function, which hosts round differently. A higher one takes a few codes less, and
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
        ratio * ratio * ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
