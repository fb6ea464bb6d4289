//! `Usage`: what one API key used of the namespace in one hour. Key: hours since 1970 `u32`, number of
//! the API key `u32`. Value: requests, write units, read units, query units, `u64` each.

use bytes::Bytes;

use super::{
    Kind,
    codec::{Malformed, Reader},
};
use crate::usage::Usage;

/// The key.
#[must_use]
pub fn key(hour: u32, payer: u32) -> Vec<u8> {
    Kind::Usage.key(&[&hour.to_be_bytes(), &payer.to_be_bytes()])
}

/// Hour and payer in a key.
///
/// # Errors
/// When it is no key of this kind.
pub fn hour_and_payer(key: &[u8]) -> Result<(u32, u32), Malformed> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key.get(1..).unwrap_or_default()));
    let parts = (reader.u32()?, reader.u32()?);
    reader.finish()?;
    Ok(parts)
}

/// The value.
#[must_use]
pub fn encode(usage: Usage) -> Vec<u8> {
    let Usage {
        requests,
        write_units,
        read_units,
        query_units,
    } = usage;
    let numbers = [requests, write_units, read_units, query_units];
    numbers.into_iter().flat_map(u64::to_be_bytes).collect()
}

/// Reads the value.
///
/// # Errors
/// When no usage encodes to these bytes.
pub fn decode(value: Bytes) -> Result<Usage, Malformed> {
    let mut reader = Reader::new(value);
    let usage = Usage {
        requests: reader.u64()?,
        write_units: reader.u64()?,
        read_units: reader.u64()?,
        query_units: reader.u64()?,
    };
    reader.finish()?;
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(numbers: [u64; 4], hour: u32, payer: u32) {
            let [requests, write_units, read_units, query_units] = numbers;
            let usage = Usage { requests, write_units, read_units, query_units };
            prop_assert_eq!(decode(encode(usage).into()), Ok(usage));
            prop_assert_eq!(hour_and_payer(&key(hour, payer)), Ok((hour, payer)));
        }

        #[test]
        fn garbage_does_not_panic(bytes: Vec<u8>) {
            let _ = decode(bytes.clone().into());
            let _ = hour_and_payer(&bytes);
        }
    }
}
