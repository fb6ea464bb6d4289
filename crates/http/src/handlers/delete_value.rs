use axum::Extension;
use http::StatusCode;
use quartz_api::ErrorCode;
use quartz_core::{
    namespace::{Action, Change, Operation, Precondition},
    usage::Usage,
};

use super::{Reply, write};
use crate::{
    extract::{KeyPath, WriteCondition, WriteOptions},
    openapi::{ConditionHeaders, KeyParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded PreconditionFailed IdempotencyKeyReused StorageFull);

/// Delete a record by key
///
/// Removes the whole record, its vector and metadata too. 204 whether or not it was there.
#[utoipa::path(
    delete,
    path = "/v1/namespaces/{ns}/kv/{*key}",
    operation_id = "delete_value",
    tag = "Key-value",
    params(KeyParams, WriteHeaders, ConditionHeaders),
    responses(
        (status = 204, description = "The record is not there (any more).",
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn delete_value(
    Extension(app): Extension<App>,
    KeyPath { namespace, key }: KeyPath,
    options: WriteOptions,
    WriteCondition(precondition): WriteCondition,
) -> Result<Reply> {
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    let opened = app.directory.open(namespace.qualified()).await;
    if opened
        .map_err(|error| from_core(error, Place::Request))?
        .is_none()
    {
        return match precondition {
            Precondition::None | Precondition::Absent => Ok(reply.version(0)),
            _ => Err(Failure::new(
                ErrorCode::PreconditionFailed,
                "there is no such record",
            )),
        };
    }
    let operation = Operation {
        id: key,
        precondition,
        action: Action::Delete,
    };
    let change = options.write(Change::Apply(vec![operation]));
    let written = write(&app, &namespace, change, Place::Request).await?;
    Ok(reply
        .version(written.version)
        .replayed(written.replayed)
        .used(Usage::write(written.units)))
}
