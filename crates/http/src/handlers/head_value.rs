use axum::{
    Extension,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode};

use quartz_core::usage::Usage;

use super::{Reply, get_value::content_type, view};
use crate::{
    extract::{KeyPath, ReadCondition, ReadOptions, etag},
    openapi::{KeyParams, KnownHeaders, ReadHeaders},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

/// Look at a value
///
/// The headers of `GET`, without the body.
#[utoipa::path(
    head,
    path = "/v1/namespaces/{ns}/kv/{*key}",
    operation_id = "head_value",
    tag = "Key-value",
    params(
        KeyParams,
        ReadHeaders,
        KnownHeaders,
    ),
    responses(
        (status = 200, description = "There is a value.",
            headers(
                ("ETag" = String, description = "Version of the record in quotes."),
                ("Quartz-Version" = u64, description = "Version of the namespace."),
            )),
        (status = 304, description = "The record still has the version in `If-None-Match`."),
        (status = 400, description = "The request is not valid."),
        (status = 401, description = "No key, or not one the server knows."),
        (status = 403, description = "The key may not do this, or its account is suspended."),
        (status = 404, description = "There is no such namespace, record or value."),
        (status = 412, description = "The namespace has not reached `Quartz-Min-Version`."),
        (status = 429, description = "Too many requests at once."),
        (status = 500, description = "The server failed."),
        (status = 503, description = "Storage cannot take the request now."),
    ),
)]
pub(crate) async fn head_value(
    Extension(app): Extension<App>,
    KeyPath { namespace, key }: KeyPath,
    options: ReadOptions,
    condition: ReadCondition,
) -> Result<Response> {
    let view = view(&app, &namespace, options).await?;
    let version = view.version();
    let entry = view
        .head(&key)
        .await
        .map_err(|error| from_core(error, Place::Request).version(version))?
        .ok_or_else(|| Failure::record_not_found(&key).version(version))?;
    let tag = etag(entry.version);
    let used = view.charge(Usage::read(0));
    if condition.knows(entry.version) {
        let reply = Reply::empty(StatusCode::NOT_MODIFIED).version(version);
        return Ok(reply.header("etag", tag).used(used).into_response());
    }
    Ok(Reply::empty(StatusCode::OK)
        .version(version)
        .used(used)
        .header("etag", tag)
        .header("content-type", content_type(entry.content_type))
        .header("content-length", entry.size.into())
        .header(
            "x-content-type-options",
            HeaderValue::from_static("nosniff"),
        )
        .into_response())
}
