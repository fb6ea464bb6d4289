use axum::Extension;
use http::StatusCode;
use quartz_api::{ChangePasswordRequest, NewPasswordRequest, ResetRequest};

use super::{check_password, given_password, parse_email};
use crate::{
    auth::{Guest, OwnSession},
    extract::Json,
    handlers::Reply,
    openapi::refuses,
    problem::{Result, from_service},
    state::App,
};

refuses!(ResetRefusals: InvalidRequest LimitExceeded Conflict BodyTooLarge UnsupportedMediaType);
refuses!(NewRefusals: InvalidRequest LimitExceeded LinkInvalid BodyTooLarge UnsupportedMediaType);
refuses!(ChangeRefusals: InvalidRequest LimitExceeded CredentialsInvalid BodyTooLarge UnsupportedMediaType);

/// Ask for a new password
///
/// A mail follows, if somebody has this address here; the answer is the same if not.
#[utoipa::path(
    post,
    path = "/v1/auth/reset",
    operation_id = "request_reset",
    tag = "Sign-in",
    security(()),
    request_body(content = ResetRequest, example = json!({"email": "ann@example.com"})),
    responses((status = 202, description = "Look into your mail."), ResetRefusals),
)]
pub(crate) async fn reset(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    Json { value: request, .. }: Json<ResetRequest>,
) -> Result<Reply> {
    let email = parse_email("email", &request.email, &app.limits)?;
    let taken = app.accounts.request_reset(&visitor, email);
    taken.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

/// Set a new password by a mail's token
///
/// Ends every session of the person.
#[utoipa::path(
    post,
    path = "/v1/auth/password",
    operation_id = "new_password",
    tag = "Sign-in",
    security(()),
    request_body(content = NewPasswordRequest, example = json!({"token": "qzl_…", "password": "correct horse battery"})),
    responses((status = 204, description = "It is set; log in with it."), NewRefusals),
)]
pub(crate) async fn new_password(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    Json { value: request, .. }: Json<NewPasswordRequest>,
) -> Result<Reply> {
    check_password(&request.password, &app.limits)?;
    let accounts = &app.accounts;
    let set = accounts.reset_password(&visitor, &request.token, &request.password);
    set.await.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Change the password
///
/// By the one before. Ends every other session of the person.
#[utoipa::path(
    put,
    path = "/v1/auth/password",
    operation_id = "change_password",
    tag = "Sign-in",
    request_body(content = ChangePasswordRequest, example = json!({
        "current": "correct horse battery", "password": "battery staple correct",
    })),
    responses((status = 204, description = "It is changed."), ChangeRefusals),
)]
pub(crate) async fn change_password(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    OwnSession(cookie): OwnSession,
    Json { value: request, .. }: Json<ChangePasswordRequest>,
) -> Result<Reply> {
    given_password("current", &request.current, &app.limits)?;
    check_password(&request.password, &app.limits)?;
    let (accounts, current) = (&app.accounts, &request.current);
    let changed = accounts.change_password(&visitor, &cookie, current, &request.password);
    changed.await.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
