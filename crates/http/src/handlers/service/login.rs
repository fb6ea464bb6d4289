//! How people get in. None of it takes a credential; the service counts the attempts.

use axum::Extension;
use http::{HeaderValue, StatusCode};
use quartz_api as wire;
use quartz_api::{
    AcceptRequest, LoginMethods, LoginRequest, SignUpRequest, SsoMethod, VerifyRequest,
};
use quartz_service::person::{SessionInfo, SignIn, SignUp};

use super::{check_label, check_password, given_password, parse_email, single_sign_on};
use crate::{
    auth::{FormerSession, Guest, Secure},
    cookie,
    extract::Json,
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(MethodsRefusals:);
refuses!(SignUpRefusals: InvalidRequest LimitExceeded SignUpClosed BodyTooLarge UnsupportedMediaType);
refuses!(VerifyRefusals: InvalidRequest LimitExceeded LinkInvalid CredentialsInvalid BodyTooLarge UnsupportedMediaType);
refuses!(LoginRefusals: InvalidRequest LimitExceeded CredentialsInvalid SecondFactorRequired AccountNotFound Conflict BodyTooLarge UnsupportedMediaType);
refuses!(AcceptRefusals: InvalidRequest LimitExceeded LinkInvalid CredentialsInvalid SecondFactorRequired Conflict BodyTooLarge UnsupportedMediaType);

/// Ask how to get in
#[utoipa::path(
    get,
    path = "/v1/auth/methods",
    operation_id = "login_methods",
    tag = "Sign-in",
    security(()),
    responses((status = 200, description = "What there is.", body = LoginMethods), MethodsRefusals),
)]
pub(crate) async fn login_methods(Extension(app): Extension<App>) -> Result<Reply> {
    let mail = app.accounts.sends_mail();
    let sso = app.accounts.single_sign_on().map(|sso| SsoMethod {
        issuer: sso.provider.issuer().to_owned(),
        path: single_sign_on::PATH.to_owned(),
    });
    Reply::json(&LoginMethods {
        sign_up: mail && app.accounts.people_settings().sign_up,
        reset: mail,
        sso: sso.into_iter().collect(),
    })
}

/// Sign up
///
/// A mail follows, with a link that founds the account. The answer is the same for an address that has
/// signed up before; the mail is not.
#[utoipa::path(
    post,
    path = "/v1/auth/sign-up",
    operation_id = "sign_up",
    tag = "Sign-in",
    security(()),
    request_body(content = SignUpRequest, example = json!({
        "email": "ann@example.com", "password": "correct horse battery", "account_name": "Acme",
    })),
    responses((status = 202, description = "Look into your mail."), SignUpRefusals),
)]
pub(crate) async fn sign_up(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    Json { value: request, .. }: Json<SignUpRequest>,
) -> Result<Reply> {
    let email = parse_email("email", &request.email, &app.limits)?;
    check_password(&request.password, &app.limits)?;
    let name = &request.account_name;
    check_label("account_name", name, "label_bytes", app.limits.label_bytes)?;
    let wanted = SignUp {
        email,
        password: request.password,
        account_name: request.account_name,
    };
    let taken = app.accounts.sign_up(&visitor, wanted);
    taken.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

/// Confirm an e-mail address
///
/// By the token of the sign-up's mail and the password that was given then. Founds the account and logs in.
#[utoipa::path(
    post,
    path = "/v1/auth/verify",
    operation_id = "verify",
    tag = "Sign-in",
    security(()),
    request_body(content = VerifyRequest, example = json!({"token": "qzl_…", "password": "correct horse battery"})),
    responses((status = 200, description = "The session; its cookie is set.", body = wire::Session), VerifyRefusals),
)]
pub(crate) async fn verify(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    Json { value: request, .. }: Json<VerifyRequest>,
) -> Result<Reply> {
    given_password("password", &request.password, &app.limits)?;
    let verified = app
        .accounts
        .verify(&visitor, &request.token, &request.password);
    signed_in(&app, secure, verified.await.map_err(from_service)?)
}

/// Log in
///
/// Begins a session: its cookie is set, and what changes something sends its `csrf_token` as `Quartz-CSRF`.
/// The session that the browser had ends.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    operation_id = "login",
    tag = "Sign-in",
    security(()),
    request_body(content = LoginRequest, example = json!({"email": "ann@example.com", "password": "correct horse battery"})),
    responses((status = 200, description = "The session; its cookie is set.", body = wire::Session), LoginRefusals),
)]
pub(crate) async fn login(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    FormerSession(former): FormerSession,
    Json { value: request, .. }: Json<LoginRequest>,
) -> Result<Reply> {
    let account = request.account.as_deref().map(|id| {
        let account = id.parse();
        account.map_err(|_| Failure::account_not_found(id).at("account"))
    });
    given_password("password", &request.password, &app.limits)?;
    let wanted = SignIn {
        email: parse_email("email", &request.email, &app.limits)?,
        password: request.password,
        code: request.code,
        account: account.transpose()?,
    };
    let signed = app.accounts.sign_in(&visitor, wanted, former.as_deref());
    signed_in(&app, secure, signed.await.map_err(from_service)?)
}

/// Accept an invitation
///
/// Who is new sets a password; who has one shows it. Logs in.
#[utoipa::path(
    post,
    path = "/v1/auth/accept",
    operation_id = "accept_invitation",
    tag = "Sign-in",
    security(()),
    request_body(content = AcceptRequest, example = json!({"token": "qzi_…", "password": "correct horse battery"})),
    responses((status = 200, description = "The session; its cookie is set.", body = wire::Session), AcceptRefusals),
)]
pub(crate) async fn accept(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    FormerSession(former): FormerSession,
    Json { value: request, .. }: Json<AcceptRequest>,
) -> Result<Reply> {
    check_password(&request.password, &app.limits)?;
    let (code, former) = (request.code.as_deref(), former.as_deref());
    let accounts = &app.accounts;
    let accepted = accounts.accept(&visitor, &request.token, &request.password, code, former);
    signed_in(&app, secure, accepted.await.map_err(from_service)?)
}

/// The session, with its cookie.
pub(super) fn signed_in(
    app: &App,
    secure: Secure,
    (cookie, info): (String, SessionInfo),
) -> Result<Reply> {
    let cookie = session_cookie(app, secure, &cookie, &info);
    Ok(unkept(Reply::json(&to_wire(info))?).cookie(cookie))
}

/// What makes the browser keep a session as long as it lives.
pub(super) fn session_cookie(
    app: &App,
    Secure(secure): Secure,
    cookie: &str,
    info: &SessionInfo,
) -> HeaderValue {
    let left = info.ends_at.saturating_sub(app.accounts.now_millis());
    cookie::SESSION.set(secure, cookie, left / 1000)
}

/// An answer that no cache may keep.
pub(super) fn unkept(reply: Reply) -> Reply {
    let no_store = HeaderValue::from_static("no-store");
    reply.header("cache-control", no_store)
}

pub(super) fn to_wire(info: SessionInfo) -> wire::Session {
    let account = |membership: quartz_service::person::Membership| wire::SessionAccount {
        id: membership.account.to_string(),
        name: membership.name,
        role: membership.role,
    };
    wire::Session {
        email: info.email,
        account: info.account.to_string(),
        role: info.grant.role.clone(),
        csrf_token: info.csrf_token,
        ends_at: info.ends_at,
        second_factor: info.second_factor,
        accounts: info.memberships.into_iter().map(account).collect(),
    }
}
