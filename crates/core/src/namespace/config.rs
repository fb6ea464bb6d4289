use std::collections::BTreeSet;

use crate::vector::{Metric, Precision};

/// What a namespace is told at creation; fixed from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Components of every vector; `None` until the first vector decides.
    pub dimension: Option<u32>,
    /// How vectors are compared.
    pub metric: Metric,
    /// How exactly vectors are stored.
    pub precision: Precision,
    /// Which metadata fields filters can use.
    pub indexed_fields: IndexedFields,
    /// Into how many parts a host may divide the records by their ids.
    pub partitions: Partitions,
}

/// A number of partitions, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(u16);

impl Partitions {
    /// `number` partitions; `None` stands for too few.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    /// How many.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Partitions {
    fn default() -> Self {
        Self(1)
    }
}

/// Which metadata fields filters can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IndexedFields {
    /// Every field.
    #[default]
    All,
    /// These only.
    Only(BTreeSet<String>),
}

impl IndexedFields {
    /// Whether filters can use the field.
    #[must_use]
    pub fn contains(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(field),
        }
    }
}

impl Config {
    /// Bytes that a vector counts for.
    #[must_use]
    pub fn vector_bytes(&self) -> u64 {
        self.precision.bytes(self.dimension.unwrap_or(0))
    }

    /// In which part `self`, just demanded, differs from `existing`; an absent dimension agrees with any.
    #[must_use]
    pub fn differs_from(&self, existing: &Self) -> Option<String> {
        if self.dimension.is_some() && self.dimension != existing.dimension {
            return Some(match existing.dimension {
                Some(dimension) => format!("its dimension is {dimension}"),
                None => "its dimension is not yet known; the first vector decides it".to_owned(),
            });
        }
        if self.metric != existing.metric {
            return Some(format!("its metric is {}", existing.metric));
        }
        if self.precision != existing.precision {
            return Some(format!("its store_vectors is {}", existing.precision));
        }
        if self.partitions != existing.partitions {
            return Some(format!("its partitions are {}", existing.partitions.get()));
        }
        (self.indexed_fields != existing.indexed_fields)
            .then(|| "its indexed_fields are others".to_owned())
    }
}

/// A namespace with its exact counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Configuration.
    pub config: Config,
    /// Records.
    pub records: u64,
    /// Records with a vector.
    pub vectors: u64,
    /// Records with a value.
    pub values: u64,
    /// Bytes of ids, values, texts, metadata and vectors.
    pub bytes: u64,
    /// Number of the last write.
    pub version: u64,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}
