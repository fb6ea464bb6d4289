//! What went wrong, on its way to a problem document.
//!
//! A handler fails with a [`Failure`]. Its response is an empty shell that carries the failure;
//! the edge middleware, which knows the request id, writes the body.

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use quartz_api::{ErrorCode, Problem, RATE_LIMIT, RATE_LIMIT_POLICY};
use quartz_core::{Error, store::StoreError};
use quartz_service::{
    Error as ServiceError,
    throttle::{Allowance, Rate},
};

/// The result of a handler or extractor.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Content type of error bodies.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request is not done.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The code, which decides status and title.
    pub(crate) code: ErrorCode,
    /// What is wrong here and what to do.
    pub(crate) detail: Cow<'static, str>,
    /// Where in the request.
    pub(crate) path: Option<String>,
    /// Version of the namespace, where known.
    pub(crate) version: Option<u64>,
    /// What a rate says, and whose it is.
    pub(crate) allowance: Option<(&'static str, Allowance)>,
    /// How long to wait, where no rate says it.
    pub(crate) wait_micros: u64,
    /// How long the answer is held back.
    pub(crate) held_micros: u32,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            path: None,
            version: None,
            allowance: None,
            wait_micros: 0,
            held_micros: 0,
        }
    }

    /// Something in the request has the wrong form.
    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail)
    }

    /// A limit is passed: `what` is the thing, `limit` its name in the configuration.
    pub(crate) fn limit(what: &str, limit: &'static str, most: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorCode::LimitExceeded,
            format!("{what} is over the limit {limit} = {most}"),
        )
    }

    pub(crate) fn account_not_found(id: &str) -> Self {
        Self::new(
            ErrorCode::AccountNotFound,
            format!("there is no account {id:?}, or it is not yours"),
        )
    }

    pub(crate) fn namespace_not_found(name: &str) -> Self {
        Self::new(
            ErrorCode::NamespaceNotFound,
            format!("there is no namespace {name:?}; its first write creates it"),
        )
    }

    pub(crate) fn record_not_found(id: &str) -> Self {
        Self::new(
            ErrorCode::RecordNotFound,
            format!("there is no record {id:?}"),
        )
    }

    /// Says where the fault is.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Puts `parent` in front of the path: `price` under `metadata` is `metadata.price`.
    pub(crate) fn under(mut self, parent: &str) -> Self {
        self.path = Some(match self.path {
            Some(path) if path.starts_with('[') => format!("{parent}{path}"),
            Some(path) => format!("{parent}.{path}"),
            None => parent.to_owned(),
        });
        self
    }

    /// Tells the namespace's version along.
    pub(crate) fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// The whole answer.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let problem = Problem {
            type_uri: format!("https://quartzdb.dev/errors/{}", self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            code: self.code,
            detail: self.detail.clone().into_owned(),
            path: self.path.clone(),
            request_id: request_id.to_owned(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = self.shell();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match self.code.status() {
            401 => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            429 | 503 => {
                let wait = self
                    .allowance
                    .map_or(self.wait_micros, |(_, allowance)| allowance.wait_micros);
                let seconds = wait.div_ceil(1_000_000).max(1);
                headers.insert(header::RETRY_AFTER, seconds.into());
            }
            _ => {}
        }
        if let Some((whose, allowance)) = &self.allowance {
            rate_headers(headers, whose, allowance);
        }
        *response.body_mut() = Body::from(body);
        response
    }

    /// Status and version, no body.
    fn shell(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(version) = self.version {
            response
                .headers_mut()
                .insert(quartz_api::VERSION, version.into());
        }
        response
    }
}

/// Tells a rate (IETF draft-ietf-httpapi-ratelimit-headers): so many requests in so many
/// seconds, and what is left of them.
pub(crate) fn rate_headers(headers: &mut HeaderMap, whose: &str, allowance: &Allowance) {
    let Rate { per_second, burst } = allowance.rate;
    let window = burst.div_ceil(per_second.max(1)).max(1);
    let reset = allowance.wait_micros.div_ceil(1_000_000).max(1);
    let policy = format!("\"{whose}\";q={burst};w={window}");
    let state = format!("\"{whose}\";r={};t={reset}", allowance.remaining);
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.shell();
        response.extensions_mut().insert(self);
        response
    }
}

/// What the operations of a write are called in the request, for paths.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// There is one operation, and it is the request.
    Request,
    /// `records[i]`.
    Records,
    /// `operations[i]`.
    Operations,
}

impl Place {
    fn of(self, operation: Option<usize>, part: &str) -> Option<String> {
        let list = match self {
            Self::Records => "records",
            Self::Operations => "operations",
            Self::Request => return (!part.is_empty()).then(|| part.to_owned()),
        };
        let position = operation?;
        Some(if part.is_empty() {
            format!("{list}[{position}]")
        } else {
            format!("{list}[{position}].{part}")
        })
    }
}

/// A request costs more than a plan allows.
pub(crate) fn too_costly(units: u64, most: u64) -> Failure {
    Failure::new(
        ErrorCode::QuotaExceeded,
        format!(
            "the request would cost {units} units, the account's plan allows {most} (request_units): \
             ask for less at once"
        ),
    )
}

/// The failure that a core error is to the client.
pub(crate) fn from_core(error: Error, place: Place) -> Failure {
    let (code, path) = match &error {
        Error::Store(error) => return from_store(error),
        Error::Dimension { operation, .. } => {
            (ErrorCode::DimensionMismatch, place.of(*operation, "vector"))
        }
        Error::Vector { operation, .. } => {
            (ErrorCode::VectorInvalid, place.of(*operation, "vector"))
        }
        Error::Precondition { operation, .. } => (
            ErrorCode::PreconditionFailed,
            place.of(Some(*operation), ""),
        ),
        Error::NoRecord { operation, .. } => {
            (ErrorCode::RecordNotFound, place.of(*operation, "id"))
        }
        Error::MetadataTooLarge { operation, .. } => (
            ErrorCode::LimitExceeded,
            place.of(Some(*operation), "metadata"),
        ),
        Error::NoVector { .. } => (ErrorCode::VectorMissing, Some("id".to_owned())),
        Error::NotIndexed { field } => (ErrorCode::FieldNotIndexed, Some(field.clone())),
        Error::TooCostly { units, most } => return too_costly(*units, *most),
        Error::Conflict { .. } => (ErrorCode::NamespaceConflict, None),
        Error::IdempotencyKeyReused => (ErrorCode::IdempotencyKeyReused, None),
        Error::Closed => (ErrorCode::StorageUnavailable, None),
    };
    let detail = match error {
        Error::Precondition { reason, .. } => reason,
        Error::IdempotencyKeyReused => {
            "this idempotency key came with another request in the last 24 hours; use a new key \
             for a new request"
                .to_owned()
        }
        other => other.to_string(),
    };
    Failure {
        code,
        detail: detail.into(),
        path,
        version: None,
        allowance: None,
        wait_micros: 0,
        held_micros: 0,
    }
}

/// The failure that an error of an account is to the client.
pub(crate) fn from_service(error: ServiceError) -> Failure {
    let detail = error.to_string();
    match error {
        ServiceError::Store(error) => from_store(&error),
        ServiceError::NotFound { what: "role", .. } => {
            Failure::new(ErrorCode::RoleNotFound, detail)
        }
        ServiceError::NotFound { what: "plan", .. } => {
            Failure::new(ErrorCode::PlanNotFound, detail)
        }
        ServiceError::NotFound {
            what: "webhook", ..
        } => Failure::new(ErrorCode::WebhookNotFound, detail),
        ServiceError::NotFound {
            what: "delivery", ..
        } => Failure::new(ErrorCode::DeliveryNotFound, detail),
        ServiceError::NotFound { what: "member", .. } => {
            Failure::new(ErrorCode::MemberNotFound, detail)
        }
        ServiceError::NotFound {
            what: "invitation", ..
        } => Failure::new(ErrorCode::InvitationNotFound, detail),
        ServiceError::NotFound {
            what: "account",
            name,
        } => Failure::account_not_found(&name),
        ServiceError::NotFound { .. } => Failure::new(ErrorCode::ApiKeyNotFound, detail),
        ServiceError::Conflict(why) => Failure::new(ErrorCode::Conflict, why),
        ServiceError::Escalation { reason, .. } => {
            Failure::new(ErrorCode::PermissionDenied, reason)
        }
        ServiceError::TooOften { wait_micros } => Failure {
            wait_micros,
            ..Failure::new(ErrorCode::RateLimited, detail)
        },
        ServiceError::SignUpClosed => Failure::new(ErrorCode::SignUpClosed, detail),
        ServiceError::NoMail => Failure::new(ErrorCode::Conflict, detail),
        ServiceError::Credentials => Failure::new(ErrorCode::CredentialsInvalid, detail),
        ServiceError::SecondFactor => Failure::new(ErrorCode::SecondFactorRequired, detail),
        ServiceError::Link => Failure::new(ErrorCode::LinkInvalid, detail),
        ServiceError::Session => Failure::new(ErrorCode::SessionInvalid, detail),
        ServiceError::SsoNotConfigured => Failure::new(ErrorCode::SsoNotConfigured, detail),
        ServiceError::SsoAttempt => Failure::new(ErrorCode::SsoAttemptInvalid, detail),
        ServiceError::SsoRefused(_) => Failure::new(ErrorCode::SsoRefused, detail),
        ServiceError::SsoFailed => Failure::new(ErrorCode::SsoFailed, detail),
        ServiceError::SsoUnavailable => Failure::new(ErrorCode::SsoUnavailable, detail),
        ServiceError::TooMany { .. } | ServiceError::LongReport { .. } => {
            Failure::new(ErrorCode::LimitExceeded, detail)
        }
    }
}

pub(crate) fn from_store(error: &StoreError) -> Failure {
    match error {
        StoreError::Corrupt { .. } => {
            tracing::error!(%error, "stored data is damaged");
            Failure::new(
                ErrorCode::StorageCorrupt,
                "a part of the stored data fails its checksum and is not served; the server's log \
                 names it, a backup mends it",
            )
        }
        StoreError::Full(_) => Failure::new(
            ErrorCode::StorageFull,
            "the disk is full: free space or delete records; reads go on",
        ),
        StoreError::Unavailable(_) | StoreError::Refused(_) => {
            tracing::warn!(%error, "storage did not take a request");
            Failure::new(
                ErrorCode::StorageUnavailable,
                "storage cannot take the request now; retry",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_the_operation() {
        let error = Error::Dimension {
            operation: Some(3),
            expected: 4,
            actual: 5,
        };
        let failure = from_core(error.clone(), Place::Records);
        assert_eq!(failure.path.as_deref(), Some("records[3].vector"));
        assert_eq!(failure.code, ErrorCode::DimensionMismatch);
        let failure = from_core(error, Place::Request);
        assert_eq!(failure.path.as_deref(), Some("vector"));
        let error = Error::Precondition {
            operation: 2,
            reason: "no".into(),
        };
        assert_eq!(
            from_core(error, Place::Operations).path.as_deref(),
            Some("operations[2]")
        );
    }

    #[test]
    fn parents_join() {
        let join = |path: &str| Failure::invalid("x").at(path).under("filter").path.unwrap();
        assert_eq!(join("$and[1].price"), "filter.$and[1].price");
        assert_eq!(join("[1]"), "filter[1]");
        assert_eq!(
            Failure::invalid("x").under("filter").path.unwrap(),
            "filter"
        );
    }
}
