use axum::Extension;
use http::StatusCode;
use quartz_api::{ApiKey, ApiKeyList, CreateApiKey, IssuedKey, Limits, RotateApiKey, UpdateApiKey};
use quartz_service as service;

use super::{account_of, check_label};
use crate::{
    auth::Caller,
    extract::{Json, NumberPath},
    handlers::Reply,
    openapi::{IdParams, refuses},
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(ListRefusals:);
refuses!(OneRefusals: InvalidRequest ApiKeyNotFound);
refuses!(CreateRefusals: InvalidRequest LimitExceeded RoleNotFound BodyTooLarge UnsupportedMediaType);
refuses!(ChangeRefusals: InvalidRequest LimitExceeded ApiKeyNotFound BodyTooLarge UnsupportedMediaType);

/// List API keys
///
/// Ascending by number, without their texts.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_api_keys",
    tag = "API keys",
    responses((status = 200, description = "All keys.", body = ApiKeyList), ListRefusals),
)]
pub(crate) async fn list_api_keys(Extension(app): Extension<App>, caller: Caller) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let keys = account.keys().into_iter().map(to_wire).collect();
    Reply::json(&ApiKeyList { keys })
}

/// Describe an API key
#[utoipa::path(
    get,
    path = "/v1/keys/{id}",
    operation_id = "get_api_key",
    tag = "API keys",
    params(IdParams),
    responses((status = 200, description = "The key without its text.", body = ApiKey), OneRefusals),
)]
pub(crate) async fn get_api_key(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    Reply::json(&to_wire(account.key(number).map_err(from_service)?))
}

/// Create an API key
///
/// It can do no more than the key that makes it, and inherits what is not said. Its text is shown
/// this once.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_api_key",
    tag = "API keys",
    request_body(content = CreateApiKey, example = json!({
        "name": "search front end", "role": "reader", "prefixes": ["app-"],
    })),
    responses((status = 201, description = "The key with its text.", body = IssuedKey), CreateRefusals),
)]
pub(crate) async fn create_api_key(
    Extension(app): Extension<App>,
    caller: Caller,
    Json { value: request, .. }: Json<CreateApiKey>,
) -> Result<Reply> {
    let new = parse(request, &app.limits)?;
    let account = account_of(&app, &caller).await?;
    let issued = account.create_key(&caller.by(), new).await;
    let issued = issued.map_err(from_service)?;
    Ok(Reply::json(&issued_to_wire(issued))?.status(StatusCode::CREATED))
}

/// Change an API key
///
/// Its name and addresses. Role and prefixes are fixed: make another key.
#[utoipa::path(
    patch,
    path = "/v1/keys/{id}",
    operation_id = "update_api_key",
    tag = "API keys",
    params(IdParams),
    request_body(content = UpdateApiKey, example = json!({"name": "old front end"})),
    responses((status = 200, description = "The key as it is now.", body = ApiKey), ChangeRefusals),
)]
pub(crate) async fn update_api_key(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
    Json { value: request, .. }: Json<UpdateApiKey>,
) -> Result<Reply> {
    if let Some(name) = &request.name {
        check_label("name", name, "label_bytes", app.limits.label_bytes)?;
    }
    let addresses = request.addresses.as_deref();
    let wanted = service::KeyChange {
        name: request.name.clone(),
        networks: addresses
            .map(|list| networks(list, &app.limits))
            .transpose()?,
    };
    let account = account_of(&app, &caller).await?;
    let key = account.change_key(&caller.by(), number, wanted).await;
    Reply::json(&to_wire(key.map_err(from_service)?))
}

/// Rotate an API key
///
/// Gives it a new text, shown this once; the one before opens for `grace_seconds` more.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/rotate",
    operation_id = "rotate_api_key",
    tag = "API keys",
    params(IdParams),
    request_body(content = RotateApiKey, example = json!({"grace_seconds": 3600})),
    responses((status = 200, description = "The key with its new text.", body = IssuedKey), ChangeRefusals),
)]
pub(crate) async fn rotate_api_key(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
    Json { value: request, .. }: Json<RotateApiKey>,
) -> Result<Reply> {
    let most = app.limits.rotation_grace_seconds;
    if request.grace_seconds > most {
        let failure = Failure::limit("grace_seconds", "rotation_grace_seconds", most);
        return Err(failure.at("grace_seconds"));
    }
    let account = account_of(&app, &caller).await?;
    let grace_millis = request.grace_seconds * 1000;
    let issued = account.rotate_key(&caller.by(), number, grace_millis).await;
    Reply::json(&issued_to_wire(issued.map_err(from_service)?))
}

/// Revoke an API key
///
/// It opens nothing from now on; everywhere within five seconds.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_api_key",
    tag = "API keys",
    params(IdParams),
    responses((status = 204, description = "It is gone."), OneRefusals),
)]
pub(crate) async fn revoke_api_key(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let revoked = account.revoke_key(&caller.by(), number).await;
    revoked.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn parse(request: CreateApiKey, limits: &Limits) -> Result<service::NewKey> {
    check_label("name", &request.name, "label_bytes", limits.label_bytes)?;
    check_label(
        "role",
        &request.role,
        "role_name_bytes",
        limits.role_name_bytes,
    )?;
    if request.prefixes.len() > limits.key_scopes {
        return Err(Failure::limit("prefixes", "key_scopes", limits.key_scopes).at("prefixes"));
    }
    for (at, prefix) in request.prefixes.iter().enumerate() {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let most = limits.namespace_name_bytes;
        if prefix.is_empty() || prefix.len() > most || !prefix.bytes().all(named) {
            let detail = format!("a prefix has 1 to {most} characters of A-Z a-z 0-9 . _ -");
            return Err(Failure::invalid(detail).at(format!("prefixes[{at}]")));
        }
    }
    if request.requests_per_second == Some(0) {
        let failure = Failure::invalid("requests_per_second must be at least 1");
        return Err(failure.at("requests_per_second"));
    }
    Ok(service::NewKey {
        networks: networks(&request.addresses, limits)?,
        name: request.name,
        role: request.role,
        prefixes: request.prefixes,
        expires_at: request.expires_at,
        requests_per_second: request.requests_per_second,
    })
}

fn networks(list: &[String], limits: &Limits) -> Result<Vec<service::Network>> {
    if list.len() > limits.key_scopes {
        return Err(Failure::limit("addresses", "key_scopes", limits.key_scopes).at("addresses"));
    }
    let network = |(at, text): (usize, &String)| {
        let parsed = text.parse();
        parsed.map_err(|why| Failure::invalid(why).at(format!("addresses[{at}]")))
    };
    list.iter().enumerate().map(network).collect()
}

fn to_wire(key: service::ApiKey) -> ApiKey {
    let stored = key.stored;
    ApiKey {
        id: key.number,
        name: stored.name,
        hint: stored.hint,
        role: stored.role,
        prefixes: stored.prefixes,
        addresses: stored.networks.iter().map(ToString::to_string).collect(),
        created_at: stored.created_at,
        created_by: stored.created_by,
        expires_at: stored.expires_at,
        requests_per_second: stored.requests_per_second,
        last_used_at: Some(stored.last_used_at).filter(|at| *at != 0),
    }
}

/// A key with its text, as it is answered once.
pub(super) fn issued_to_wire(issued: service::Issued) -> IssuedKey {
    IssuedKey {
        key: issued.text,
        api_key: to_wire(issued.key),
        former_until: issued.former_until,
    }
}
