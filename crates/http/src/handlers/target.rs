//! From the name in the path to the namespace.

use quartz_api::ErrorCode;
use quartz_core::{
    Error,
    namespace::{Change, ListRange, Namespace, View, Write, Written},
    usage::Usage,
};

use serde_json::value::RawValue;

use super::Reply;
use crate::{
    extract::{Name, ReadOptions},
    filter,
    partition::check_one_partition,
    problem::{Failure, Place, Result, from_core, too_costly},
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

/// A view of a namespace whose reads are paid for.
pub(super) struct Reading {
    view: View,
    namespace: Namespace,
    payer: u32,
    most_units: Option<u64>,
}

impl Reading {
    /// Counts what was read.
    pub(super) fn charge(&self, used: Usage) -> Usage {
        self.namespace.charge(self.payer, used);
        used
    }

    /// Refuses what would cost more than the account's plan allows a request.
    pub(super) fn afford(&self, used: Usage) -> Result<()> {
        let units = used.read_units + used.query_units;
        match self.most_units {
            Some(most) if units > most => Err(too_costly(units, most)),
            _ => Ok(()),
        }
    }

    /// An answer of records, paid by its size.
    pub(super) fn answer<T: serde::Serialize>(&self, body: &T) -> Result<Reply> {
        let reply = Reply::json(body)?;
        let used = Usage::read(reply.bytes());
        self.afford(used)?;
        self.charge(used);
        Ok(reply.version(self.version()).used(used))
    }
}

impl std::ops::Deref for Reading {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// A view of the namespace, which must be there and as new as the reader demands.
pub(super) async fn view(app: &App, name: &Name, options: ReadOptions) -> Result<Reading> {
    let namespace = existing(app, name).await?;
    let view = namespace.view();
    if !view.exists() {
        return Err(Failure::namespace_not_found(name.own()));
    }
    options.check(&view)?;
    Ok(Reading {
        view,
        namespace,
        payer: name.payer(),
        most_units: name.most_units(),
    })
}

/// Does a write in the namespace, which it may create.
///
/// A namespace that is deleted while the write waits is asked for once more; a large write is not
/// copied for that rare case and gets 503.
pub(super) async fn write(app: &App, name: &Name, write: Write, place: Place) -> Result<Written> {
    let write = Write {
        payer: Some(name.payer()),
        most_units: match &write.change {
            Change::Apply(_) => name.most_units(),
            // Its slices are as large as the filter makes them.
            _ => None,
        },
        ..write
    };
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
    let failed = |error| from_core(error, Place::Request);
    if let Some(most) = name.most_namespaces()
        && app
            .directory
            .open(name.qualified())
            .await
            .map_err(failed)?
            .is_none()
    {
        let range = ListRange {
            prefix: name.scope().to_owned(),
            after: None,
            limit: most.max(1) as usize,
        };
        let page = app.directory.list(&range).await.map_err(failed)?;
        if page.items.len() >= most as usize {
            return Err(Failure::new(
                ErrorCode::QuotaExceeded,
                format!(
                    "the account's plan allows {most} namespaces (namespaces): delete one or take \
                     another plan"
                ),
            ));
        }
    }
    let namespace = app.directory.open_or_create(name.qualified()).await;
    namespace.map_err(failed)
}
