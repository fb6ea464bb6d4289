//! Configuration of namespaces.

use quartz_api as wire;
use quartz_core::{
    Metric, Precision,
    namespace::{Config, Description, IndexedFields, Partitions},
};

use super::metadata::check_name;
use crate::problem::{Failure, Result};

/// The configuration a client asks for.
pub(crate) fn config_from_wire(
    config: wire::NamespaceConfig,
    limits: &wire::Limits,
) -> Result<Config> {
    if config.dimension == Some(0) {
        return Err(Failure::invalid("dimension must be at least 1").at("dimension"));
    }
    if config
        .dimension
        .is_some_and(|dimension| dimension as usize > limits.dimension)
    {
        return Err(Failure::limit("dimension", "dimension", limits.dimension).at("dimension"));
    }
    let partitions = partitions(&config, limits)?;
    let indexed_fields = match config.indexed_fields {
        wire::IndexedFields::All => IndexedFields::All,
        wire::IndexedFields::Only(names) => {
            if names.len() > limits.metadata_fields {
                let most = limits.metadata_fields;
                return Err(
                    Failure::limit("indexed_fields", "metadata_fields", most).at("indexed_fields")
                );
            }
            for (position, name) in names.iter().enumerate() {
                check_name(name, limits)
                    .map_err(|failure| failure.at(format!("indexed_fields[{position}]")))?;
            }
            IndexedFields::Only(names.into_iter().collect())
        }
    };
    let metric = match config.metric {
        wire::Metric::Cosine => Metric::Cosine,
        wire::Metric::Dot => Metric::Dot,
        wire::Metric::Euclidean => Metric::Euclidean,
    };
    Ok(Config {
        dimension: config.dimension,
        metric,
        precision: match config.store_vectors {
            wire::StoreVectors::F32 => Precision::F32,
            wire::StoreVectors::F16 => Precision::F16,
            wire::StoreVectors::Int8 => Precision::Int8,
        },
        indexed_fields,
        partitions,
    })
}

fn partitions(config: &wire::NamespaceConfig, limits: &wire::Limits) -> Result<Partitions> {
    let Some(number) = config.partitions else {
        return Ok(Partitions::default());
    };
    let most = limits.partitions;
    if number > most {
        return Err(Failure::limit("partitions", "partitions", most).at("partitions"));
    }
    let number = Partitions::new(number)
        .ok_or_else(|| Failure::invalid("partitions must be at least 1").at("partitions"))?;
    if number != Partitions::default() && config.dimension.is_none() {
        return Err(Failure::invalid(
            "a namespace with partitions needs its dimension: no first vector decides it for all",
        )
        .at("dimension"));
    }
    Ok(number)
}

/// A namespace as it is described to clients.
pub(crate) fn namespace_to_wire(name: String, description: Description) -> wire::Namespace {
    let config = description.config;
    wire::Namespace {
        name,
        config: wire::NamespaceConfig {
            dimension: config.dimension,
            metric: match config.metric {
                Metric::Cosine => wire::Metric::Cosine,
                Metric::Dot => wire::Metric::Dot,
                Metric::Euclidean => wire::Metric::Euclidean,
            },
            store_vectors: match config.precision {
                Precision::F32 => wire::StoreVectors::F32,
                Precision::F16 => wire::StoreVectors::F16,
                Precision::Int8 => wire::StoreVectors::Int8,
            },
            indexed_fields: match config.indexed_fields {
                IndexedFields::All => wire::IndexedFields::All,
                IndexedFields::Only(names) => {
                    wire::IndexedFields::Only(names.into_iter().collect())
                }
            },
            partitions: Some(config.partitions.get()).filter(|number| *number > 1),
        },
        records: description.records,
        vectors: description.vectors,
        values: description.values,
        bytes: description.bytes,
        version: description.version,
        created_at: description.created_at,
    }
}
