use quartz_kernels::portable_dot;

use crate::Metric;

/// A vector in a cluster, in one bit a component (RaBitQ, SIGMOD 2024).
///
/// Let `r = x - c` be the residual of a vector to its centroid and `b` the signs of `r`. For any `y`, the
/// product `<y, r>` is estimated without bias by `scale * <y, b>` with `scale = |r|² / |r|₁`. With `y = q - c`,
///
/// ```text
/// <q, x> = <q, c> + <c, r> + <q - c, r>  ≈  <q, c>  +  <c, r> - scale * <c, b>  +  scale * <q, b>
///                                           `base`     `add`, known beforehand
/// ```
///
/// so that one look-up table for `<q, ·>` serves all clusters. The standard deviation of the
/// estimate is about `scale * |q - c| * `[`DEVIATION`]. Euclidean ranks are `2 <q, x> - |x|² - |q|²`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Code {
    pub(crate) add: f32,
    pub(crate) scale: f32,
    /// ±1 for each component.
    pub(crate) signs: Vec<f32>,
}

/// √(1 - α²), where α = |r|₁ / (√d |r|) is close to √(2/π) for rotated residuals.
pub(crate) const DEVIATION: f32 = 0.603;

impl Code {
    /// Of a rotated vector in the cluster of a rotated centroid.
    pub(crate) fn new(vector: &[f32], centroid: &[f32], metric: Metric) -> Self {
        let residual: Vec<f32> = vector.iter().zip(centroid).map(|(x, c)| x - c).collect();
        let signs: Vec<f32> = residual
            .iter()
            .map(|&component| if component >= 0.0 { 1.0 } else { -1.0 })
            .collect();
        let magnitude = portable_dot(&residual, &signs);
        let scale = if magnitude > f32::MIN_POSITIVE {
            portable_dot(&residual, &residual) / magnitude
        } else {
            0.0
        };
        let add = portable_dot(centroid, &residual) - scale * portable_dot(centroid, &signs);
        match metric {
            Metric::Cosine | Metric::Dot => Self { add, scale, signs },
            Metric::Euclidean => Self {
                add: 2.0 * add - portable_dot(vector, vector),
                scale: 2.0 * scale,
                signs,
            },
        }
    }
}
