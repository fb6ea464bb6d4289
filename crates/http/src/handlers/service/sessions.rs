use axum::Extension;
use http::StatusCode;
use quartz_api as wire;
use quartz_api::SwitchRequest;

use super::{
    account_of,
    login::{signed_in, to_wire, unkept},
};
use crate::{
    auth::{Caller, Guest, OwnSession, Secure},
    cookie,
    extract::Json,
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(SessionRefusals:);
refuses!(SwitchRefusals: InvalidRequest AccountNotFound BodyTooLarge UnsupportedMediaType);
refuses!(LeaveRefusals: Conflict);

/// Describe the session
///
/// With the token that requests which change something send as `Quartz-CSRF`.
#[utoipa::path(
    get,
    path = "/v1/auth/session",
    operation_id = "get_session",
    tag = "Sign-in",
    responses((status = 200, description = "The session.", body = wire::Session), SessionRefusals),
)]
pub(crate) async fn get_session(
    Extension(app): Extension<App>,
    OwnSession(cookie): OwnSession,
) -> Result<Reply> {
    let info = app.accounts.session_info(&cookie).await;
    Ok(unkept(Reply::json(&to_wire(info.map_err(from_service)?))?))
}

/// Log out
#[utoipa::path(
    delete,
    path = "/v1/auth/session",
    operation_id = "logout",
    tag = "Sign-in",
    responses((status = 204, description = "The session has ended."), SessionRefusals),
)]
pub(crate) async fn logout(
    Extension(app): Extension<App>,
    secure: Secure,
    OwnSession(cookie): OwnSession,
) -> Result<Reply> {
    let ended = app.accounts.sign_out(&cookie).await;
    ended.map_err(from_service)?;
    Ok(gone(secure))
}

/// Log out everywhere
///
/// Ends every session of the person, in every browser; after a single sign-on, those in its account.
#[utoipa::path(
    delete,
    path = "/v1/auth/sessions",
    operation_id = "logout_everywhere",
    tag = "Sign-in",
    responses((status = 204, description = "All sessions have ended."), SessionRefusals),
)]
pub(crate) async fn logout_everywhere(
    Extension(app): Extension<App>,
    secure: Secure,
    OwnSession(cookie): OwnSession,
) -> Result<Reply> {
    let ended = app.accounts.sign_out_everywhere(&cookie).await;
    ended.map_err(from_service)?;
    Ok(gone(secure))
}

/// Go over to another account
///
/// One that the person is a member of. The session gets another cookie and another CSRF token.
#[utoipa::path(
    post,
    path = "/v1/auth/switch",
    operation_id = "switch_account",
    tag = "Sign-in",
    request_body(content = SwitchRequest, example = json!({"account": "a1b2c3d4e5f6"})),
    responses((status = 200, description = "The session; its cookie is set.", body = wire::Session), SwitchRefusals),
)]
pub(crate) async fn switch(
    Extension(app): Extension<App>,
    secure: Secure,
    Guest(visitor): Guest,
    OwnSession(cookie): OwnSession,
    Json { value: request, .. }: Json<SwitchRequest>,
) -> Result<Reply> {
    let account = request.account.parse();
    let account = account.map_err(|_| Failure::account_not_found(&request.account))?;
    let switched = app.accounts.switch(&visitor, &cookie, account).await;
    signed_in(&app, secure, switched.map_err(from_service)?)
}

/// Leave the account
///
/// The one that the session acts in. Its last owner stays.
#[utoipa::path(
    post,
    path = "/v1/auth/leave",
    operation_id = "leave_account",
    tag = "Sign-in",
    responses((status = 204, description = "The person is no member any more."), LeaveRefusals),
)]
pub(crate) async fn leave(
    Extension(app): Extension<App>,
    secure: Secure,
    caller: Caller,
    OwnSession(_): OwnSession,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let left = app.accounts.leave(&account, &caller.by()).await;
    left.map_err(from_service)?;
    Ok(gone(secure))
}

/// Done, and the browser forgets the cookie.
fn gone(Secure(secure): Secure) -> Reply {
    Reply::empty(StatusCode::NO_CONTENT).header("set-cookie", cookie::SESSION.set(secure, "", 0))
}
