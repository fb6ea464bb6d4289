//! `Usage`: what a key used of a namespace in an hour. Key: hour since 1970 `u32`, creation of the
//! namespace `u64`, number of the key `u32`, name of the namespace. `Month`: what the account used in a
//! month. Key: month since 1970 `u32`. `Stock`: what a namespace holds. Key: name of the namespace.
//!
//! A namespace tells the sum of an hour as often as it likes; what is new in it is added to the month in
//! the same commit, so nothing is counted twice.

use quartz_core::{store::StoreError, usage::Usage};
use serde::{Deserialize, Serialize};

use super::Kind;

/// What was used, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUsage {
    pub(crate) requests: u64,
    pub(crate) write_units: u64,
    pub(crate) read_units: u64,
    pub(crate) query_units: u64,
}

/// What a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Bytes of its records.
    pub bytes: u64,
    /// Records with a vector.
    pub vectors: u64,
}

/// Whose usage a row is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    /// Hours since 1970.
    pub hour: u32,
    /// When the namespace was created: another one of the name is another one.
    pub created_at: u64,
    /// Number of the API key; 0 for the root key.
    pub payer: u32,
    /// Name of the namespace.
    pub namespace: String,
}

impl UsageKey {
    /// The key of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut key = hour_key(self.hour);
        key.extend(self.created_at.to_be_bytes());
        key.extend(self.payer.to_be_bytes());
        key.extend(self.namespace.as_bytes());
        key
    }

    /// Reads the key of a row.
    ///
    /// # Errors
    /// When it is no key of this kind.
    pub fn decode(key: &[u8]) -> Result<Self, StoreError> {
        let parts = || {
            let rest = key.get(1..)?;
            let (hour, rest) = rest.split_first_chunk()?;
            let (created_at, rest) = rest.split_first_chunk()?;
            let (payer, name) = rest.split_first_chunk()?;
            Some(Self {
                hour: u32::from_be_bytes(*hour),
                created_at: u64::from_be_bytes(*created_at),
                payer: u32::from_be_bytes(*payer),
                namespace: std::str::from_utf8(name).ok()?.to_owned(),
            })
        };
        parts().ok_or_else(|| StoreError::corrupt_row(key, "not the key of a usage row"))
    }
}

/// Start of the rows of an hour.
#[must_use]
pub fn hour_key(hour: u32) -> Vec<u8> {
    Kind::Usage.key(&hour.to_be_bytes())
}

/// The key of a month.
#[must_use]
pub fn month_key(month: u32) -> Vec<u8> {
    Kind::Month.key(&month.to_be_bytes())
}

/// The key of what a namespace holds.
#[must_use]
pub fn stock_key(namespace: &str) -> Vec<u8> {
    Kind::Stock.key(namespace.as_bytes())
}

impl From<Usage> for StoredUsage {
    fn from(usage: Usage) -> Self {
        Self {
            requests: usage.requests,
            write_units: usage.write_units,
            read_units: usage.read_units,
            query_units: usage.query_units,
        }
    }
}

impl From<StoredUsage> for Usage {
    fn from(stored: StoredUsage) -> Self {
        Self {
            requests: stored.requests,
            write_units: stored.write_units,
            read_units: stored.read_units,
            query_units: stored.query_units,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            hour: u32, created_at: u64, payer: u32, namespace in "[a-z.]{1,20}", numbers: [u64; 4],
        ) {
            let key = UsageKey { hour, created_at, payer, namespace };
            prop_assert_eq!(UsageKey::decode(&key.encode()), Ok(key));
            let [requests, write_units, read_units, query_units] = numbers;
            let usage = Usage { requests, write_units, read_units, query_units };
            super::super::assert_round_trip(&StoredUsage::from(usage));
            prop_assert_eq!(Usage::from(StoredUsage::from(usage)), usage);
            super::super::assert_round_trip(&Stock { bytes: requests, vectors: read_units });
        }
    }
}
