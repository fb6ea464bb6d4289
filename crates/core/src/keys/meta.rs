//! `Meta`: what a namespace is. One row, without which the namespace does not exist.
//! Value: format `u32`; version `u64`; creation in milliseconds since 1970 `u64`; records, vectors, values,
//! bytes `u64` each; dimension `u32`, 0 for unknown; metric `u8`; number of indexed fields `u16` plus one, 0
//! for all; each field: length `u8`, name; number of partitions `u16` and precision `u8`, both left out if they are 1
//! and 0, the precision alone if it is 0.

use bytes::Bytes;

use super::{
    FORMAT_VERSION, Kind,
    codec::{Malformed, Reader},
};
use crate::{
    namespace::{Config, IndexedFields, Partitions},
    vector::{Metric, Precision},
};

/// The key.
#[must_use]
pub fn key() -> Vec<u8> {
    Kind::Meta.key(&[])
}

/// What a namespace is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// Number of the last write.
    pub version: u64,
    /// When the namespace was created, milliseconds since 1970.
    pub created_at: u64,
    /// Records and bytes.
    pub counts: Counts,
    /// Configuration.
    pub config: Config,
}

/// Exact sums over the stored records, expired ones that are not yet swept included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Records with a vector.
    pub vectors: u64,
    /// Records with a value.
    pub values: u64,
    /// Bytes of ids, values, texts, metadata and vectors.
    pub bytes: u64,
}

impl Counts {
    /// Adds what `other` counts.
    pub const fn add(&mut self, other: Self) {
        self.records += other.records;
        self.vectors += other.vectors;
        self.values += other.values;
        self.bytes += other.bytes;
    }

    /// Takes away what `other` counts.
    pub const fn subtract(&mut self, other: Self) {
        self.records -= other.records;
        self.vectors -= other.vectors;
        self.values -= other.values;
        self.bytes -= other.bytes;
    }
}

impl Meta {
    /// The value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = FORMAT_VERSION.to_be_bytes().to_vec();
        let Counts {
            records,
            vectors,
            values,
            bytes,
        } = self.counts;
        for number in [
            self.version,
            self.created_at,
            records,
            vectors,
            values,
            bytes,
        ] {
            value.extend(number.to_be_bytes());
        }
        value.extend(self.config.dimension.unwrap_or(0).to_be_bytes());
        value.push(self.config.metric as u8);
        match &self.config.indexed_fields {
            IndexedFields::All => value.extend(0_u16.to_be_bytes()),
            IndexedFields::Only(names) => {
                value.extend((names.len() as u16 + 1).to_be_bytes());
                for name in names {
                    value.push(name.len() as u8);
                    value.extend(name.as_bytes());
                }
            }
        }
        let precision = self.config.precision;
        if self.config.partitions != Partitions::default() || precision != Precision::F32 {
            value.extend(self.config.partitions.get().to_be_bytes());
        }
        if precision != Precision::F32 {
            value.push(precision as u8);
        }
        value
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When no `Meta` encodes to these bytes, or one of a later format does.
    pub fn decode(value: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        if reader.u32()? > FORMAT_VERSION {
            return Err("the namespace was written by a later version of QuartzDB");
        }
        let version = reader.u64()?;
        let created_at = reader.u64()?;
        let counts = Counts {
            records: reader.u64()?,
            vectors: reader.u64()?,
            values: reader.u64()?,
            bytes: reader.u64()?,
        };
        let dimension = Some(reader.u32()?).filter(|&dimension| dimension > 0);
        let metric = match reader.u8()? {
            0 => Metric::Cosine,
            1 => Metric::Dot,
            2 => Metric::Euclidean,
            _ => return Err("the metric is unknown"),
        };
        let indexed_fields = match reader.u16()? {
            0 => IndexedFields::All,
            count => IndexedFields::Only(
                (1..count)
                    .map(|_| {
                        let len = reader.u8()?;
                        reader.string(len.into())
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        let partitions = match reader.remaining() {
            0 => Partitions::default(),
            _ => Partitions::new(reader.u16()?).ok_or("there are no partitions")?,
        };
        let precision = match reader.remaining() {
            0 => Precision::F32,
            _ => match reader.u8()? {
                1 => Precision::F16,
                2 => Precision::Int8,
                _ => return Err("the precision is unknown"),
            },
        };
        reader.finish()?;
        let config = Config {
            dimension,
            metric,
            precision,
            indexed_fields,
            partitions,
        };
        Ok(Self {
            version,
            created_at,
            counts,
            config,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            numbers in any::<[u64; 6]>(),
            dimension in prop::option::of(1..20_000_u32),
            metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::Euclidean]),
            precision in prop::sample::select(vec![Precision::F32, Precision::F16, Precision::Int8]),
            partitions in 1..=u16::MAX,
            names in prop::option::of(prop::collection::btree_set("[a-zé]{1,20}", 0..5)),
        ) {
            let [version, created_at, records, vectors, values, bytes] = numbers;
            let indexed_fields = names.map_or(IndexedFields::All, IndexedFields::Only);
            let counts = Counts { records, vectors, values, bytes };
            let partitions = Partitions::new(partitions).unwrap();
            let config = Config { dimension, metric, precision, indexed_fields, partitions };
            let meta = Meta { version, created_at, counts, config };
            assert_eq!(Meta::decode(meta.encode().into()).unwrap(), meta);
        }
    }
}
