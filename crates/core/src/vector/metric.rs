use std::fmt;

use quartz_kernels as kernels;

use super::Margin;

/// How vectors are compared.
///
/// | metric | score | nearer is | refused |
/// |---|---|---|---|
/// | `Cosine` | cosine of the angle, -1 to 1 | higher | zero vectors |
/// | `Dot` | inner product | higher | vectors so long that scores would not be finite |
/// | `Euclidean` | straight-line distance, 0 and up | lower | the same |
///
/// All refuse NaN and infinities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Metric {
    /// Cosine of the angle.
    #[default]
    Cosine = 0,
    /// Inner product.
    Dot = 1,
    /// Straight-line distance.
    Euclidean = 2,
}

/// Squared length up to which every score of two vectors is finite: |a·b| and |a-b|² are at most four
/// times the larger squared length.
const SQUARED_NORM_MAX: f64 = f32::MAX as f64 / 4.0;

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclidean => "euclidean",
        })
    }
}

impl Metric {
    /// Whether the vector can be compared.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, vector: &[f32]) -> Result<(), &'static str> {
        if vector.is_empty() {
            return Err("a vector needs at least one component");
        }
        // Of all of them, without a branch for each.
        let is_finite = |all, component: &f32| all & component.is_finite();
        if !vector.iter().fold(true, is_finite) {
            return Err("every component must be a finite number");
        }
        let squared_norm = squared_norm(vector);
        match self {
            Self::Cosine if squared_norm == 0.0 => {
                Err("a zero vector has no direction, so cosine cannot compare it")
            }
            Self::Dot | Self::Euclidean if squared_norm > SQUARED_NORM_MAX => {
                Err("the vector is too long: scores would not be finite; scale it down")
            }
            _ => Ok(()),
        }
    }

    /// Turns a vector into what is compared: of length 1 for cosine, else as it is.
    pub(crate) fn prepare(self, vector: &mut [f32]) {
        if let Some(divisor) = self.divisor(vector) {
            divide(vector, divisor);
        }
    }

    /// What a vector is divided by to be [prepared](Self::prepare): its length, for cosine.
    pub(crate) fn divisor(self, vector: &[f32]) -> Option<f64> {
        (self == Self::Cosine).then(|| length(vector))
    }

    /// The score of a rank: the number that is higher for nearer vectors.
    pub(crate) fn score(self, rank: f32) -> f32 {
        match self {
            Self::Cosine => rank.clamp(-1.0, 1.0),
            Self::Dot => rank,
            Self::Euclidean => (-rank).max(0.0).sqrt(),
        }
    }

    /// The rank of a prepared row against a prepared query, with the same bits on every machine.
    pub(crate) fn portable_rank(self, query: &[f32], row: &[f32]) -> f32 {
        match self {
            Self::Cosine | Self::Dot => kernels::portable_dot(query, row),
            Self::Euclidean => -kernels::portable_squared_euclidean(query, row),
        }
    }

    /// Ranks of prepared rows against a prepared query.
    pub(crate) fn ranks(self, query: &[f32], rows: &[f32], ranks: &mut [f32]) {
        match self {
            Self::Cosine | Self::Dot => kernels::dot_rows(query, rows, ranks),
            Self::Euclidean => {
                kernels::squared_euclidean_rows(query, rows, ranks);
                negate(ranks);
            }
        }
    }

    /// Ranks of rows of halves, as they are stored, against a prepared query. A row's
    /// [divisor](Self::divisor) is still to be applied to its rank.
    pub(crate) fn f16_ranks(self, query: &[f32], rows: &[u16], ranks: &mut [f32]) {
        match self {
            Self::Cosine | Self::Dot => kernels::dot_f16_rows(query, rows, ranks),
            Self::Euclidean => {
                kernels::squared_euclidean_f16_rows(query, rows, ranks);
                negate(ranks);
            }
        }
    }

    /// The length of a prepared row, as far as the rounding of its rank grows with it: cosine compares
    /// rows of length 1, and the Euclidean rank, a sum of squares, is as exact as it is small.
    pub(crate) fn rounding_length(self, row: &[f32]) -> f64 {
        match self {
            Self::Dot => length(row),
            Self::Cosine | Self::Euclidean => 1.0,
        }
    }

    /// How far below the `k`-th of [`ranks`](Self::ranks) or [`f16_ranks`](Self::f16_ranks) a row may be
    /// and still belong to the `k` best by [`portable_rank`](Self::portable_rank).
    ///
    /// `lengths` is the length of the prepared query times the largest
    /// [`rounding_length`](Self::rounding_length).
    pub(crate) fn margin(self, dimension: usize, lengths: f64) -> Margin {
        // Roundings one after another: of a term at most three, of the sixteenth of the additions that the
        // kernels chain, of folding four (wider registers fold more and chain fewer: no more in all), of
        // preparing the row one; and three to spare, also for the margin's own.
        let roundings = dimension as f64 / 16.0 + 11.0;
        // Both ranks have them, and both the `k`-th row and the other one: one row too low, one too high.
        let share = 4.0 * roundings * f64::from(f32::EPSILON / 2.0);
        // Below the normal numbers a rounding is absolute.
        let underflow = dimension as f64 * f64::from(f32::MIN_POSITIVE);
        match self {
            // The terms add up to at most the product of the lengths, whatever their signs.
            Self::Cosine | Self::Dot => Margin {
                absolute: (share * lengths + underflow) as f32,
                relative: 0.0,
            },
            Self::Euclidean => Margin {
                absolute: underflow as f32,
                relative: share as f32,
            },
        }
    }
}

/// The length in double precision, where no square of an `f32` overflows or vanishes.
pub(crate) fn length(vector: &[f32]) -> f64 {
    squared_norm(vector).sqrt()
}

/// Divides each component, rounding once.
pub(crate) fn divide(vector: &mut [f32], divisor: f64) {
    for component in vector {
        *component = (f64::from(*component) / divisor) as f32;
    }
}

fn negate(ranks: &mut [f32]) {
    for rank in ranks {
        *rank = -*rank;
    }
}

/// In double precision, where no square of an `f32` overflows or vanishes; in eight running sums, which a processor adds
/// up side by side.
fn squared_norm(vector: &[f32]) -> f64 {
    const LANES: usize = 8;
    let square = |component: f32| f64::from(component) * f64::from(component);
    let (chunks, rest) = vector.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &component) in sums.iter_mut().zip(chunk) {
            *sum += square(component);
        }
    }
    let rest: f64 = rest.iter().map(|&component| square(component)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // A margin is for two ranks that are each off by what two roundings of one rank differ by.
        #[test]
        fn a_margin_is_twice_what_ranks_differ_by(
            (mut query, halves) in (1..600_usize).prop_flat_map(|dimension| {
                let half = any::<u16>().prop_filter("a number", |bits| bits & 0x7C00 != 0x7C00);
                let alike = 0x3000..0x3C00_u16;
                (
                    prop::collection::vec(-3.0_f32..3.0, dimension),
                    prop_oneof![
                        prop::collection::vec(half, dimension),
                        prop::collection::vec(alike, dimension),
                    ],
                )
            }),
            metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::Euclidean]),
        ) {
            let mut row = vec![0.0; halves.len()];
            kernels::f16_to_f32(&halves, &mut row);
            prop_assume!(metric.check(&query).is_ok() && metric.check(&row).is_ok());
            let divisor = metric.divisor(&row);
            metric.prepare(&mut query);
            metric.prepare(&mut row);
            let portable = metric.portable_rank(&query, &row);
            let margin = metric.margin(row.len(), length(&query) * metric.rounding_length(&row));
            let allowed = (margin.absolute + margin.relative * portable.abs()) / 2.0;
            let mut rank = [0.0];
            metric.ranks(&query, &row, &mut rank);
            prop_assert!((rank[0] - portable).abs() <= allowed, "{} {portable}", rank[0]);
            metric.f16_ranks(&query, &halves, &mut rank);
            let rank = (f64::from(rank[0]) / divisor.unwrap_or(1.0)) as f32;
            prop_assert!((rank - portable).abs() <= allowed, "{rank} {portable}");
        }
    }

    #[test]
    fn vectors_that_cannot_be_compared_are_refused() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean] {
            assert!(metric.check(&[1.0, -2.0]).is_ok());
            for bad in [&[][..], &[f32::NAN], &[1.0, f32::INFINITY]] {
                assert!(metric.check(bad).is_err(), "{metric} {bad:?}");
            }
            assert_eq!(
                metric.check(&[3e38, 3e38]).is_ok(),
                metric == Metric::Cosine
            );
        }
        assert!(Metric::Cosine.check(&[0.0, 0.0]).is_err());
        assert!(Metric::Dot.check(&[0.0, 0.0]).is_ok());
    }

    #[test]
    fn cosine_compares_directions_of_any_length() {
        for length in [f32::MIN_POSITIVE, 1e-30, 1.0, 1e30, 1e38] {
            let mut vector = [0.6 * length, 0.8 * length];
            assert!(Metric::Cosine.check(&vector).is_ok());
            Metric::Cosine.prepare(&mut vector);
            assert!(
                (vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6,
                "{vector:?}"
            );
        }
    }
}
