use std::fmt;

use quartz_kernels as kernels;

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
        if !vector.iter().all(|component| component.is_finite()) {
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
        if self == Self::Cosine {
            let norm = squared_norm(vector).sqrt();
            for component in vector {
                *component = (f64::from(*component) / norm) as f32;
            }
        }
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
                for rank in ranks {
                    *rank = -*rank;
                }
            }
        }
    }
}

/// In double precision, where no square of an `f32` overflows or vanishes.
fn squared_norm(vector: &[f32]) -> f64 {
    vector
        .iter()
        .map(|&component| f64::from(component) * f64::from(component))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

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
