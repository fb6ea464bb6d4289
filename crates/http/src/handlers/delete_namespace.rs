use axum::extract::State;
use http::StatusCode;

use super::Reply;
use crate::{
    extract::NamespacePath,
    openapi::{NamespaceParams, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded NamespaceNotFound StorageFull);

/// Delete a namespace
///
/// With everything in it. The name is free at once; space is reclaimed in the background.
#[utoipa::path(
    delete,
    path = "/v1/namespaces/{ns}",
    operation_id = "delete_namespace",
    tag = "Namespaces",
    params(NamespaceParams),
    responses((status = 204, description = "It is gone."), Refusals),
)]
pub(crate) async fn delete_namespace(
    State(app): State<App>,
    NamespacePath(name): NamespacePath,
) -> Result<Reply> {
    let deleted = app.directory.delete(name.qualified()).await;
    if !deleted.map_err(|error| from_core(error, Place::Request))? {
        return Err(Failure::namespace_not_found(name.own()));
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
