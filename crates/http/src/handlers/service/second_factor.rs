use axum::Extension;
use http::StatusCode;
use quartz_api::{
    ConfirmFactorRequest, EnrolFactorRequest, FactorEnrolment, RecoveryCodes, RemoveFactorRequest,
};

use super::{given_password, login::unkept};
use crate::{
    auth::{Guest, OwnSession},
    extract::Json,
    handlers::Reply,
    openapi::refuses,
    problem::{Result, from_service},
    state::App,
};

refuses!(EnrolRefusals: InvalidRequest LimitExceeded CredentialsInvalid Conflict BodyTooLarge UnsupportedMediaType);
refuses!(ConfirmRefusals: InvalidRequest SecondFactorRequired Conflict BodyTooLarge UnsupportedMediaType);
refuses!(RemoveRefusals: InvalidRequest LimitExceeded CredentialsInvalid SecondFactorRequired Conflict BodyTooLarge UnsupportedMediaType);

/// Begin with a second factor
///
/// Time-based codes (RFC 6238). It is asked for at logins once a first code has confirmed it.
#[utoipa::path(
    post,
    path = "/v1/auth/totp",
    operation_id = "enrol_second_factor",
    tag = "Sign-in",
    request_body(content = EnrolFactorRequest, example = json!({"password": "correct horse battery"})),
    responses((status = 200, description = "What the authenticator needs, shown this once.", body = FactorEnrolment), EnrolRefusals),
)]
pub(crate) async fn enrol(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    OwnSession(cookie): OwnSession,
    Json { value: request, .. }: Json<EnrolFactorRequest>,
) -> Result<Reply> {
    given_password("password", &request.password, &app.limits)?;
    let enrolled = app.accounts.enrol(&visitor, &cookie, &request.password);
    let enrolment = enrolled.await.map_err(from_service)?;
    let reply = Reply::json(&FactorEnrolment {
        secret: enrolment.secret,
        uri: enrolment.uri,
    });
    Ok(unkept(reply?))
}

/// Confirm the second factor
///
/// By a first code. Ends every other session of the person.
#[utoipa::path(
    put,
    path = "/v1/auth/totp",
    operation_id = "confirm_second_factor",
    tag = "Sign-in",
    request_body(content = ConfirmFactorRequest, example = json!({"code": "123456"})),
    responses((status = 200, description = "Codes for when the device is lost, shown this once.", body = RecoveryCodes), ConfirmRefusals),
)]
pub(crate) async fn confirm(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    OwnSession(cookie): OwnSession,
    Json { value: request, .. }: Json<ConfirmFactorRequest>,
) -> Result<Reply> {
    let confirmed = app
        .accounts
        .confirm_factor(&visitor, &cookie, &request.code);
    let recovery_codes = confirmed.await.map_err(from_service)?;
    Ok(unkept(Reply::json(&RecoveryCodes { recovery_codes })?))
}

/// Take the second factor off
#[utoipa::path(
    post,
    path = "/v1/auth/totp/remove",
    operation_id = "remove_second_factor",
    tag = "Sign-in",
    request_body(content = RemoveFactorRequest, example = json!({"password": "correct horse battery", "code": "123456"})),
    responses((status = 204, description = "Logins take the password alone."), RemoveRefusals),
)]
pub(crate) async fn remove(
    Extension(app): Extension<App>,
    Guest(visitor): Guest,
    OwnSession(cookie): OwnSession,
    Json { value: request, .. }: Json<RemoveFactorRequest>,
) -> Result<Reply> {
    given_password("password", &request.password, &app.limits)?;
    let (accounts, password) = (&app.accounts, &request.password);
    let removed = accounts.remove_factor(&visitor, &cookie, password, &request.code);
    removed.await.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
