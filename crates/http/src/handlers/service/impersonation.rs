use axum::Extension;
use http::StatusCode;
use quartz_api::{Impersonate, IssuedKey};

use super::{accounts::reached, api_keys::issued_to_wire, check_label};
use crate::{
    auth::Caller,
    extract::{AccountPath, Json},
    handlers::Reply,
    openapi::{AccountParams, refuses},
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded AccountNotFound BodyTooLarge UnsupportedMediaType);

/// Look into an account
///
/// For operators of the server: a key that sees everything in the account, changes nothing and ends within
/// the hour. The account sees it among its keys and in its audit log, with the reason.
#[utoipa::path(
    post,
    path = "/v1/accounts/{account}/impersonation",
    operation_id = "impersonate",
    tag = "Accounts",
    params(AccountParams),
    request_body(content = Impersonate, example = json!({"reason": "ticket 1234", "minutes": 15})),
    responses((status = 201, description = "The key with its text.", body = IssuedKey), Refusals),
)]
pub(crate) async fn impersonate(
    Extension(app): Extension<App>,
    caller: Caller,
    AccountPath(id): AccountPath,
    Json { value: request, .. }: Json<Impersonate>,
) -> Result<Reply> {
    let most = app.limits.description_bytes;
    check_label("reason", &request.reason, "description_bytes", most)?;
    let most = app.limits.impersonation_minutes;
    match request.minutes {
        0 => return Err(Failure::invalid("minutes must be at least 1").at("minutes")),
        minutes if minutes > most => {
            let failure = Failure::limit("minutes", "impersonation_minutes", most);
            return Err(failure.at("minutes"));
        }
        _ => {}
    }
    let account = reached(&app, &caller, &id).await?;
    let life_millis = u64::from(request.minutes) * 60_000;
    let by = caller.by();
    let issued = account.impersonate(&by, &request.reason, life_millis).await;
    let issued = issued.map_err(from_service)?;
    Ok(Reply::json(&issued_to_wire(issued))?.status(StatusCode::CREATED))
}
