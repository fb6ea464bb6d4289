use axum::Extension;
use quartz_api::{KeyEntry, KeyList};
use quartz_core::namespace::ListRange;

use super::{Reply, view};
use crate::{
    cursor::List,
    extract::{NamespacePath, PageParams, QueryString, ReadOptions, check_prefix, page_limit},
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded CursorInvalid NamespaceNotFound VersionNotReached);

/// List keys
///
/// The records that have a value, ascending by the bytes of their key, without the values.
#[utoipa::path(
    get,
    path = "/v1/namespaces/{ns}/kv",
    operation_id = "list_keys",
    tag = "Key-value",
    params(NamespaceParams, PageParams, ReadHeaders),
    responses(
        (status = 200, description = "A page of keys.", body = KeyList,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn list_keys(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    QueryString(params): QueryString<PageParams>,
    options: ReadOptions,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    check_prefix(&params.prefix, &app.limits)?;
    let list = List {
        endpoint: "kv",
        namespace: name.own(),
        prefix: &params.prefix,
    };
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| list.after(cursor))
        .transpose()?;
    let view = view(&app, &name, options).await?;
    let range = ListRange {
        prefix: params.prefix.clone(),
        after,
        limit,
    };
    let page = view
        .list_keys(&range)
        .await
        .map_err(|error| from_core(error, Place::Request))?;
    let records = page.items.into_iter().map(|key| KeyEntry {
        id: key.id,
        version: key.version,
        size: key.size,
        content_type: key.content_type,
        expires_at: key.expires_at,
    });
    let body = KeyList {
        records: records.collect(),
        next_cursor: page.next.map(|id| list.cursor(&id)),
    };
    view.answer(&body)
}
