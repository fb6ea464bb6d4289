use std::sync::Arc;

use axum::Extension;
use quartz_api::{Limits, Record, UpsertRequest, UpsertResponse};
use quartz_core::{
    Error,
    filter::Filter,
    namespace::{Action, Change, Operation, Outcome, Precondition},
    usage::Usage,
};

use super::{Reply, one_partition, pointed, write};
use crate::{
    convert::{RecordParts, WireValue, expiry, precondition},
    extract::{Json, Name, NamespacePath, WriteOptions, check_id},
    filter,
    openapi::{NamespaceParams, WriteHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded DimensionMismatch VectorInvalid FilterInvalid
    FieldNotIndexed SpansPartitions PreconditionFailed BodyTooLarge UnsupportedMediaType IdempotencyKeyReused
    StorageFull);

/// An upsert that is refused as a whole if one of its records is.
pub(crate) const CONDITIONAL: &str = "an upsert with if_version or if_absent";

/// Store records
///
/// Each replaces the record with its id as a whole. All are stored in one atomic commit, or none.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/upsert",
    operation_id = "upsert",
    tag = "Records",
    params(NamespaceParams, WriteHeaders),
    request_body(content = UpsertRequest, example = json!({"records": [
        {"id": "doc-1", "vector": [0.1, 0.2, 0.3], "metadata": {"lang": "en", "year": 2024}, "value": {"title": "One"}},
        {"id": "doc-2", "vector": [0.3, 0.1, 0.2], "metadata": {"lang": "de"}, "ttl": 86400},
    ]})),
    responses(
        (status = 200, description = "The records are stored.", body = UpsertResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn upsert(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: WriteOptions,
    Json {
        value: request,
        bytes,
    }: Json<UpsertRequest>,
) -> Result<Reply> {
    let options = options.body(&bytes);
    drop(bytes);
    let raw_condition = request.condition.clone();
    let operations = operations(request, &app.limits)?;
    if let Some(Precondition::SkipUnless(filter)) =
        operations.first().map(|first| &first.precondition)
    {
        check_indexed(&app, &name, filter)
            .await
            .map_err(|failure| pointed(failure, raw_condition.as_deref(), "condition"))?;
    }
    let conditional = |operation: &Operation| {
        matches!(
            operation.precondition,
            Precondition::Version(_) | Precondition::Absent
        )
    };
    if operations.len() > 1 && operations.iter().any(conditional) {
        let ids = operations.iter().map(|operation| &operation.id[..]);
        one_partition(&app, &name, CONDITIONAL, ids).await?;
    }
    let change = options.write(Change::Apply(operations));
    let written = write(&app, &name, change, Place::Records).await?;
    let body = UpsertResponse {
        upserted: written.count(Outcome::Created) + written.count(Outcome::Updated),
        skipped: written.count(Outcome::Skipped),
        version: written.version,
    };
    Ok(Reply::json(&body)?
        .version(written.version)
        .replayed(written.replayed)
        .used(Usage::write(written.units)))
}

/// A condition is judged by the records themselves, but keeps to the indexed fields as every other
/// filter does.
async fn check_indexed(app: &App, name: &Name, filter: &Filter) -> Result<()> {
    let failed = |error| from_core(error, Place::Request);
    let Some(namespace) = app.directory.open(name.qualified()).await.map_err(failed)? else {
        return Ok(());
    };
    let indexed = namespace.view().config().indexed_fields;
    match filter.fields().find(|field| !indexed.contains(field)) {
        None => Ok(()),
        Some(field) => Err(failed(Error::NotIndexed {
            field: field.to_owned(),
        })),
    }
}

fn operations(request: UpsertRequest, limits: &Limits) -> Result<Vec<Operation>> {
    if request.records.len() > limits.records_per_request {
        let most = limits.records_per_request;
        return Err(Failure::limit("records", "records_per_request", most).at("records"));
    }
    let condition = match &request.condition {
        Some(raw) => Some(Arc::new(filter::parse(raw, "condition", limits)?)),
        None => None,
    };
    let records = request.records.into_iter().enumerate();
    records
        .map(|(position, record)| {
            operation(record, condition.as_ref(), limits)
                .map_err(|failure| failure.under(&format!("records[{position}]")))
        })
        .collect()
}

/// The operation that stores `record`. Faults name their place as seen from the record.
fn operation(
    record: Record,
    condition: Option<&Arc<Filter>>,
    limits: &Limits,
) -> Result<Operation> {
    check_id("the id", &record.id, limits.id_bytes).map_err(|failure| failure.at("id"))?;
    let precondition = match (
        precondition(record.if_version, record.if_absent)?,
        condition,
    ) {
        (precondition, None) => precondition,
        (Precondition::None, Some(filter)) => Precondition::SkipUnless(Arc::clone(filter)),
        (_, Some(_)) => {
            return Err(Failure::invalid(
                "if_version and if_absent cannot be joined with the condition of the request",
            ));
        }
    };
    let parts = RecordParts {
        vector: record.vector,
        metadata: record.metadata,
        text: record.text,
        value: WireValue {
            value: record.value,
            value_base64: record.value_base64,
            content_type: record.content_type,
        },
        expiry: expiry(record.ttl, limits)?,
    };
    Ok(Operation {
        id: record.id,
        precondition,
        action: Action::Upsert(parts.contents(limits)?),
    })
}
