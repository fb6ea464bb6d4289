use axum::Extension;
use quartz_api::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Reply;
use crate::{
    problem::{Failure, Result},
    state::App,
};

/// That all is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Is the process alive?
///
/// If not, restart it.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Health",
    security(()),
    responses((status = 200, description = "It is.", body = Health)),
)]
pub(crate) async fn livez() -> Result<Reply> {
    Reply::json(&Health { status: "ok" })
}

/// Should requests be sent here?
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "Yes.", body = Health),
        (status = 503, description = "`storage_unavailable`: not now.", body = quartz_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(Extension(app): Extension<App>) -> Result<Reply> {
    ready(&app).await
}

/// Is all well?
///
/// The same as `/readyz`, for those who know one address only.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "Yes.", body = Health),
        (status = 503, description = "`storage_unavailable`: not now.", body = quartz_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn healthz(Extension(app): Extension<App>) -> Result<Reply> {
    ready(&app).await
}

async fn ready(app: &App) -> Result<Reply> {
    match app.host.ready().await {
        Ok(()) => Reply::json(&Health { status: "ok" }),
        Err(why) => Err(Failure::new(ErrorCode::StorageUnavailable, why)),
    }
}

/// Metrics
///
/// In the text format of Prometheus. Only where the server runs as a process of its own.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "Counters and latencies.", body = String, content_type = "text/plain"),
        (status = 404, description = "`route_not_found`: this host has no metrics.", body = quartz_api::Problem,
            content_type = "application/problem+json"),
    ),
)]
#[expect(
    dead_code,
    reason = "for the document only: the native server brings the route"
)]
fn metrics() {}
