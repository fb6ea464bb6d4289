//! Parts of a request, and the answers to them.

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Uri, header, request::Parts};
use http_body_util::BodyExt as _;
use quartz_api::{ErrorCode, IDEMPOTENCY_REPLAYED, Problem, VERSION};
use serde::{Serialize, de::DeserializeOwned};

use super::Partitioned;
use crate::problem::{Failure, Result};

/// Headers of the whole that say nothing about a part.
const OF_THE_WHOLE: [header::HeaderName; 5] = [
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::ORIGIN,
    header::TRANSFER_ENCODING,
];

/// A whole answer of one partition.
pub(super) struct Answer<T> {
    pub(super) body: T,
    pub(super) replayed: bool,
}

impl Partitioned {
    /// Every partition.
    pub(super) fn all(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.count
    }

    /// Sends a part to each of some partitions at once and waits for all answers. If one is a
    /// failure, that is the result, with its partition.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        parts: Vec<(u16, Request)>,
    ) -> Result<Vec<Answer<T>>, (u16, Failure)> {
        let calls = parts.into_iter().map(|(partition, request)| async move {
            let response = self.partitions.call(partition, request).await;
            read(response).await.map_err(|failure| (partition, failure))
        });
        join_all(calls).await.into_iter().collect()
    }
}

/// A part with the head of the whole.
pub(super) fn part(head: &Parts, uri: &Uri, body: impl Into<Body>) -> Request {
    let mut request = Request::new(body.into());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = head.headers.clone();
    for name in OF_THE_WHOLE {
        request.headers_mut().remove(name);
    }
    request
}

/// A part with the head of the whole and another JSON body.
pub(super) fn json_part(head: &Parts, body: &impl Serialize) -> Result<Request> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "a part of a request could not be written as JSON");
        unreadable()
    })?;
    Ok(part(head, &head.uri, bytes))
}

/// The body of a good answer, or the failure that a bad one tells.
pub(super) async fn read<T: DeserializeOwned>(response: Response) -> Result<Answer<T>> {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| {
        tracing::warn!(%error, "the answer of a partition broke off");
        unreadable()
    })?;
    let bytes = bytes.to_bytes();
    if !head.status.is_success() {
        return Err(failure(&head.headers, &bytes));
    }
    let body = serde_json::from_slice(&bytes).map_err(|error| {
        tracing::error!(%error, "the answer of a partition is not what was expected");
        unreadable()
    })?;
    let replayed = head.headers.contains_key(IDEMPOTENCY_REPLAYED);
    Ok(Answer { body, replayed })
}

/// The failure in the answer of a partition.
pub(super) fn failure(headers: &HeaderMap, body: &Bytes) -> Failure {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return unreadable();
    };
    let version = headers
        .get(VERSION)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Failure {
        code: problem.code,
        detail: problem.detail.into(),
        path: problem.path,
        allowance: None,
        wait_micros: 0,
        held_micros: 0,
        version,
    }
}

fn unreadable() -> Failure {
    Failure::new(
        ErrorCode::StorageUnavailable,
        "a partition of the namespace did not answer; retry",
    )
}
