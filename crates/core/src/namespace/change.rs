//! What a write says, and what comes of it.

use std::sync::Arc;

use super::Config;
use crate::{
    filter::Filter,
    record::{Field, Metadata, Value},
    store::Durability,
};

/// One write: atomic, with a version of its own.
#[derive(Clone, Debug)]
pub struct Write {
    /// What to do.
    pub change: Change,
    /// What is promised before the answer.
    pub durability: Durability,
    /// Makes a repeat of the write answer what the first one did.
    pub idempotency: Option<Idempotency>,
    /// Number of the API key that pays; `None`: nobody does, and nothing is counted.
    pub payer: Option<u32>,
    /// Units that the write may cost at most.
    pub most_units: Option<u64>,
}

impl From<Change> for Write {
    fn from(change: Change) -> Self {
        Self {
            change,
            durability: Durability::Disk,
            idempotency: None,
            payer: None,
            most_units: None,
        }
    }
}

impl Write {
    /// Bytes that deciding the write takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let Change::Apply(operations) = &self.change else {
            return 0;
        };
        let vector =
            |vector: &Option<Vec<f32>>| vector.as_ref().map_or(0, |vector| vector.len() * 4);
        let value = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.bytes.len());
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        operations
            .iter()
            .map(|operation| match &operation.action {
                Action::Check | Action::Delete => 256,
                Action::Put(value, _) => 256 + value.bytes.len(),
                Action::Upsert(new) => {
                    512 + vector(&new.vector) + value(&new.value) + text(&new.text)
                }
                Action::Patch(new) => {
                    512 + vector(&new.vector) + value(&new.value) + text(&new.text)
                }
            })
            .sum()
    }
}

/// Names a request, so that a repeat is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// A digest of the request; the same key with another digest is refused.
    pub fingerprint: [u8; 16],
}

/// What a write does.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates the namespace with this configuration; answers [`Outcome::Created`], or
    /// [`Outcome::Checked`] if it exists with the same one.
    Configure(Config),
    /// Does the operations in order, all or none.
    Apply(Vec<Operation>),
    /// Changes up to `limit` records that match.
    UpdateWhere {
        /// Which records.
        filter: Filter,
        /// What to change in each.
        patch: Patch,
        /// [`Written::next`] of the slice before, so that a walk meets each record once.
        after: Option<u32>,
        /// Most records to change.
        limit: usize,
    },
    /// Deletes up to `limit` records that match.
    DeleteWhere {
        /// Which records.
        filter: Filter,
        /// Most records to delete.
        limit: usize,
    },
    /// Removes up to `limit` records (and idempotency entries) that have expired.
    Sweep {
        /// Most rows to remove.
        limit: usize,
    },
    /// Does for up to `clusters` clusters of the vector index what writes have put off. Changes no
    /// record and takes no version.
    Tend {
        /// Most clusters to look after.
        clusters: usize,
    },
}

/// One operation on one record.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The record.
    pub id: String,
    /// What must hold first.
    pub precondition: Precondition,
    /// What to do.
    pub action: Action,
}

/// What must hold for an operation.
#[derive(Clone, Debug, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The record is there.
    Exists,
    /// The record is not there.
    Absent,
    /// The record is there with this version.
    Version(u64),
    /// If the record is there its metadata match; otherwise the operation alone is skipped.
    SkipUnless(Arc<Filter>),
}

/// What an operation does to its record.
#[derive(Clone, Debug)]
pub enum Action {
    /// Nothing.
    Check,
    /// Sets value and expiry, keeps the rest; creates the record if need be.
    Put(Value, Expiry),
    /// Replaces the whole record.
    Upsert(Contents),
    /// Changes the parts that are given; the record must be there.
    Patch(Patch),
    /// Removes the record.
    Delete,
}

/// Everything in a record but its id and version.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Value.
    pub value: Option<Value>,
    /// Text.
    pub text: Option<String>,
    /// Filterable fields.
    pub metadata: Metadata,
    /// Vector.
    pub vector: Option<Vec<f32>>,
    /// When it disappears.
    pub expiry: Expiry,
}

/// Changes to a record.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// New value.
    pub value: Option<Value>,
    /// New text.
    pub text: Option<String>,
    /// Fields to set (`Some`) and to remove (`None`).
    pub metadata: Vec<(String, Option<Field>)>,
    /// New vector.
    pub vector: Option<Vec<f32>>,
    /// New expiry; `Keep` leaves it.
    pub expiry: Expiry,
    /// How large the metadata may become.
    pub limits: MetadataLimits,
}

/// How large the metadata of a record may become by a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLimits {
    /// Fields.
    pub fields: usize,
    /// Bytes as [`field_bytes`](crate::keys::record::field_bytes) counts them.
    pub bytes: usize,
}

impl Default for MetadataLimits {
    fn default() -> Self {
        Self {
            fields: u16::MAX as usize,
            bytes: usize::MAX,
        }
    }
}

/// When a record disappears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// In a patch: as it was. Elsewhere: never.
    #[default]
    Keep,
    /// This many milliseconds after the write is applied.
    After(u64),
    /// At this time, milliseconds since 1970.
    At(u64),
}

/// What came of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The version the write made, or the current one if nothing changed.
    pub version: u64,
    /// One outcome an operation. `UpdateWhere`, `DeleteWhere` and `Sweep` give one a record.
    pub outcomes: Vec<Outcome>,
    /// There is more to do: where the next slice of an `UpdateWhere` continues.
    pub next: Option<u32>,
    /// Whether an earlier write with the same idempotency key did this.
    pub replayed: bool,
    /// Write units that the payer was charged.
    pub units: u64,
}

impl Written {
    /// How many operations came out so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes
            .iter()
            .filter(|&&other| other == outcome)
            .count() as u64
    }
}

/// What came of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The precondition held; nothing was to be done.
    Checked = 0,
    /// The record is new.
    Created = 1,
    /// The record was there and was replaced or changed.
    Updated = 2,
    /// The record was there and is gone.
    Deleted = 3,
    /// There was no record to delete.
    Missing = 4,
    /// The record did not match the condition and was left alone.
    Skipped = 5,
}
