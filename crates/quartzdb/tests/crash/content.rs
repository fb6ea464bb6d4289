//! What a record must be, and whether it is.

use quartz_client::{
    BatchOperation, Metadata, MetadataValue, OperationKind, Record, StoredRecord, Vector,
};
use serde_json::value::{RawValue, to_raw_value};

/// Seconds to live beyond the test; fewer end within it.
pub(super) const LONG: u64 = 3_600;

/// What a record must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) vector: Option<Vec<f32>>,
    pub(super) metadata: Metadata,
    pub(super) text: Option<String>,
    pub(super) value: Option<String>,
    /// Seconds from when the write is applied.
    pub(super) ttl: Option<u64>,
    /// Earliest and latest time of expiry, as far as it is known.
    pub(super) expires: Option<(u64, u64)>,
    /// `None` while it is not known.
    pub(super) version: Option<u64>,
}

pub(super) type State = Option<Content>;

pub(super) fn raw(value: &str) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

impl Content {
    /// Whether time decides about it while the test runs.
    pub(super) fn is_short_lived(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl < LONG)
    }

    pub(super) fn record(&self, id: String) -> Record {
        Record {
            id,
            vector: self.vector.clone().map(Into::into),
            metadata: Some(self.metadata.clone()),
            text: self.text.clone(),
            value: self.value.as_deref().map(raw),
            ttl: self.ttl,
            ..Record::default()
        }
    }

    pub(super) fn operation(&self, id: String) -> BatchOperation {
        let record = self.record(id);
        BatchOperation {
            op: OperationKind::Upsert,
            id: record.id,
            vector: record.vector,
            metadata: record.metadata,
            text: record.text,
            value: record.value,
            ttl: record.ttl,
            ..BatchOperation::default()
        }
    }

    pub(super) fn number(&self, field: &str) -> Option<f64> {
        match self.metadata.0.get(field) {
            Some(MetadataValue::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn has_tag(&self, tag: &str) -> bool {
        let tags = self.metadata.0.get("tags");
        matches!(tags, Some(MetadataValue::Strings(tags)) if tags.iter().any(|t| t == tag))
    }

    /// Why `found` is not this.
    pub(super) fn differs(&self, found: &StoredRecord) -> Option<String> {
        let value = found.value.as_ref();
        let value = value.map(|raw| serde_json::from_str::<String>(raw.get()).unwrap());
        let parts = [
            (
                "vector",
                found.vector.as_ref().map(Vector::as_slice) == self.vector.as_deref(),
            ),
            (
                "metadata",
                found.metadata.clone().unwrap_or_default() == self.metadata,
            ),
            ("text", found.text == self.text),
            ("value", value == self.value),
            (
                "version",
                self.version.is_none_or(|version| version == found.version),
            ),
            (
                "expiry",
                match (self.expires, found.expires_at) {
                    (None, None) => true,
                    (Some((from, to)), Some(at)) => (from..=to).contains(&at),
                    _ => false,
                },
            ),
        ];
        let wrong: Vec<_> = parts
            .into_iter()
            .filter_map(|(part, right)| (!right).then_some(part))
            .collect();
        (!wrong.is_empty()).then(|| format!("{wrong:?} of {found:?}, expected {self:?}"))
    }
}

/// Why a record read between two times is not what it must be.
pub(super) fn fault(
    state: &State,
    found: Option<&StoredRecord>,
    read: (u64, u64),
) -> Option<String> {
    match (state, found) {
        (None, None) => None,
        (None, Some(found)) => Some(format!("it should not be there: {found:?}")),
        (Some(content), None) => match content.expires {
            Some((from, _)) if read.1 >= from => None,
            _ => Some(format!("it is lost: {content:?}")),
        },
        (Some(content), Some(found)) => match content.expires {
            Some((_, to)) if read.0 >= to => Some(format!("it outlived {to}: {found:?}")),
            _ => content.differs(found),
        },
    }
}

impl Content {
    pub(super) fn settle_expiry(&mut self, sent: u64, applied: u64) {
        // A patch leaves the expiry as it is.
        if self.expires.is_none() {
            self.expires = self
                .ttl
                .map(|ttl| (sent + ttl * 1_000, applied + ttl * 1_000));
        }
    }
}
