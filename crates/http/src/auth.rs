//! From the headers of a request to what it may do: the credential is taken out here, a
//! [`Gatekeeper`](quartz_service::Gatekeeper) decides on it.

use core::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use quartz_api::ErrorCode;
use quartz_service::{By, Credential, Denial, Grant, Halt, key_text::KeyFault};

use crate::problem::{Failure, Result, from_store};

/// Where a request comes from. A host that knows puts it among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// What a host has found out by itself: put among the request's extensions, it stands in the place of
/// a credential. Extensions do not come over the wire, so no client can send one.
#[derive(Clone, Debug)]
pub struct Admitted(pub Arc<Grant>);

/// Who makes a request, for its handler.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) grant: Arc<Grant>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) request_id: http::HeaderValue,
}

impl Caller {
    /// On whose behalf a handler acts.
    pub(crate) fn by(&self) -> By {
        By {
            grant: Arc::clone(&self.grant),
            address: self.address,
            request_id: self.request_id.to_str().unwrap_or_default().to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        caller(parts).cloned()
    }
}

/// Who makes a request. Every route below `/v1` has one.
pub(crate) fn caller(parts: &Parts) -> Result<&Caller> {
    parts.extensions.get().ok_or_else(|| {
        Failure::new(
            ErrorCode::Internal,
            "the request came to its handler without being let in",
        )
    })
}

/// The credential of a request with these headers, if it has one, for what forwards requests.
#[must_use]
pub fn credential_in(headers: &HeaderMap) -> Option<Credential<'_>> {
    credential(headers).ok()
}

/// The credential of a request.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Credential<'_>> {
    let value = if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let scheme_end = text.find(' ').unwrap_or(text.len());
        if !text[..scheme_end].eq_ignore_ascii_case("bearer") {
            return Err(Failure::new(
                ErrorCode::ApiKeyInvalid,
                "the Authorization header must read: Bearer qz_…",
            ));
        }
        Some(text[scheme_end..].trim())
    } else {
        ["x-api-key", "api-key"]
            .into_iter()
            .find_map(|name| headers.get(name))
            .map(|value| value.to_str().unwrap_or_default().trim())
    };
    match value {
        Some(key) if !key.is_empty() => Ok(Credential::Key(key)),
        _ => Err(Failure::new(
            ErrorCode::ApiKeyMissing,
            "send the API key as `Authorization: Bearer qz_…` (or X-API-Key, Api-Key)",
        )),
    }
}

/// The failure that a denial is to the client.
pub(crate) fn refused(denial: Denial) -> Failure {
    let invalid = |fault: Option<KeyFault>| {
        let fault = fault.map(|fault| format!(": {fault}")).unwrap_or_default();
        Failure::new(
            ErrorCode::ApiKeyInvalid,
            format!("the API key in the request is not one this server knows{fault}"),
        )
    };
    match denial {
        Denial::Malformed(fault) => invalid(Some(fault)),
        Denial::Unknown => invalid(None),
        Denial::Expired => Failure::new(
            ErrorCode::ApiKeyExpired,
            "the API key has ended; ask the account's owner for another",
        ),
        Denial::Address => Failure::new(
            ErrorCode::PermissionDenied,
            "the API key may not be used from this address",
        ),
        Denial::Suspended => Failure::new(
            ErrorCode::AccountSuspended,
            "the account is suspended: nothing is lost, and nobody gets in; ask the operator",
        ),
        Denial::Permission(permission) => Failure::new(
            ErrorCode::PermissionDenied,
            format!(
                "this takes the permission {permission}, which the API key's role does not have"
            ),
        ),
        Denial::Token => Failure::new(
            ErrorCode::ApiKeyInvalid,
            "the scoped token ends more than a day from now; make one that ends sooner",
        ),
        Denial::Filtered => Failure::new(
            ErrorCode::PermissionDenied,
            "the scoped token has a filter: it searches by vector, and nothing else",
        ),
        Denial::Namespace => Failure::new(
            ErrorCode::PermissionDenied,
            "the API key does not reach this namespace: it is limited to others by their prefix",
        )
        .at("namespace"),
        Denial::Rate(allowance) => Failure {
            allowance: Some(("account", allowance)),
            ..Failure::new(
                ErrorCode::RateLimited,
                format!(
                    "the account's plan takes {} requests a second (requests_per_second); wait as \
                     Retry-After says",
                    allowance.rate.per_second
                ),
            )
        },
        Denial::KeyRate(allowance) => Failure {
            allowance: Some(("key", allowance)),
            ..Failure::new(
                ErrorCode::RateLimited,
                format!(
                    "the API key may send {} requests a second (requests_per_second); wait as \
                     Retry-After says",
                    allowance.rate.per_second
                ),
            )
        },
        Denial::Crowded(most) => Failure::new(
            ErrorCode::TooManyRequests,
            format!(
                "the account's plan takes {most} requests at once (concurrent_requests); retry"
            ),
        ),
        Denial::Halted(halt) => halted(halt),
        Denial::Store(error) => from_store(&error),
    }
}

fn halted(halt: Halt) -> Failure {
    let (code, detail) = match halt {
        Halt::Included => (
            ErrorCode::BudgetExceeded,
            "the account has used what its plan includes this month; reads go on, and writes and \
             queries do with the next month or another plan",
        ),
        Halt::Budget => (
            ErrorCode::BudgetExceeded,
            "the account has spent its monthly budget; reads go on, and writes and queries do with \
             the next month or a higher budget (PUT /v1/billing)",
        ),
        Halt::Storage => (
            ErrorCode::QuotaExceeded,
            "the account holds as many bytes as its plan allows (storage_bytes): delete records or \
             take another plan",
        ),
        Halt::Vectors => (
            ErrorCode::QuotaExceeded,
            "the account holds as many vectors as its plan allows (vectors): delete records or take \
             another plan",
        ),
    };
    Failure::new(code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "qz_root_x";

    #[test]
    fn three_headers_carry_a_key() {
        for (name, value) in [
            ("authorization", format!("Bearer {KEY}")),
            ("authorization", format!("bearer  {KEY}")),
            ("x-api-key", KEY.to_owned()),
            ("api-key", KEY.to_owned()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let Credential::Key(key) = credential(&headers).unwrap();
            assert_eq!(key, KEY, "{name}: {value}");
        }
    }

    #[test]
    fn others_hear_why() {
        let code = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            credential(&headers).unwrap_err().code
        };
        let none = credential(&HeaderMap::new()).unwrap_err().code;
        assert_eq!(none, ErrorCode::ApiKeyMissing);
        assert_eq!(code("x-api-key", ""), ErrorCode::ApiKeyMissing);
        assert_eq!(code("authorization", "Bearer"), ErrorCode::ApiKeyMissing);
        assert_eq!(code("authorization", "Basic abc"), ErrorCode::ApiKeyInvalid);
        let cut = refused(Denial::Malformed(KeyFault::Length));
        assert_eq!(cut.code, ErrorCode::ApiKeyInvalid);
        assert!(cut.detail.contains("cut off"), "{}", cut.detail);
    }
}
