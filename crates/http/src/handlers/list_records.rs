use axum::Extension;
use quartz_api::{Include, ListRequest, RecordList};
use quartz_core::{namespace::ListRange, record::Parts};

use super::{Reply, view};
use crate::{
    convert::{Form, parts_of, record_to_wire},
    cursor::List,
    extract::{NamespacePath, QueryString, ReadOptions, check_prefix, page_limit},
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded CursorInvalid NamespaceNotFound VersionNotReached);

/// List records
///
/// Every record, ascending by the bytes of its id, with the parts in `include`.
#[utoipa::path(
    get,
    path = "/v1/namespaces/{ns}/records",
    operation_id = "list_records",
    tag = "Records",
    params(NamespaceParams, ListRequest, ReadHeaders),
    responses(
        (status = 200, description = "A page of records.", body = RecordList,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn list_records(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    QueryString(params): QueryString<ListRequest>,
    options: ReadOptions,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    let parts = parts(params.include.as_deref())?;
    let prefix = params.prefix.unwrap_or_default();
    check_prefix(&prefix, &app.limits)?;
    let list = List {
        endpoint: "records",
        namespace: name.own(),
        prefix: &prefix,
    };
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| list.after(cursor))
        .transpose()?;
    let view = view(&app, &name, options).await?;
    let range = ListRange {
        prefix: prefix.clone(),
        after,
        limit,
    };
    let page = view
        .list(&range, parts)
        .await
        .map_err(|error| from_core(error, Place::Request))?;
    let records = page
        .items
        .into_iter()
        .map(|record| record_to_wire(record, Form::Readable));
    let body = RecordList {
        records: records.collect(),
        next_cursor: page.next.map(|id| list.cursor(&id)),
    };
    view.answer(&body)
}

/// The parts named in a parameter, separated by commas.
fn parts(include: Option<&str>) -> Result<Parts> {
    let Some(include) = include else {
        return Ok(parts_of(&[Include::Metadata]));
    };
    let names = include
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let parts = names.map(|name| match name {
        "metadata" => Ok(Include::Metadata),
        "text" => Ok(Include::Text),
        "value" => Ok(Include::Value),
        "vector" => Ok(Include::Vector),
        _ => Err(Failure::invalid("include names metadata, text, value or vector").at("include")),
    });
    Ok(parts_of(&parts.collect::<Result<Vec<_>>>()?))
}
