//! Metadata: names and sizes are checked here, on the way in.

use quartz_api::{Limits, MetadataValue};
use quartz_core::{
    keys::record::field_bytes,
    record::{Field, Metadata},
};

use crate::problem::{Failure, Result};

/// The metadata of a record as a whole. Paths are seen from the record: `metadata.price`.
pub(crate) fn metadata_from_wire(
    metadata: quartz_api::Metadata,
    limits: &Limits,
) -> Result<Metadata> {
    let mut fields = Metadata::new();
    for (name, field) in patch_from_wire(metadata, limits)? {
        let Some(field) = field else {
            return Err(
                Failure::invalid("null removes a field in an update and is refused here")
                    .at(format!("metadata.{name}")),
            );
        };
        fields.insert(name, field);
    }
    Ok(fields)
}

/// Metadata as a merge patch: `None` removes the field.
pub(crate) fn patch_from_wire(
    metadata: quartz_api::Metadata,
    limits: &Limits,
) -> Result<Vec<(String, Option<Field>)>> {
    let over = |limit, most| Failure::limit("the metadata", limit, most).at("metadata");
    if metadata.0.len() > limits.metadata_fields {
        return Err(over("metadata_fields", limits.metadata_fields));
    }
    let mut bytes = 0;
    let mut fields = Vec::with_capacity(metadata.0.len());
    for (name, value) in metadata.0 {
        let field = check_name(&name, limits)
            .and_then(|()| field(value, limits))
            .map_err(|failure| failure.at(format!("metadata.{name}")))?;
        if let Some(field) = &field {
            bytes += field_bytes(&name, field);
        }
        fields.push((name, field));
    }
    if bytes > limits.metadata_bytes as u64 {
        return Err(over("metadata_bytes", limits.metadata_bytes));
    }
    Ok(fields)
}

/// Names that filters could not ask for are refused.
pub(super) fn check_name(name: &str, limits: &Limits) -> Result<()> {
    if name.is_empty() || name.starts_with('$') {
        return Err(Failure::invalid(
            "the name of a field is not empty and does not begin with $",
        ));
    }
    if name.len() > limits.field_name_bytes {
        let most = limits.field_name_bytes;
        return Err(Failure::limit(
            "the name of a field",
            "field_name_bytes",
            most,
        ));
    }
    Ok(())
}

fn field(value: MetadataValue, limits: &Limits) -> Result<Option<Field>> {
    Ok(Some(match value {
        MetadataValue::Null => return Ok(None),
        MetadataValue::Bool(value) => Field::Bool(value),
        MetadataValue::Number(value) => Field::Number(value),
        MetadataValue::String(value) => Field::String(value),
        MetadataValue::Strings(values) => {
            if values.len() > limits.list_items {
                return Err(Failure::limit("the list", "list_items", limits.list_items));
            }
            Field::Strings(values)
        }
    }))
}

/// Metadata on the way out.
pub(super) fn metadata_to_wire(metadata: Metadata) -> quartz_api::Metadata {
    let fields = metadata.into_iter().map(|(name, field)| {
        let value = match field {
            Field::Bool(value) => MetadataValue::Bool(value),
            Field::Number(value) => MetadataValue::Number(value),
            Field::String(value) => MetadataValue::String(value),
            Field::Strings(values) => MetadataValue::Strings(values),
        };
        (name, value)
    });
    quartz_api::Metadata(fields.collect())
}
