use axum::Extension;
use http::StatusCode;
use quartz_core::Error;

use super::Reply;
use crate::{
    extract::NamespacePath,
    openapi::{NamespaceParams, refuses},
    problem::{Failure, Place, Result, from_core, from_service},
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
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
) -> Result<Reply> {
    let deleted = forget(&app, name.qualified()).await?;
    if !deleted {
        return Err(Failure::namespace_not_found(name.own()));
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Deletes a namespace after its account has taken over what it has counted.
async fn forget(app: &App, name: &str) -> Result<bool> {
    let failed = |error| from_core(error, Place::Request);
    let Some(namespace) = app.directory.open(name).await.map_err(failed)? else {
        return Ok(false);
    };
    let flushed = namespace.flush_usage().await;
    namespace.close().await;
    match flushed {
        Ok(()) | Err(Error::Closed) => {}
        Err(error) => return Err(failed(error)),
    }
    let collected = app.accounts.collect(name, &namespace).await;
    collected.map_err(from_service)?;
    let deleted = app.directory.delete(name).await.map_err(failed)?;
    let forgotten = app.accounts.forget(name).await;
    forgotten.map_err(from_service)?;
    Ok(deleted)
}
