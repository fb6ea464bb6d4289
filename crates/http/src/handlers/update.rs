use axum::Extension;
use quartz_api::{Limits, UpdateRequest, UpdateResponse};
use quartz_core::{
    namespace::{Action, Change, Operation, Outcome, Patch, Precondition},
    usage::Usage,
};

use super::{Reply, existing, in_slices, pointed, slices::SLICE_RECORDS, write};
use crate::{
    convert::{RecordParts, WireValue, expiry},
    extract::{Json, NamespacePath, WriteOptions, check_id},
    filter,
    openapi::{NamespaceParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded DimensionMismatch VectorInvalid FilterInvalid
    FieldNotIndexed NamespaceNotFound RecordNotFound PreconditionFailed BodyTooLarge
    UnsupportedMediaType IdempotencyKeyReused StorageFull);

/// Change records
///
/// One record by `id`, or the metadata and expiry of every record that matches `filter`. Parts that
/// are not given stay. By filter the work is done in slices of at most 10,000 records, each an
/// atomic commit.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/update",
    operation_id = "update",
    tag = "Records",
    params(NamespaceParams, WriteHeaders),
    request_body(content = UpdateRequest, example = json!({"id": "doc-1", "metadata": {"lang": "fr", "year": null}})),
    responses(
        (status = 200, description = "The records have changed.", body = UpdateResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn update(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: WriteOptions,
    Json {
        value: request,
        bytes,
    }: Json<UpdateRequest>,
) -> Result<Reply> {
    let options = options.body(&bytes);
    let raw_filter = request.filter.clone();
    let work = parse(request, &app.limits)?;
    existing(&app, &name).await?;
    let (updated, version, replayed, used) = match work {
        Work::One(operation) => {
            let change = options.write(Change::Apply(vec![operation]));
            let written = write(&app, &name, change, Place::Request).await?;
            (
                written.count(Outcome::Updated),
                written.version,
                written.replayed,
                Usage::write(written.units),
            )
        }
        Work::Where(filter, patch) => {
            let slice = |after| Change::UpdateWhere {
                filter: filter.clone(),
                patch: patch.clone(),
                after,
                limit: SLICE_RECORDS,
            };
            let sum = in_slices(&app, &name, &options, Outcome::Updated, slice)
                .await
                .map_err(|failure| pointed(failure, raw_filter.as_deref(), "filter"))?;
            (sum.count, sum.version, sum.replayed, sum.used)
        }
    };
    let body = UpdateResponse { updated, version };
    let reply = Reply::json(&body)?.version(version);
    Ok(reply.replayed(replayed).used(used))
}

enum Work {
    One(Operation),
    Where(quartz_core::filter::Filter, Patch),
}

fn parse(request: UpdateRequest, limits: &Limits) -> Result<Work> {
    let only_with_id = [
        ("vector", request.vector.is_some()),
        ("text", request.text.is_some()),
        ("value", request.value.is_some()),
        ("value_base64", request.value_base64.is_some()),
        ("content_type", request.content_type.is_some()),
        ("if_version", request.if_version.is_some()),
    ];
    let changes = request.metadata.is_some()
        || request.ttl.is_some()
        || only_with_id[..4].iter().any(|(_, given)| *given);
    let precondition = request
        .if_version
        .map_or(Precondition::None, Precondition::Version);
    let parts = RecordParts {
        vector: request.vector,
        metadata: request.metadata,
        text: request.text,
        value: WireValue {
            value: request.value,
            value_base64: request.value_base64,
            content_type: request.content_type,
        },
        expiry: expiry(request.ttl, limits)?,
    };
    let nothing = || Failure::invalid("the update changes nothing: give metadata or another part");
    match (request.id, request.filter) {
        (Some(id), None) => {
            check_id("the id", &id, limits.id_bytes).map_err(|failure| failure.at("id"))?;
            let action = Action::Patch(parts.patch(limits)?);
            if !changes {
                return Err(nothing());
            }
            Ok(Work::One(Operation {
                id,
                precondition,
                action,
            }))
        }
        (None, Some(raw)) => {
            if let Some((name, _)) = only_with_id.iter().find(|(_, given)| *given) {
                return Err(
                    Failure::invalid(format!("{name} can only be given with id")).at(*name),
                );
            }
            let filter = filter::parse(&raw, "filter", limits)?;
            let patch = parts.patch(limits)?;
            if !changes {
                return Err(nothing());
            }
            Ok(Work::Where(filter, patch))
        }
        _ => Err(Failure::invalid(
            "an update has an id or a filter, one of them",
        )),
    }
}
