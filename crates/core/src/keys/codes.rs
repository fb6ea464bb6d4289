//! `Codes`: up to 32 members of a cluster with their one-bit codes. Key: cluster `u32`, block `u16`.
//! Value: for each member its ordinal `u32`, the highest bit set if it is in second place, then for each the summand `f32`, then for each the factor `f32`, all
//! little-endian; then the codes of the block as the kernels scan them (`quartz_kernels::codes`), four bytes a
//! rotated component, zero where there is no member.

use super::{Kind, codec::Malformed};

/// Members a block holds.
pub const BLOCK: usize = quartz_kernels::codes::BLOCK;
/// Bytes of a member beside its code.
const MEMBER_BYTES: usize = 12;

/// What a row holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The members: ordinals, with the highest bit set for those in second place.
    pub ordinals: Vec<u32>,
    /// What is added to the estimate of each.
    pub add: Vec<f32>,
    /// What the estimate of each is multiplied with.
    pub scale: Vec<f32>,
    /// The codes of the whole block.
    pub codes: Vec<u8>,
}

/// The key.
#[must_use]
pub fn key(cluster: u32, block: u16) -> Vec<u8> {
    Kind::Codes.key(&[&cluster.to_be_bytes(), &block.to_be_bytes()])
}

/// The value.
#[must_use]
pub fn encode(ordinals: &[u32], add: &[f32], scale: &[f32], codes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(ordinals.len() * MEMBER_BYTES + codes.len());
    value.extend(ordinals.iter().flat_map(|ordinal| ordinal.to_le_bytes()));
    value.extend(add.iter().flat_map(|add| add.to_le_bytes()));
    value.extend(scale.iter().flat_map(|scale| scale.to_le_bytes()));
    value.extend(codes);
    value
}

/// Reads the value.
///
/// # Errors
/// When no block of this many rotated components encodes to these bytes.
pub fn decode(value: &[u8], dimension: usize) -> Result<Block, Malformed> {
    let code_bytes = dimension / 8 * BLOCK;
    let members = value
        .len()
        .checked_sub(code_bytes)
        .filter(|bytes| bytes % MEMBER_BYTES == 0)
        .map(|bytes| bytes / MEMBER_BYTES)
        .filter(|members| (1..=BLOCK).contains(members))
        .ok_or("a block of codes has the wrong length")?;
    let (numbers, codes) = value.split_at(members * MEMBER_BYTES);
    let (numbers, _) = numbers.as_chunks::<4>();
    let (ordinals, factors) = numbers.split_at(members);
    let (add, scale) = factors.split_at(members);
    let floats = |bytes: &[[u8; 4]]| -> Vec<f32> {
        bytes
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let block = Block {
        ordinals: ordinals
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect(),
        add: floats(add),
        scale: floats(scale),
        codes: codes.to_vec(),
    };
    if block
        .add
        .iter()
        .chain(&block.scale)
        .any(|number| !number.is_finite())
    {
        return Err("a factor is not finite");
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            members in prop::collection::vec((any::<u32>(), -1e9..1e9_f32, 0.0..1e9_f32), 1..=BLOCK),
            code in any::<u8>(),
        ) {
            let block = Block {
                ordinals: members.iter().map(|member| member.0).collect(),
                add: members.iter().map(|member| member.1).collect(),
                scale: members.iter().map(|member| member.2).collect(),
                codes: vec![code; 64 * 4],
            };
            let value = encode(&block.ordinals, &block.add, &block.scale, &block.codes);
            assert_eq!(decode(&value, 64), Ok(block));
        }

        #[test]
        fn garbage_is_refused(value in prop::collection::vec(any::<u8>(), 0..700)) {
            if let Ok(block) = decode(&value, 64) {
                assert_eq!(encode(&block.ordinals, &block.add, &block.scale, &block.codes), value);
            }
        }
    }
}
