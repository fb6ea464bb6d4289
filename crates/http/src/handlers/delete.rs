use axum::Extension;
use quartz_api::{DeleteRequest, DeleteResponse, Limits};
use quartz_core::{
    filter::Filter,
    namespace::{Action, Change, Namespace, Operation, Outcome, Precondition, View},
    record::Parts,
    usage::Usage,
};

use super::{Reply, existing, in_slices, pointed, slices::SLICE_RECORDS, write};
use crate::{
    extract::{Json, Name, NamespacePath, WriteOptions, check_id},
    filter,
    openapi::{NamespaceParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded FilterInvalid FieldNotIndexed NamespaceNotFound
    BodyTooLarge UnsupportedMediaType IdempotencyKeyReused StorageFull);

/// Delete records
///
/// By `ids` in one atomic commit; by `filter`, or `all`, in slices of at most 10,000 records, each an
/// atomic commit. With `dry_run` they are only counted.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/delete",
    operation_id = "delete",
    tag = "Records",
    params(NamespaceParams, WriteHeaders),
    request_body(content = DeleteRequest, example = json!({"filter": {"year": {"$lt": 2000}}, "dry_run": true})),
    responses(
        (status = 200, description = "The records are gone, or counted.", body = DeleteResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn delete(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: WriteOptions,
    Json {
        value: request,
        bytes,
    }: Json<DeleteRequest>,
) -> Result<Reply> {
    let options = options.body(&bytes);
    let dry_run = request.dry_run.unwrap_or(false);
    let raw_filter = request.filter.clone();
    let point = |failure| pointed(failure, raw_filter.as_deref(), "filter");
    let target = parse(request, &app.limits)?;
    let namespace = existing(&app, &name).await?;
    let (deleted, version, replayed, used) = if dry_run {
        let view = namespace.view();
        (
            count(&view, target).await.map_err(point)?,
            view.version(),
            false,
            charged(&namespace, &name),
        )
    } else {
        match target {
            Target::Ids(ids) => {
                let operations = ids.into_iter().map(|id| Operation {
                    id,
                    precondition: Precondition::None,
                    action: Action::Delete,
                });
                let change = options.write(Change::Apply(operations.collect()));
                let written = write(&app, &name, change, Place::Request).await?;
                (
                    written.count(Outcome::Deleted),
                    written.version,
                    written.replayed,
                    Usage::write(written.units),
                )
            }
            Target::Where(filter) => {
                let slice = |_| Change::DeleteWhere {
                    filter: filter.clone(),
                    limit: SLICE_RECORDS,
                };
                let sum = in_slices(&app, &name, &options, Outcome::Deleted, slice)
                    .await
                    .map_err(point)?;
                (sum.count, sum.version, sum.replayed, sum.used)
            }
        }
    };
    let body = DeleteResponse {
        deleted,
        dry_run,
        version,
    };
    let reply = Reply::json(&body)?.version(version);
    Ok(reply.replayed(replayed).used(used))
}

/// What counting costs.
fn charged(namespace: &Namespace, name: &Name) -> Usage {
    let used = Usage::read(0);
    namespace.charge(name.payer(), used);
    used
}

enum Target {
    Ids(Vec<String>),
    Where(Filter),
}

fn parse(request: DeleteRequest, limits: &Limits) -> Result<Target> {
    match (request.ids, request.filter, request.all.unwrap_or(false)) {
        (Some(ids), None, false) => {
            if ids.len() > limits.records_per_request {
                let most = limits.records_per_request;
                return Err(Failure::limit("ids", "records_per_request", most).at("ids"));
            }
            for (position, id) in ids.iter().enumerate() {
                check_id("the id", id, limits.id_bytes)
                    .map_err(|failure| failure.at(format!("ids[{position}]")))?;
            }
            Ok(Target::Ids(ids))
        }
        (None, Some(raw), false) => Ok(Target::Where(filter::parse(&raw, "filter", limits)?)),
        (None, None, true) => Ok(Target::Where(Filter::All(Vec::new()))),
        _ => Err(Failure::invalid(
            "a delete has ids, a filter or \"all\": true, one of them",
        )),
    }
}

/// How many records would be deleted.
async fn count(view: &View, target: Target) -> Result<u64> {
    let failed = |error| from_core(error, Place::Request).version(view.version());
    match target {
        Target::Where(filter) => view.count(&filter).await.map_err(failed),
        Target::Ids(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            let mut count = 0;
            for id in &ids {
                let record = view.get(id, Parts::NONE).await.map_err(failed)?;
                count += u64::from(record.is_some());
            }
            Ok(count)
        }
    }
}
