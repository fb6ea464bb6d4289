//! Single sign-on. These two are for browsers to go to, not for pages to call: they answer with redirects
//! and cookies.

use axum::Extension;
use http::HeaderValue;
use quartz_api::Limits;
use quartz_service::person::{SSO_LIFE_MILLIS, SsoAnswer};
use serde::Deserialize;
use utoipa::IntoParams;

use super::login::{session_cookie, unkept};
use crate::{
    auth::{FormerSession, Guest, Secure, SsoBegun},
    cookie,
    extract::QueryString,
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service},
    state::App,
};

/// Where a browser begins.
pub(crate) const PATH: &str = "/v1/auth/sso";
/// Where it ends if not said otherwise.
const HOME: &str = "/docs";

refuses!(BeginRefusals: InvalidRequest LimitExceeded SsoNotConfigured SsoUnavailable);
refuses!(FinishRefusals: InvalidRequest LimitExceeded SsoNotConfigured SsoAttemptInvalid SsoFailed SsoRefused SsoUnavailable AccountNotFound Conflict);

/// Where a single sign-on ends.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct BeginParams {
    /// A path of this server; `/docs` if absent.
    #[param(
        max_length = 1024,
        pattern = r"^/([A-Za-z0-9._~!$&'()*+,;=:@?#%\[\]-][A-Za-z0-9._~!$&'()*+,;=:@/?#%\[\]-]*)?$"
    )]
    return_to: Option<String>,
}

/// What the identity provider sends along. It may send more.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FinishParams {
    /// The state that the browser went there with.
    #[param(max_length = 4096)]
    state: String,
    /// What is traded for who has signed in.
    #[param(max_length = 4096)]
    code: Option<String>,
    /// Why there is no code.
    #[param(max_length = 4096)]
    error: Option<String>,
    /// The provider that says so (RFC 9207).
    #[param(max_length = 4096)]
    iss: Option<String>,
}

/// Sign in at an identity provider
///
/// A browser is sent there, and comes back with a session (OpenID Connect: authorization code with PKCE).
#[utoipa::path(
    get,
    path = "/v1/auth/sso",
    operation_id = "begin_sso",
    tag = "Sign-in",
    security(()),
    params(BeginParams),
    responses(
        (status = 303, description = "On to the provider. A cookie is set for ten minutes.",
            headers(("Location" = String, description = "Where."))),
        BeginRefusals,
    ),
)]
pub(crate) async fn begin_sso(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    QueryString(params): QueryString<BeginParams>,
) -> Result<Reply> {
    let return_to = params.return_to.as_deref().unwrap_or(HOME);
    check_return_to(return_to, &app.limits)?;
    let begun = app.accounts.begin_sso(&visitor, return_to).await;
    let (kept, url) = begun.map_err(from_service)?;
    let kept = cookie::SSO.set(secure.0, &kept, SSO_LIFE_MILLIS / 1000);
    Ok(on_to(&url)?.cookie(kept))
}

/// Come back from the identity provider
///
/// With a code, which is traded for who has signed in. They become a member with the role of their groups,
/// as at every login, and the session begins; the one that the browser had ends. A refusal is a page with code
/// and request id for who accepts `text/html`.
#[utoipa::path(
    get,
    path = "/v1/auth/sso/callback",
    operation_id = "finish_sso",
    tag = "Sign-in",
    security(()),
    params(FinishParams),
    responses(
        (status = 303, description = "On to `return_to`. The session's cookie is set.",
            headers(("Location" = String, description = "Where."))),
        FinishRefusals,
    ),
)]
pub(crate) async fn finish_sso(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    SsoBegun(kept): SsoBegun,
    FormerSession(former): FormerSession,
    QueryString(params): QueryString<FinishParams>,
) -> Result<Reply> {
    let answer = params.answer(&app.limits)?;
    let (kept, former) = (kept.as_deref(), former.as_deref());
    let finished = app.accounts.finish_sso(&visitor, kept, answer, former);
    let (cookie, info, return_to) = finished.await.map_err(from_service)?;
    let reply = on_to(&return_to)?
        .cookie(session_cookie(&app, secure, &cookie, &info))
        .cookie(cookie::SSO.set(secure.0, "", 0));
    Ok(reply)
}

impl FinishParams {
    fn answer(self, limits: &Limits) -> Result<SsoAnswer> {
        let most = limits.sso_answer_bytes;
        let sent = [
            ("state", Some(&self.state)),
            ("code", self.code.as_ref()),
            ("error", self.error.as_ref()),
            ("iss", self.iss.as_ref()),
        ];
        for (what, text) in sent {
            if text.is_some_and(|text| text.len() > most) {
                return Err(Failure::limit(what, "sso_answer_bytes", most).at(what));
            }
        }
        let code = match (self.code, self.error) {
            (_, Some(error)) => Err(error),
            (Some(code), None) => Ok(code),
            (None, None) => return Err(Failure::invalid("there is no code").at("code")),
        };
        Ok(SsoAnswer {
            state: self.state,
            code,
            issuer: self.iss,
        })
    }
}

/// A redirect that no cache keeps and that tells nobody where the browser was, codes included.
fn on_to(location: &str) -> Result<Reply> {
    let silent = HeaderValue::from_static("no-referrer");
    Ok(unkept(Reply::see_other(location)?).header("referrer-policy", silent))
}

/// A path of this server. What browsers take for another host is none: `//host`, `/\host`.
fn check_return_to(path: &str, limits: &Limits) -> Result<()> {
    let (what, most) = ("return_to", limits.return_to_bytes);
    if path.len() > most {
        return Err(Failure::limit(what, "return_to_bytes", most).at(what));
    }
    let sound =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?#%[]".contains(&byte);
    if !path.starts_with('/') || path.starts_with("//") || !path.bytes().all(sound) {
        let detail = "return_to is a path of this server: it begins with one slash, and is \
                      percent-encoded where it has other than URL characters";
        return Err(Failure::invalid(detail).at(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        let limits = Limits::default();
        for good in ["/", "/console/", "/console/x?y=%20z#a", "/@x//y"] {
            check_return_to(good, &limits).unwrap();
        }
        for bad in [
            "",
            "console",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            " /console",
            "/\t/evil.example",
            "/\r\nset-cookie: x=y",
            "/ö",
            "/a b",
        ] {
            let failure = check_return_to(bad, &limits).unwrap_err();
            assert_eq!(failure.path.as_deref(), Some("return_to"), "{bad:?}");
        }
    }
}
