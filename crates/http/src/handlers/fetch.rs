use axum::Extension;
use quartz_api::{FetchRequest, FetchResponse, Include};

use super::{Reply, view};
use crate::{
    convert::{Form, parts_of, record_to_wire},
    extract::{Json, NamespacePath, ReadOptions, check_id},
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded NamespaceNotFound VersionNotReached BodyTooLarge
    UnsupportedMediaType);

/// Bytes of values, texts and vectors that one answer carries at most.
const ANSWER_BYTES: usize = 64 << 20;

/// Fetch records by id
///
/// In the order of the ids, with the parts in `include` (metadata if it is absent).
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/fetch",
    operation_id = "fetch",
    tag = "Records",
    params(NamespaceParams, ReadHeaders),
    request_body(content = FetchRequest, example = json!({"ids": ["doc-1", "doc-2"], "include": ["metadata", "value"]})),
    responses(
        (status = 200, description = "The records.", body = FetchResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn fetch(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: ReadOptions,
    Json { value: request, .. }: Json<FetchRequest>,
) -> Result<Reply> {
    let most = app.limits.records_per_request;
    if request.ids.len() > most {
        return Err(Failure::limit("ids", "records_per_request", most).at("ids"));
    }
    for (position, id) in request.ids.iter().enumerate() {
        check_id("the id", id, app.limits.id_bytes)
            .map_err(|failure| failure.at(format!("ids[{position}]")))?;
    }
    let parts = parts_of(request.include.as_deref().unwrap_or(&[Include::Metadata]));
    let view = view(&app, &name, options).await?;
    let mut body = FetchResponse {
        version: view.version(),
        ..FetchResponse::default()
    };
    let mut bytes = 0;
    for id in request.ids {
        let record = view
            .get(&id, parts)
            .await
            .map_err(|error| from_core(error, Place::Request))?;
        let Some(record) = record else {
            body.missing.push(id);
            continue;
        };
        bytes += record.value.as_ref().map_or(0, |value| value.bytes.len())
            + record.text.as_ref().map_or(0, String::len)
            + record.vector.as_ref().map_or(0, |vector| vector.len() * 4);
        if bytes > ANSWER_BYTES {
            return Err(Failure::limit(
                "the answer (ask for fewer ids or parts)",
                "answer_bytes",
                ANSWER_BYTES,
            )
            .at("ids"));
        }
        body.records.push(record_to_wire(record, Form::Readable));
    }
    view.answer(&body)
}
