use super::{router::Near, sketch::Sketch};

/// How much a direction that the first residual already covers is worth less (λ of SOAR).
const ORTHOGONALITY: f32 = 2.0;

/// Squared distance of a vector to a centroid near it.
pub(crate) fn squared_distance(vector: &Sketch, near: &Near) -> f32 {
    vector.squared_norm + near.centroid.squared_norm - 2.0 * near.dot
}

/// The other clusters by how well they serve as a second one, best first.
///
/// A query that misses the first cluster of a vector does so because its residual points along that
/// of the vector; so the second cluster should be near, and its residual orthogonal to the first (SOAR,
/// NeurIPS 2023): the least `|r'|² + λ <r', r>² / |r|²`.
pub(crate) fn seconds<'a>(vector: &Sketch, first: &Near, near: &'a [Near]) -> Vec<&'a Near> {
    let first_squared = squared_distance(vector, first).max(f32::MIN_POSITIVE);
    let cost = |other: &Near| {
        let between = first.centroid.dot(&other.centroid);
        let product = vector.squared_norm - other.dot - first.dot + between;
        squared_distance(vector, other) + ORTHOGONALITY * product * product / first_squared
    };
    let others = near.iter().filter(|other| other.cluster != first.cluster);
    let mut costs: Vec<_> = others.map(|other| (cost(other), other)).collect();
    costs.sort_unstable_by(|a, b| {
        a.0.total_cmp(&b.0)
            .then_with(|| a.1.cluster.cmp(&b.1.cluster))
    });
    costs.into_iter().map(|(_, other)| other).collect()
}
