use axum::extract::State;
use quartz_api::{NamespaceList, NamespaceSummary};
use quartz_core::namespace::ListRange;

use super::Reply;
use crate::{
    cursor::List,
    extract::{PageParams, QueryString, check_prefix, page_limit},
    openapi::refuses,
    problem::{Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded CursorInvalid);

/// List namespaces
///
/// Ascending by name.
#[utoipa::path(
    get,
    path = "/v1/namespaces",
    operation_id = "list_namespaces",
    tag = "Namespaces",
    params(PageParams),
    responses((status = 200, description = "A page of namespaces.", body = NamespaceList), Refusals),
)]
pub(crate) async fn list_namespaces(
    State(app): State<App>,
    QueryString(params): QueryString<PageParams>,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    check_prefix(&params.prefix, &app.limits)?;
    let list = List {
        endpoint: "namespaces",
        namespace: "",
        prefix: &params.prefix,
    };
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| list.after(cursor))
        .transpose()?;
    let range = ListRange {
        prefix: params.prefix.clone(),
        after,
        limit,
    };
    let page = app
        .directory
        .list(&range)
        .await
        .map_err(|error| from_core(error, Place::Request))?;
    let namespaces = page.items.into_iter().map(|entry| NamespaceSummary {
        name: entry.name,
        created_at: entry.created_at,
    });
    Reply::json(&NamespaceList {
        namespaces: namespaces.collect(),
        next_cursor: page.next.map(|name| list.cursor(&name)),
    })
}
