//! `Sketch`: a vector in eight bits a component, rotated; what searches refine with.
//! Key: ordinal `u32`. Value: scale `f32`, then a code `i8` for each rotated component; both little-endian.

use super::{Kind, codec::Malformed};

/// Bytes before the codes.
pub const HEAD_BYTES: usize = 4;

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Sketch.key(&[&ordinal.to_be_bytes()])
}

/// The value.
#[must_use]
pub fn encode(scale: f32, codes: &[i8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD_BYTES + codes.len());
    value.extend(scale.to_le_bytes());
    value.extend(codes.iter().map(|code| code.cast_unsigned()));
    value
}

/// Appends the codes of a stored sketch to `into` and gives its scale.
///
/// # Errors
/// When the value does not hold `dimension` codes and a finite scale.
pub fn decode_into(value: &[u8], dimension: usize, into: &mut Vec<i8>) -> Result<f32, Malformed> {
    let (scale, codes) = value.split_first_chunk().ok_or("a sketch is too short")?;
    let scale = f32::from_le_bytes(*scale);
    if codes.len() != dimension {
        return Err("a sketch has the wrong length");
    }
    if !scale.is_finite() || scale < 0.0 {
        return Err("a sketch has no sound scale");
    }
    into.extend(codes.iter().map(|code| code.cast_signed()));
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(scale in 0.0..1e30_f32, codes in prop::collection::vec(any::<i8>(), 0..70)) {
            let value = encode(scale, &codes);
            let mut decoded = Vec::new();
            assert_eq!(decode_into(&value, codes.len(), &mut decoded), Ok(scale));
            assert_eq!(decoded, codes);
            assert!(decode_into(&value, codes.len() + 1, &mut decoded).is_err());
        }
    }
}
