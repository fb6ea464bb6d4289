use axum::{
    Extension,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use quartz_api::{ErrorCode, StoredRecord};
use quartz_core::{Error, namespace::ListRange, record::Parts, usage::Usage};

use super::{Reading, Reply, view};
use crate::{
    convert::{Form, record_to_wire},
    extract::{NamespacePath, ReadOptions},
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Failure, Result},
    state::{App, Place},
};

refuses!(Refusals: InvalidRequest LimitExceeded NamespaceNotFound VersionNotReached);

/// Content type of JSON Lines.
pub(crate) const LINES: &str = "application/x-ndjson";
/// Records read at once; core ends a page earlier if they are large.
const PAGE_RECORDS: usize = 256;

/// Export all records
///
/// Every record with all its parts, one JSON object a line, ascending by the bytes of the id, from
/// one snapshot. If the server fails on the way, the connection is broken off: a complete answer
/// is a complete export.
#[utoipa::path(
    get,
    path = "/v1/namespaces/{ns}/export",
    operation_id = "export",
    tag = "Export and import",
    params(NamespaceParams, ReadHeaders),
    responses(
        (status = 200, description = "One record a line.", body = StoredRecord,
            content_type = "application/x-ndjson",
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn export(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: ReadOptions,
) -> Result<Response> {
    let view = view(&app, &name, options).await?;
    let place = app.gate.enter().ok_or_else(|| {
        Failure::new(
            ErrorCode::TooManyRequests,
            "too many requests and exports at once; retry",
        )
    })?;
    let version = view.version();
    view.charge(Usage {
        requests: 1,
        ..Usage::default()
    });
    let walk = Walk {
        view,
        after: None,
        done: false,
        _place: place,
    };
    let body = Body::from_stream(stream::try_unfold(walk, Walk::step));
    let mut response = Reply::empty(http::StatusCode::OK)
        .version(version)
        .header("content-type", HeaderValue::from_static(LINES))
        .into_response();
    *response.body_mut() = body;
    Ok(response)
}

/// Where the export is. Holds one page at a time, and its place among the requests.
struct Walk {
    view: Reading,
    after: Option<String>,
    done: bool,
    _place: Place,
}

impl Walk {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        while !self.done {
            let range = ListRange {
                prefix: String::new(),
                after: self.after.take(),
                limit: PAGE_RECORDS,
            };
            let page = self
                .view
                .list(&range, Parts::ALL)
                .await
                .inspect_err(|error| {
                    tracing::error!(%error, "an export was broken off");
                })?;
            self.done = page.next.is_none();
            self.after = page.next;
            let mut lines = Vec::new();
            for record in page.items {
                // Writing JSON into memory fails for no record.
                if serde_json::to_writer(&mut lines, &record_to_wire(record, Form::Exact)).is_ok() {
                    lines.push(b'\n');
                }
            }
            if !lines.is_empty() {
                // The request itself was counted when it began.
                self.view.charge(Usage {
                    requests: 0,
                    ..Usage::read(lines.len() as u64)
                });
                return Ok(Some((lines.into(), self)));
            }
        }
        Ok(None)
    }
}
