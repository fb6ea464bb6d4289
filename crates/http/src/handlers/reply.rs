use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use quartz_api::{IDEMPOTENCY_REPLAYED, VERSION};
use serde::Serialize;

use crate::problem::{Failure, Result};

/// A JSON answer, or one without a body.
pub(crate) struct Reply(Response);

impl Reply {
    /// A status and nothing more.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self(response)
    }

    /// 200 with a body.
    pub(crate) fn json<T: Serialize>(body: &T) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            Failure::new(
                quartz_api::ErrorCode::Internal,
                "the answer could not be written",
            )
        })?;
        let mut response = Response::new(Body::from(bytes));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(Self(response))
    }

    /// Another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        *self.0.status_mut() = status;
        self
    }

    /// Tells the namespace's version.
    pub(crate) fn version(self, version: u64) -> Self {
        self.header(VERSION, version.into())
    }

    /// Tells that an earlier request did the work.
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        if !replayed {
            return self;
        }
        self.header(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.0
    }
}
