//! All routes, each with its document, under one layer.

use axum::{
    Extension, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use quartz_api::{
    DURABILITY, ErrorCode, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, MIN_VERSION, RATE_LIMIT,
    RATE_LIMIT_POLICY, REQUEST_ID, USAGE, VERSION,
};
use tower_http::{
    compression::{CompressionLayer, predicate::SizeAbove},
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    docs,
    handlers::{
        batch, configure, delete, delete_namespace, delete_value, describe, export, fetch,
        get_value, head_value, health, import, list_keys, list_namespaces, list_records, put_value,
        query,
        service::{
            accounts, api_keys, audit, billing, impersonation, invitations, login, members,
            passwords, roles, second_factor, sessions, single_sign_on, usage, webhooks, whoami,
        },
        update, upsert,
    },
    middleware::EdgeLayer,
    openapi,
    problem::{Failure, Result},
    state::ApiState,
};

/// JSON answers shorter than this are not worth compressing.
const COMPRESS_ABOVE_BYTES: u64 = 1024;

/// Routes that are not in the document, for the metrics.
const UNDOCUMENTED: [&str; 4] = ["/openapi.json", "/docs", "/docs/{file}", "/metrics"];

/// The whole API as a service, with the routes that the host adds, `/metrics` for instance. They get
/// request ids and are counted like the others. Web pages of `cors_origins` may call it (`*`: all may);
/// none switches CORS off.
///
/// The recorder of the `metrics` facade must be installed before the first request.
pub fn router(state: ApiState, cors_origins: &[HeaderValue], host_routes: Router) -> Router {
    routes(cors_origins, host_routes).layer(Extension(state.share()))
}

/// [`router`] without a state: each request brings its own, an [`App`](crate::App), as an extension.
///
/// A router holds the whole document and a service in layers for each route: where many apps share a
/// process, they share one router.
pub fn routes(cors_origins: &[HeaderValue], host_routes: Router) -> Router {
    let cors = cors(cors_origins);
    let (values, mut document) = values().split_for_parts();
    let (json, json_document) = json().split_for_parts();
    document.merge(json_document);
    let templates: Vec<_> = document
        .paths
        .paths
        .keys()
        .cloned()
        .chain(UNDOCUMENTED.map(str::to_owned))
        .collect();
    let text = Bytes::from(openapi::finish(document).to_string());
    let json = json
        .route("/openapi.json", get(move || openapi_json(text.clone())))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES)));
    let router = values
        .merge(json)
        .route("/docs", get(docs::page))
        .route("/docs/{file}", get(docs::file))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .merge(host_routes)
        .layer(EdgeLayer::new(templates));
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// The OpenAPI document, as `/openapi.json` serves it, indented.
#[must_use]
pub fn openapi_document() -> String {
    let mut document = values().into_openapi();
    document.merge(json().into_openapi());
    format!("{:#}", openapi::finish(document))
}

/// Routes whose bodies are the client's bytes. They pay for no layer but the edge.
fn values() -> OpenApiRouter {
    OpenApiRouter::with_openapi(openapi::base()).routes(routes!(
        get_value::get_value,
        put_value::put_value,
        head_value::head_value,
        delete_value::delete_value
    ))
}

/// Routes that answer JSON.
fn json() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_namespaces::list_namespaces))
        .routes(routes!(
            configure::create_namespace,
            describe::describe_namespace,
            delete_namespace::delete_namespace
        ))
        .routes(routes!(list_keys::list_keys))
        .routes(routes!(upsert::upsert))
        .routes(routes!(query::query))
        .routes(routes!(fetch::fetch))
        .routes(routes!(update::update))
        .routes(routes!(delete::delete))
        .routes(routes!(batch::batch))
        .routes(routes!(list_records::list_records))
        .routes(routes!(export::export))
        .routes(routes!(import::import))
        .routes(routes!(whoami::whoami))
        .routes(routes!(login::login_methods))
        .routes(routes!(login::sign_up))
        .routes(routes!(login::verify))
        .routes(routes!(login::login))
        .routes(routes!(login::accept))
        .routes(routes!(single_sign_on::begin_sso))
        .routes(routes!(single_sign_on::finish_sso))
        .routes(routes!(passwords::reset))
        .routes(routes!(passwords::new_password, passwords::change_password))
        .routes(routes!(sessions::get_session, sessions::logout))
        .routes(routes!(sessions::logout_everywhere))
        .routes(routes!(sessions::switch))
        .routes(routes!(sessions::leave))
        .routes(routes!(second_factor::enrol, second_factor::confirm))
        .routes(routes!(second_factor::remove))
        .routes(routes!(members::list_members))
        .routes(routes!(members::update_member, members::remove_member))
        .routes(routes!(
            invitations::list_invitations,
            invitations::create_invitation
        ))
        .routes(routes!(invitations::withdraw_invitation))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(
            api_keys::get_api_key,
            api_keys::update_api_key,
            api_keys::revoke_api_key
        ))
        .routes(routes!(api_keys::rotate_api_key))
        .routes(routes!(roles::list_roles))
        .routes(routes!(roles::put_role, roles::delete_role))
        .routes(routes!(audit::list_audit))
        .routes(routes!(usage::report_usage))
        .routes(routes!(billing::get_billing, billing::put_billing))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::get_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_webhook))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::replay_delivery))
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(
            accounts::get_account,
            accounts::update_account,
            accounts::close_account
        ))
        .routes(routes!(impersonation::impersonate))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::healthz))
}

async fn openapi_json(text: Bytes) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        text,
    )
        .into_response()
}

async fn no_route() -> Result<()> {
    Err(Failure::new(
        ErrorCode::RouteNotFound,
        "there is nothing at this path; see /docs",
    ))
}

async fn no_method() -> Result<()> {
    Err(Failure::new(
        ErrorCode::MethodNotAllowed,
        "this path does not take this method; see Allow",
    ))
}

pub(crate) fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    let name = HeaderName::from_static;
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::POST,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                name("x-api-key"),
                name("api-key"),
                name("traceparent"),
                name(DURABILITY),
                name(IDEMPOTENCY_KEY),
                name(MIN_VERSION),
                name(REQUEST_ID),
            ])
            .expose_headers([
                header::ETAG,
                header::RETRY_AFTER,
                name(IDEMPOTENCY_REPLAYED),
                name(RATE_LIMIT),
                name(RATE_LIMIT_POLICY),
                name(REQUEST_ID),
                name(USAGE),
                name(VERSION),
            ])
            .max_age(std::time::Duration::from_secs(3600)),
    )
}
