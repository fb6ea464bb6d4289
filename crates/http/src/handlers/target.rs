//! From the name in the path to the namespace.

use quartz_core::{
    Error,
    namespace::{Change, Namespace, View, Write, Written},
};

use serde_json::value::RawValue;

use crate::{
    extract::{Name, ReadOptions},
    filter,
    partition::check_one_partition,
    problem::{Failure, Place, Result, from_core},
    state::App,
};

/// Operations of a write that is kept in case it has to be sent again.
const SPARE_OPERATIONS: usize = 16;

/// The namespace, which must be there.
pub(super) async fn existing(app: &App, name: &Name) -> Result<Namespace> {
    let namespace = app.directory.open(name.qualified()).await;
    let namespace = namespace.map_err(|error| from_core(error, Place::Request))?;
    namespace.ok_or_else(|| Failure::namespace_not_found(name.own()))
}

/// A view of the namespace, which must be there and as new as the reader demands.
pub(super) async fn view(app: &App, name: &Name, options: ReadOptions) -> Result<View> {
    let view = existing(app, name).await?.view();
    if !view.exists() {
        return Err(Failure::namespace_not_found(name.own()));
    }
    options.check(&view)?;
    Ok(view)
}

/// Does a write in the namespace, which it may create.
///
/// A namespace that is deleted while the write waits is asked for once more; a large write is not
/// copied for that rare case and gets 503.
pub(super) async fn write(app: &App, name: &Name, write: Write, place: Place) -> Result<Written> {
    let is_small = match &write.change {
        Change::Apply(operations) => operations.len() <= SPARE_OPERATIONS,
        _ => true,
    };
    let spare = is_small.then(|| write.clone());
    let mut namespace = open_or_create(app, name).await?;
    let mut result = namespace.write(write).await;
    if let (Err(Error::Closed), Some(write)) = (&result, spare) {
        namespace = open_or_create(app, name).await?;
        result = namespace.write(write).await;
    }
    result.map_err(|error| {
        let too_large = match &error {
            Error::MetadataTooLarge { fields, .. } => Some(*fields > app.limits.metadata_fields),
            _ => None,
        };
        let mut failure = from_core(error, place);
        if let Some(by_fields) = too_large {
            let (name, most) = match by_fields {
                true => ("metadata_fields", app.limits.metadata_fields),
                false => ("metadata_bytes", app.limits.metadata_bytes),
            };
            failure.detail = format!("{}, over the limit {name} = {most}", failure.detail).into();
        }
        match namespace.view().version() {
            0 => failure,
            version => failure.version(version),
        }
    })
}

/// Refuses a write that is atomic and concerns several partitions of the namespace.
pub(super) async fn one_partition<'a>(
    app: &App,
    name: &Name,
    what: &str,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let namespace = app.directory.open(name.qualified()).await;
    let namespace = namespace.map_err(|error| from_core(error, Place::Request))?;
    let config = namespace.map(|namespace| namespace.view().config());
    match config.map_or(1, |config| config.partitions.get()) {
        1 => Ok(()),
        partitions => check_one_partition(what, partitions, ids),
    }
}

/// Makes a failure about a field that is not indexed point into the request's filter.
pub(super) fn pointed(failure: Failure, raw: Option<&RawValue>, parent: &str) -> Failure {
    match raw {
        Some(raw) => filter::point_at(failure, raw, parent),
        None => failure,
    }
}

async fn open_or_create(app: &App, name: &Name) -> Result<Namespace> {
    let namespace = app.directory.open_or_create(name.qualified()).await;
    namespace.map_err(|error| from_core(error, Place::Request))
}
