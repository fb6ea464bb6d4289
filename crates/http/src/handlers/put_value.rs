use axum::{
    Extension,
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use http::{StatusCode, header};
use quartz_core::{
    namespace::{Action, Change, Operation, Outcome},
    record::Value,
    usage::Usage,
};

use super::{Reply, write};
use crate::{
    convert::{BYTES, check_content_type, expiry},
    extract::{
        KeyPath, PutParams, QueryString, WriteCondition, WriteOptions,
        body::{self, BodyLimit},
        etag,
    },
    openapi::{Bytes as RawBytes, ConditionHeaders, KeyParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result},
    state::{App, app},
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded PreconditionFailed BodyTooLarge
    UnsupportedMediaType IdempotencyKeyReused StorageFull);

/// The body of a `PUT`, any bytes.
pub(crate) struct Put {
    content_type: String,
    bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Put {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self> {
        let app = app(request.extensions())?;
        let (parts, body) = request.into_parts();
        let content_type = match parts.headers.get(header::CONTENT_TYPE) {
            None => BYTES,
            Some(value) => value.to_str().map_err(|_| {
                Failure::invalid("a content type is visible ASCII").at("content-type")
            })?,
        };
        check_content_type(content_type, &app.limits).map_err(|f| f.at("content-type"))?;
        let content_type = content_type.to_owned();
        let limits = &app.limits;
        let limit = if limits.value_bytes <= limits.body_bytes {
            BodyLimit {
                name: "value_bytes",
                bytes: limits.value_bytes,
            }
        } else {
            BodyLimit {
                name: "body_bytes",
                bytes: limits.body_bytes,
            }
        };
        Ok(Self {
            content_type,
            bytes: body::read(&parts.headers, body, limit).await?,
        })
    }
}

/// Put a value
///
/// Sets value, content type and expiry of the record and leaves its vector, metadata and text.
/// Creates the record, and the namespace, if need be.
#[utoipa::path(
    put,
    path = "/v1/namespaces/{ns}/kv/{*key}",
    operation_id = "put_value",
    tag = "Key-value",
    params(KeyParams, PutParams, WriteHeaders, ConditionHeaders),
    request_body(content = inline(RawBytes), content_type = "application/octet-stream",
        description = "Any bytes of any content type, up to 1 MiB."),
    responses(
        (status = 200, description = "The value was replaced.",
            headers(
                ("ETag" = String, description = "Version of the record in quotes."),
                ("Quartz-Version" = u64, description = "Version of the namespace."),
            )),
        (status = 201, description = "The key is new.",
            headers(
                ("ETag" = String, description = "Version of the record in quotes."),
                ("Quartz-Version" = u64, description = "Version of the namespace."),
            )),
        Refusals,
    ),
)]
pub(crate) async fn put_value(
    Extension(app): Extension<App>,
    KeyPath { namespace, key }: KeyPath,
    QueryString(params): QueryString<PutParams>,
    options: WriteOptions,
    WriteCondition(precondition): WriteCondition,
    Put {
        content_type,
        bytes,
    }: Put,
) -> Result<Reply> {
    let expiry = expiry(params.ttl, &app.limits)?;
    let options = options.body(&bytes);
    let action = Action::Put(
        Value {
            content_type,
            bytes,
        },
        expiry,
    );
    let operation = Operation {
        id: key,
        precondition,
        action,
    };
    let change = options.write(Change::Apply(vec![operation]));
    let written = write(&app, &namespace, change, Place::Request).await?;
    let status = match written.outcomes.first() {
        Some(Outcome::Created) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    Ok(Reply::empty(status)
        .version(written.version)
        .header("etag", etag(written.version))
        .replayed(written.replayed)
        .used(Usage::write(written.units)))
}
