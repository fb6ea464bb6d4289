use axum::{
    body::{Body, HttpBody as _},
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{self, IntoHeaderName},
};
use quartz_api::IDEMPOTENCY_REPLAYED;
use quartz_core::usage::Usage;
use serde::Serialize;

use crate::{
    names,
    problem::{Failure, Result},
};

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
        self.header(&names::VERSION, version.into())
    }

    /// Tells that an earlier request did the work.
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        if !replayed {
            return self;
        }
        self.header(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))
    }

    /// Tells what a plan has a price for.
    pub(super) fn used(self, used: Usage) -> Self {
        match usage_header(used) {
            Some(value) => self.header(&names::USAGE, value),
            None => self,
        }
    }

    /// Bytes of the body.
    pub(super) fn bytes(&self) -> u64 {
        self.0.body().size_hint().exact().unwrap_or(0)
    }

    /// On to another address, which the browser gets.
    pub(crate) fn see_other(location: &str) -> Result<Self> {
        let location = HeaderValue::try_from(location).map_err(|error| {
            tracing::error!(%error, "an address to go on to is none");
            Failure::new(
                quartz_api::ErrorCode::Internal,
                "the answer could not be written",
            )
        })?;
        Ok(Self::empty(StatusCode::SEE_OTHER).header("location", location))
    }

    /// Sets one more cookie.
    pub(crate) fn cookie(mut self, value: HeaderValue) -> Self {
        self.0.headers_mut().append(header::SET_COOKIE, value);
        self
    }

    pub(crate) fn header(mut self, name: impl IntoHeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

/// `Quartz-Usage`, as `read_units=2`; `None` where nothing has a price.
pub(super) fn usage_header(used: Usage) -> Option<HeaderValue> {
    // By far the most answers.
    if used.read_units == 1 && used.write_units == 0 && used.query_units == 0 {
        return Some(HeaderValue::from_static("read_units=1"));
    }
    let parts = [
        ("write_units", used.write_units),
        ("read_units", used.read_units),
        ("query_units", used.query_units),
    ];
    let parts = parts.iter().filter(|(_, units)| *units > 0);
    let text: Vec<_> = parts
        .map(|(name, units)| format!("{name}={units}"))
        .collect();
    (!text.is_empty()).then(|| HeaderValue::try_from(text.join(", ")).ok())?
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.0
    }
}
