//! `Cluster`: a centroid. Key: cluster `u32`. Value: group `u32` big-endian, scale `f32` little-endian, then a code
//! `i8` for each rotated component.

use super::{Kind, codec::Malformed, sketch};

/// The key.
#[must_use]
pub fn key(cluster: u32) -> Vec<u8> {
    Kind::Cluster.key(&[&cluster.to_be_bytes()])
}

/// The value.
#[must_use]
pub fn encode(group: u32, scale: f32, codes: &[i8]) -> Vec<u8> {
    let mut value = group.to_be_bytes().to_vec();
    value.extend(sketch::encode(scale, codes));
    value
}

/// Appends the codes of a stored centroid to `into` and gives its group and scale.
///
/// # Errors
/// When the value does not hold `dimension` codes and a finite scale.
pub fn decode_into(
    value: &[u8],
    dimension: usize,
    into: &mut Vec<i8>,
) -> Result<(u32, f32), Malformed> {
    let (group, rest) = value.split_first_chunk().ok_or("a centroid is too short")?;
    let scale = sketch::decode_into(rest, dimension, into)?;
    Ok((u32::from_be_bytes(*group), scale))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            group in any::<u32>(),
            scale in 0.0..1e30_f32,
            codes in prop::collection::vec(any::<i8>(), 0..70),
        ) {
            let value = encode(group, scale, &codes);
            let mut decoded = Vec::new();
            assert_eq!(decode_into(&value, codes.len(), &mut decoded), Ok((group, scale)));
            assert_eq!(decoded, codes);
        }
    }
}
