use axum::Extension;
use quartz_api::{
    BatchOperation, BatchRequest, BatchResponse, Limits, OperationKind, OperationResult,
};
use quartz_core::{
    namespace::{Action, Change, Operation, Outcome, Precondition},
    usage::Usage,
};

use super::{Reply, one_partition, write};
use crate::{
    convert::{RecordParts, WireValue, expiry, precondition},
    extract::{Json, NamespacePath, WriteOptions, check_id},
    openapi::{NamespaceParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded DimensionMismatch VectorInvalid RecordNotFound
    SpansPartitions PreconditionFailed BodyTooLarge UnsupportedMediaType IdempotencyKeyReused StorageFull);

/// Do several things at once
///
/// All operations are done in order in one atomic commit, or none of them.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/batch",
    operation_id = "batch",
    tag = "Records",
    params(NamespaceParams, WriteHeaders),
    request_body(content = BatchRequest, example = json!({"operations": [
        {"op": "check", "id": "lock", "if_absent": true},
        {"op": "put", "id": "lock", "value": "me", "ttl": 30},
        {"op": "update", "id": "doc-1", "metadata": {"state": "busy"}},
        {"op": "delete", "id": "doc-2"},
    ]})),
    responses(
        (status = 200, description = "All operations are done.", body = BatchResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn batch(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: WriteOptions,
    Json {
        value: request,
        bytes,
    }: Json<BatchRequest>,
) -> Result<Reply> {
    let options = options.body(&bytes);
    drop(bytes);
    let operations = operations(request, &app.limits)?;
    if operations.len() > 1 {
        let ids = operations.iter().map(|operation| &operation.id[..]);
        one_partition(&app, &name, "a batch", ids).await?;
    }
    let change = options.write(Change::Apply(operations));
    let written = write(&app, &name, change, Place::Operations).await?;
    let results = written.outcomes.iter().map(|outcome| match outcome {
        Outcome::Checked | Outcome::Skipped => OperationResult::Checked,
        Outcome::Created => OperationResult::Created,
        Outcome::Updated => OperationResult::Updated,
        Outcome::Deleted => OperationResult::Deleted,
        Outcome::Missing => OperationResult::Missing,
    });
    let body = BatchResponse {
        results: results.collect(),
        version: written.version,
    };
    Ok(Reply::json(&body)?
        .version(written.version)
        .replayed(written.replayed)
        .used(Usage::write(written.units)))
}

pub(crate) fn operations(request: BatchRequest, limits: &Limits) -> Result<Vec<Operation>> {
    if request.operations.len() > limits.records_per_request {
        let most = limits.records_per_request;
        return Err(Failure::limit("operations", "records_per_request", most).at("operations"));
    }
    let operations = request.operations.into_iter().enumerate();
    operations
        .map(|(position, asked)| {
            operation(asked, limits)
                .map_err(|failure| failure.under(&format!("operations[{position}]")))
        })
        .collect()
}

/// Faults name their place as seen from the operation.
fn operation(asked: BatchOperation, limits: &Limits) -> Result<Operation> {
    check_id("the id", &asked.id, limits.id_bytes).map_err(|failure| failure.at("id"))?;
    check_parts(&asked)?;
    let precondition = precondition(asked.if_version, asked.if_absent)?;
    let kind = asked.op;
    let parts = RecordParts {
        vector: asked.vector,
        metadata: asked.metadata,
        text: asked.text,
        value: WireValue {
            value: asked.value,
            value_base64: asked.value_base64,
            content_type: asked.content_type,
        },
        expiry: expiry(asked.ttl, limits)?,
    };
    let action = match kind {
        OperationKind::Check => {
            if matches!(precondition, Precondition::None) {
                return Err(Failure::invalid("check needs if_version or if_absent"));
            }
            Action::Check
        }
        OperationKind::Delete => Action::Delete,
        OperationKind::Put => {
            let contents = parts.contents(limits)?;
            let value = contents
                .value
                .ok_or_else(|| Failure::invalid("put needs value or value_base64").at("value"))?;
            Action::Put(value, contents.expiry)
        }
        OperationKind::Update => Action::Patch(parts.patch(limits)?),
        OperationKind::Upsert => Action::Upsert(parts.contents(limits)?),
    };
    Ok(Operation {
        id: asked.id,
        precondition,
        action,
    })
}

/// Refuses parts that the operation would silently pass over.
fn check_parts(asked: &BatchOperation) -> Result<()> {
    use OperationKind::{Put, Update, Upsert};
    let given: [(&str, bool, &[OperationKind]); 7] = [
        ("vector", asked.vector.is_some(), &[Upsert, Update]),
        ("metadata", asked.metadata.is_some(), &[Upsert, Update]),
        ("text", asked.text.is_some(), &[Upsert, Update]),
        ("value", asked.value.is_some(), &[Put, Upsert, Update]),
        (
            "value_base64",
            asked.value_base64.is_some(),
            &[Put, Upsert, Update],
        ),
        (
            "content_type",
            asked.content_type.is_some(),
            &[Put, Upsert, Update],
        ),
        ("ttl", asked.ttl.is_some(), &[Put, Upsert, Update]),
    ];
    for (name, is_given, kinds) in given {
        if is_given && !kinds.contains(&asked.op) {
            return Err(
                Failure::invalid(format!("{name} has no place in this operation")).at(name),
            );
        }
    }
    if asked.op == Update && asked.if_absent == Some(true) {
        let why = "an update needs the record to be there";
        return Err(Failure::invalid(why).at("if_absent"));
    }
    Ok(())
}
