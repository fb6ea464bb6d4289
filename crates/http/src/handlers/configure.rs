use axum::{
    Extension,
    body::Body,
    extract::{FromRequest, Request},
};
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use quartz_api::{Namespace, NamespaceConfig};
use quartz_core::namespace::{Change, Outcome, Write};

use super::{Reply, existing, write};
use crate::{
    convert::{config_from_wire, namespace_to_wire},
    extract::{Json, NamespacePath},
    openapi::{NamespaceParams, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded NamespaceConflict BodyTooLarge
    UnsupportedMediaType StorageFull);

/// The configuration in the body; no body stands for `{}`.
pub(crate) struct OptionalConfig(NamespaceConfig);

impl<S: Send + Sync> FromRequest<S> for OptionalConfig {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self> {
        let untyped = !request.headers().contains_key(header::CONTENT_TYPE);
        if untyped {
            let (parts, mut body) = request.into_parts();
            // An empty body may be announced as such or not.
            let empty = match body.frame().await {
                None => true,
                Some(Ok(frame)) => frame.data_ref().is_some_and(bytes::Bytes::is_empty),
                Some(Err(_)) => false,
            };
            if empty {
                return Ok(Self(NamespaceConfig::default()));
            }
            let request = Request::from_parts(parts, body);
            return Ok(Self(Json::from_request(request, state).await?.value));
        }
        Ok(Self(Json::from_request(request, state).await?.value))
    }
}

/// Create a namespace
///
/// Its configuration is fixed from then on: the same request again is 200, another one 409. Without
/// `dimension` the first vector decides. Not necessary if the defaults will do: the first write
/// creates a namespace too.
#[utoipa::path(
    put,
    path = "/v1/namespaces/{ns}",
    operation_id = "create_namespace",
    tag = "Namespaces",
    params(NamespaceParams),
    request_body(content = Option<NamespaceConfig>, example = json!({"dimension": 3, "metric": "cosine"})),
    responses(
        (status = 200, description = "It was there already, with this configuration.", body = Namespace,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        (status = 201, description = "It is new.", body = Namespace,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn create_namespace(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    OptionalConfig(config): OptionalConfig,
) -> Result<Reply> {
    let config = config_from_wire(config, &app.limits)?;
    let change = Write::from(Change::Configure(config));
    let written = write(&app, &name, change, Place::Request).await?;
    let view = existing(&app, &name).await?.view();
    let description = view
        .describe()
        .await
        .map_err(|error| from_core(error, Place::Request))?;
    let status = match written.outcomes.first() {
        Some(Outcome::Created) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let version = description.version;
    Ok(
        Reply::json(&namespace_to_wire(name.own().to_owned(), description))?
            .status(status)
            .version(version),
    )
}
