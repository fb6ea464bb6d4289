use axum::{
    Extension,
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use quartz_core::{record::Parts, usage::Usage};

use super::{Reply, usage_header, view};
use crate::{
    convert::BYTES,
    extract::{KeyPath, ReadCondition, ReadOptions, etag},
    names,
    openapi::{AnyBytes, KeyParams, KnownHeaders, ReadHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded NamespaceNotFound RecordNotFound VersionNotReached);

/// Headers of an answer with a value, those of the rate included.
const HEADERS: usize = 9;

const VALUE: Parts = Parts {
    value: true,
    ..Parts::NONE
};

/// Get a value
///
/// The bytes as they were put, with the content type they were put with.
#[utoipa::path(
    get,
    path = "/v1/namespaces/{ns}/kv/{*key}",
    operation_id = "get_value",
    tag = "Key-value",
    params(
        KeyParams,
        ReadHeaders,
        KnownHeaders,
    ),
    responses(
        (status = 200, description = "The value, with the content type it was put with.",
            content_type = "*/*", body = inline(AnyBytes),
            headers(
                ("ETag" = String, description = "Version of the record in quotes."),
                ("Quartz-Version" = u64, description = "Version of the namespace."),
            )),
        (status = 304, description = "The record still has the version in `If-None-Match`."),
        Refusals,
    ),
)]
pub(crate) async fn get_value(
    Extension(app): Extension<App>,
    KeyPath { namespace, key }: KeyPath,
    options: ReadOptions,
    condition: ReadCondition,
) -> Result<Response> {
    let view = view(&app, &namespace, options).await?;
    let version = view.version();
    let record = view
        .get(&key, VALUE)
        .await
        .map_err(|error| from_core(error, Place::Request).version(version))?;
    let not_found = || Failure::record_not_found(&key).version(version);
    let record = record.ok_or_else(not_found)?;
    let value = record.value.ok_or_else(not_found)?;
    let tag = etag(record.version);
    if condition.knows(record.version) {
        let reply = Reply::empty(StatusCode::NOT_MODIFIED).version(version);
        let used = view.charge(Usage::read(0));
        return Ok(reply.header("etag", tag).used(used).into_response());
    }
    let used = Usage::read(value.bytes.len() as u64);
    view.afford(used)?;
    view.charge(used);
    let mut response = Response::new(Body::from(value.bytes));
    // As many as there will be: it does not grow on the way.
    *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
    let headers = response.headers_mut();
    if let Some(used) = usage_header(used) {
        headers.insert(&names::USAGE, used);
    }
    headers.insert(header::CONTENT_TYPE, content_type(value.content_type));
    headers.insert(header::ETAG, tag);
    headers.insert(&names::VERSION, version.into());
    // The bytes are a client's; a browser must not take them for anything else.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

pub(super) fn content_type(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(BYTES))
}
