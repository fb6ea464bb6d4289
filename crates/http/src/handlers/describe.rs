use axum::Extension;
use quartz_api::Namespace;

use super::{Reply, view};
use crate::{
    convert::namespace_to_wire,
    extract::{NamespacePath, ReadOptions},
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded NamespaceNotFound VersionNotReached);

/// Describe a namespace
///
/// Its configuration and its exact counts.
#[utoipa::path(
    get,
    path = "/v1/namespaces/{ns}",
    operation_id = "describe_namespace",
    tag = "Namespaces",
    params(NamespaceParams, ReadHeaders),
    responses(
        (status = 200, description = "The namespace.", body = Namespace,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn describe_namespace(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: ReadOptions,
) -> Result<Reply> {
    let view = view(&app, &name, options).await?;
    let description = view
        .describe()
        .await
        .map_err(|error| from_core(error, Place::Request))?;
    Ok(
        Reply::json(&namespace_to_wire(name.own().to_owned(), description))?
            .version(view.version()),
    )
}
