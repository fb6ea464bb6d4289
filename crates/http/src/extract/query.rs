//! Parameters behind the question mark.

use axum::extract::FromRequestParts;
use http::request::Parts;
use quartz_api::{ErrorCode, Limits};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::problem::{Failure, Result};

/// The query string, parsed; unknown parameters are refused.
pub(crate) struct QueryString<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryString<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let text = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(text).map(Self).map_err(|error| {
            Failure::new(
                ErrorCode::InvalidRequest,
                format!("the query string: {error}"),
            )
        })
    }
}

/// Which part of a list of keys or namespaces to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Only names that start with this.
    #[param(required = false, max_length = 512)]
    pub(crate) prefix: String,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
    /// Most entries in the page, 1 to 1,000; 100 if absent.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Option<usize>,
}

/// Which part of a list without names to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct WalkParams {
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
    /// Most entries in the page, 1 to 1,000; 100 if absent.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Option<usize>,
}

/// How to store a value.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct PutParams {
    /// Seconds until the record disappears, 1 to ten years; without it the record stays.
    #[param(minimum = 1, maximum = 315360000)]
    pub(crate) ttl: Option<u64>,
}

/// Most entries of a page.
pub(crate) fn page_limit(limit: Option<usize>, limits: &Limits) -> Result<usize> {
    match limit {
        None => Ok(limits.page_records.min(100)),
        Some(0) => Err(Failure::invalid("limit must be at least 1").at("limit")),
        Some(limit) if limit > limits.page_records => {
            Err(Failure::limit("limit", "page_records", limits.page_records).at("limit"))
        }
        Some(limit) => Ok(limit),
    }
}

/// A prefix no id could start with is refused, not answered with nothing.
pub(crate) fn check_prefix(prefix: &str, limits: &Limits) -> Result<()> {
    if prefix.len() > limits.id_bytes {
        return Err(Failure::limit("prefix", "id_bytes", limits.id_bytes).at("prefix"));
    }
    Ok(())
}
