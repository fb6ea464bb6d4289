//! Records, whole and in parts.

use quartz_api as wire;
use quartz_api::{ErrorCode, Include, Limits};
use quartz_core::{
    namespace::{Contents, Expiry, Match, MetadataLimits, Patch, Precondition},
    record::{Parts, Record},
};

use super::{
    metadata::{metadata_from_wire, metadata_to_wire, patch_from_wire},
    value::{Form, WireValue, value_from_wire, value_to_wire},
};
use crate::problem::{Failure, Result};

/// What a request may say about the contents of a record.
#[derive(Default)]
pub(crate) struct RecordParts {
    pub(crate) vector: Option<wire::Vector>,
    pub(crate) metadata: Option<wire::Metadata>,
    pub(crate) text: Option<String>,
    pub(crate) value: WireValue,
    pub(crate) expiry: Expiry,
}

impl RecordParts {
    /// As the contents of a whole record.
    pub(crate) fn contents(self, limits: &Limits) -> Result<Contents> {
        if let Some(text) = &self.text {
            check_text(text, limits)?;
        }
        Ok(Contents {
            value: value_from_wire(self.value, limits)?,
            text: self.text,
            metadata: metadata_from_wire(self.metadata.unwrap_or_default(), limits)?,
            vector: self.vector.map(|given| vector(given, limits)).transpose()?,
            expiry: self.expiry,
        })
    }

    /// As changes to a record.
    pub(crate) fn patch(self, limits: &Limits) -> Result<Patch> {
        if let Some(text) = &self.text {
            check_text(text, limits)?;
        }
        Ok(Patch {
            value: value_from_wire(self.value, limits)?,
            text: self.text,
            metadata: patch_from_wire(self.metadata.unwrap_or_default(), limits)?,
            vector: self.vector.map(|given| vector(given, limits)).transpose()?,
            expiry: self.expiry,
            limits: MetadataLimits {
                fields: limits.metadata_fields,
                bytes: limits.metadata_bytes,
            },
        })
    }
}

/// The components of a vector. Whether they fit the namespace is core's to say.
pub(crate) fn vector(vector: wire::Vector, limits: &Limits) -> Result<Vec<f32>> {
    let components = vector.into_vec();
    if components.len() > limits.dimension {
        return Err(Failure::limit("the vector", "dimension", limits.dimension).at("vector"));
    }
    if components.is_empty() {
        return Err(Failure::new(
            ErrorCode::VectorInvalid,
            "a vector has at least one component",
        )
        .at("vector"));
    }
    Ok(components)
}

fn check_text(text: &str, limits: &Limits) -> Result<()> {
    if text.len() > limits.text_bytes {
        return Err(Failure::limit("the text", "text_bytes", limits.text_bytes).at("text"));
    }
    Ok(())
}

/// Seconds to live, if any.
pub(crate) fn expiry(ttl: Option<u64>, limits: &Limits) -> Result<Expiry> {
    match ttl {
        None => Ok(Expiry::Keep),
        Some(0) => Err(Failure::invalid("ttl must be at least 1 second").at("ttl")),
        Some(ttl) if ttl > limits.ttl_seconds => {
            Err(Failure::limit("ttl", "ttl_seconds", limits.ttl_seconds).at("ttl"))
        }
        Some(ttl) => Ok(Expiry::After(ttl * 1_000)),
    }
}

/// The condition of `if_version` and `if_absent`.
pub(crate) fn precondition(
    if_version: Option<u64>,
    if_absent: Option<bool>,
) -> Result<Precondition> {
    match (if_version, if_absent) {
        (Some(_), Some(true)) => {
            Err(Failure::invalid("if_version and if_absent exclude each other").at("if_absent"))
        }
        (Some(version), _) => Ok(Precondition::Version(version)),
        (None, Some(true)) => Ok(Precondition::Absent),
        (None, _) => Ok(Precondition::None),
    }
}

/// The parts that a list of names asks for.
pub(crate) fn parts_of(include: &[Include]) -> Parts {
    let mut parts = Parts::NONE;
    for part in include {
        match part {
            Include::Metadata => parts.metadata = true,
            Include::Text => parts.text = true,
            Include::Value => parts.value = true,
            Include::Vector => parts.vector = true,
        }
    }
    parts
}

/// A record on its way out. Parts that were not asked for are absent; so are empty metadata.
pub(crate) fn record_to_wire(record: Record, form: Form) -> wire::StoredRecord {
    let value = record
        .value
        .map(|value| value_to_wire(value, form))
        .unwrap_or_default();
    wire::StoredRecord {
        id: record.id,
        version: record.version,
        expires_at: record.expires_at,
        vector: record.vector.map(wire::Vector::from),
        metadata: (!record.metadata.is_empty()).then(|| metadata_to_wire(record.metadata)),
        text: record.text,
        value: value.value,
        value_base64: value.value_base64,
        content_type: value.content_type,
    }
}

/// A match on its way out.
pub(crate) fn match_to_wire(found: Match) -> wire::Match {
    let record = record_to_wire(found.record, Form::Readable);
    wire::Match {
        id: record.id,
        score: found.score,
        metadata: record.metadata,
        text: record.text,
        value: record.value,
        value_base64: record.value_base64,
        content_type: record.content_type,
        vector: record.vector,
    }
}
