//! From the headers of a request to what it may do: the credential is taken out here, a
//! [`Gatekeeper`](quartz_service::Gatekeeper) decides on it.

use core::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{Extensions, HeaderMap, Method, header, request::Parts};
use quartz_api::{CSRF, ErrorCode};
use quartz_service::{By, Credential, Denial, Grant, Halt, Visitor, key_text::KeyFault};

use crate::{
    cookie,
    problem::{Failure, Result, from_store},
    state::{App, app},
};

/// Where a request comes from. A host that knows puts it among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A request that has come over TLS. A host that ends it itself puts this among the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// Whether cookies insist on TLS, for a handler that sets one.
#[derive(Clone, Copy)]
pub(crate) struct Secure(pub(crate) bool);

impl Secure {
    pub(crate) fn of(app: &App, extensions: &Extensions) -> Self {
        let came_over_tls = extensions.get::<OverTls>().is_some();
        Self(app.accounts.people_settings().is_secure(came_over_tls))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Secure {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self::of(&app(&parts.extensions)?, &parts.extensions))
    }
}

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

/// Who makes a request that takes no credential.
#[derive(Clone, Debug)]
pub(crate) struct Guest(pub(crate) Visitor);

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        if let Some(guest) = parts.extensions.get::<Self>() {
            return Ok(guest.clone());
        }
        let app = app(&parts.extensions)?;
        let caller = caller(parts)?;
        Ok(Self(Visitor {
            address: caller.address,
            request_id: caller.by().request_id,
            now_micros: app.host.monotonic_micros(),
        }))
    }
}

/// The cookie of the session that makes a request; a key has none, and is refused.
pub(crate) struct OwnSession(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for OwnSession {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let is_session = caller(parts)?.grant.member.is_some();
        let Secure(secure) = Secure::of(&app, &parts.extensions);
        let cookie = cookie::SESSION
            .find(&parts.headers, secure)
            .filter(|_| is_session);
        let detail = "this is about a session, and a key has none: log in (POST /v1/auth/login)";
        cookie
            .map(|cookie| Self(cookie.to_owned()))
            .ok_or_else(|| Failure::new(ErrorCode::SessionInvalid, detail))
    }
}

/// The cookie that a browser has before it logs in, whatever it is good for.
pub(crate) struct FormerSession(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for FormerSession {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let Secure(secure) = Secure::of(&app, &parts.extensions);
        let cookie = cookie::SESSION.find(&parts.headers, secure);
        Ok(Self(cookie.map(str::to_owned)))
    }
}

/// What a browser keeps of a single sign-on that it has begun.
pub(crate) struct SsoBegun(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for SsoBegun {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let Secure(secure) = Secure::of(&app, &parts.extensions);
        let cookie = cookie::SSO.find(&parts.headers, secure);
        Ok(Self(cookie.map(str::to_owned)))
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

/// The credential of a request, if it has one, for what forwards requests. `secure`: browsers come over
/// TLS.
#[must_use]
pub fn credential_in<'a>(
    method: &Method,
    headers: &'a HeaderMap,
    secure: bool,
) -> Option<Credential<'a>> {
    credential(method, headers, secure).ok()
}

/// The credential of a request: a key, or else a session.
pub(crate) fn credential<'a>(
    method: &Method,
    headers: &'a HeaderMap,
    secure: bool,
) -> Result<Credential<'a>> {
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
    if value.is_none()
        && let Some(cookie) = cookie::SESSION.find(headers, secure)
    {
        let proof = headers.get(CSRF).and_then(|value| value.to_str().ok());
        let csrf = (!method.is_safe()).then(|| proof.unwrap_or_default());
        return Ok(Credential::Session { cookie, csrf });
    }
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
        Denial::Session => Failure::new(ErrorCode::SessionInvalid, "the session has ended: log in"),
        Denial::Csrf => Failure::new(
            ErrorCode::CsrfTokenInvalid,
            "a session that changes something sends its csrf_token (GET /v1/auth/session) as \
             Quartz-CSRF",
        ),
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
            let Credential::Key(key) = credential(&Method::GET, &headers, true).unwrap() else {
                panic!("{name} carries no key");
            };
            assert_eq!(key, KEY, "{name}: {value}");
        }
    }

    #[test]
    fn a_cookie_is_a_session_unless_there_is_a_key() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "__Host-quartz_session=qzs_a".parse().unwrap());
        let session = |method: &Method, headers: &HeaderMap| match credential(method, headers, true)
        {
            Ok(Credential::Session { cookie, csrf }) => {
                Some((cookie.to_owned(), csrf.map(str::to_owned)))
            }
            _ => None,
        };
        let cookie = || "qzs_a".to_owned();
        assert_eq!(session(&Method::GET, &headers), Some((cookie(), None)));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // What changes something must prove itself, with nothing if it has nothing.
            assert_eq!(
                session(&method, &headers),
                Some((cookie(), Some(String::new())))
            );
        }
        headers.insert(CSRF, "t".parse().unwrap());
        assert_eq!(
            session(&Method::POST, &headers),
            Some((cookie(), Some("t".into())))
        );
        headers.insert("x-api-key", KEY.parse().unwrap());
        assert_eq!(session(&Method::POST, &headers), None);
    }

    #[test]
    fn others_hear_why() {
        let code = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            credential(&Method::GET, &headers, true).unwrap_err().code
        };
        let headers = HeaderMap::new();
        let none = credential(&Method::GET, &headers, true).unwrap_err().code;
        assert_eq!(none, ErrorCode::ApiKeyMissing);
        assert_eq!(code("x-api-key", ""), ErrorCode::ApiKeyMissing);
        assert_eq!(code("authorization", "Bearer"), ErrorCode::ApiKeyMissing);
        assert_eq!(code("authorization", "Basic abc"), ErrorCode::ApiKeyInvalid);
        let cut = refused(Denial::Malformed(KeyFault::Length));
        assert_eq!(cut.code, ErrorCode::ApiKeyInvalid);
        assert!(cut.detail.contains("cut off"), "{}", cut.detail);
    }
}
