//! The OpenAPI document: what all endpoints share. The rest stands beside each handler.

use std::collections::BTreeMap;

use quartz_api::{Durability, ErrorCode, Problem};
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Components, Content, KnownFormat, ObjectBuilder, OpenApi as Document, PathItem, Ref, RefOr,
        Response, ResponseBuilder, Schema, SchemaFormat, Type,
        path::Operation,
        schema::SchemaType,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::PROBLEM_JSON;

/// Title, tags, security.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "QuartzDB",
        description = "Key-value records and vectors in one store, one commit, one HTTP API.",
        license(name = "MIT", identifier = "MIT"),
    ),
    tags(
        (name = "Namespaces", description = "Where records live: created, described, deleted."),
        (name = "Key-value", description = "The key-value face of a record: bytes under a key."),
        (name = "Records", description = "Whole records: stored, searched, fetched, changed, deleted."),
        (name = "Export and import", description = "All records as JSON Lines."),
        (name = "Accounts", description = "Who you are; your account; for operators, all accounts."),
        (name = "Sign-in", description = "People: sign-up, sessions, passwords, second factor."),
        (name = "Members", description = "People in an account, and who is invited."),
        (name = "API keys", description = "Made, rotated, revoked. A key never does more than the one that made it."),
        (name = "Roles", description = "Named sets of permissions, built-in and your own."),
        (name = "Usage", description = "What was used, what it costs, what it may cost."),
        (name = "Webhooks", description = "Where events of the account are sent."),
        (name = "Audit", description = "Who did what."),
        (name = "Health", description = "For load balancers and supervisors."),
    ),
    paths(crate::handlers::health::metrics),
    components(schemas(Problem, ErrorCode, Durability)),
    security(("bearer" = []), ("x_api_key" = []), ("api_key" = []), ("session" = [], "csrf" = [])),
)]
struct Base;

/// The document before any route is in it.
pub(crate) fn base() -> Document {
    let mut document = Base::openapi();
    let components = document.components.get_or_insert_with(Components::new);
    let header = |name| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("qz_…")
        .description(Some("The API key: `Authorization: Bearer qz_…`"))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("x_api_key", header("X-API-Key"));
    components.add_security_scheme("api_key", header("Api-Key"));
    let cookie = ApiKeyValue::with_description(
        "__Host-quartz_session",
        "Set by a login; `quartz_session` where there is no TLS.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme("csrf", header("Quartz-CSRF"));
    document
}

/// What derives have no words for, such as which members exclude each other: a merge patch
/// (RFC 7396) of the schemas.
const RULES: &str = include_str!("rules.json");

/// The document with all routes in it, ready to be served.
pub(crate) fn finish(document: Document) -> Value {
    let mut document = serde_json::to_value(joined(document)).unwrap_or_default();
    let rules = serde_json::from_str(RULES).unwrap_or_default();
    merge(&mut document["components"]["schemas"], rules);
    document
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, patch) in patch {
        if patch.is_null() {
            if let Some(members) = target.as_object_mut() {
                members.shift_remove(&name);
            }
        } else {
            merge(&mut target[name], patch);
        }
    }
}

fn joined(mut document: Document) -> Document {
    // Wildcards in paths are spelt as OpenAPI spells parameters.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, mut item)| {
            operations(&mut item).for_each(forbid_null);
            (path.replace("{*", "{"), item)
        })
        .collect();
    if let Some(components) = &mut document.components {
        join_flattened(&mut components.schemas);
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        head,
        patch,
        ..
    } = item;
    [get, put, post, delete, head, patch].into_iter().flatten()
}

/// A parameter, or a body as a whole, may be left out but is never `null`.
fn forbid_null(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(without_null);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.schema = content.schema.take().map(without_null);
            }
        }
    }
}

fn without_null(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    match &mut schema {
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|kind| *kind != Type::Null);
                if let [only] = types.as_slice() {
                    object.schema_type = SchemaType::Type(only.clone());
                }
            }
        }
        RefOr::T(Schema::OneOf(choice)) => {
            choice.items.retain(|item| !is_null(item));
            if choice.items.len() == 1 {
                return choice.items.remove(0);
            }
        }
        _ => {}
    }
    schema
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object))
        if matches!(object.schema_type, SchemaType::Type(Type::Null)))
}

/// Makes one object of a schema with a flattened member. As `allOf`, the member would forbid the
/// properties of the rest.
fn join_flattened(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let known = schemas.clone();
    for schema in schemas.values_mut() {
        let RefOr::T(Schema::AllOf(all)) = schema else {
            continue;
        };
        let mut joined = ObjectBuilder::new()
            .description(all.description.take())
            .build();
        for item in &all.items {
            let item = match item {
                RefOr::Ref(reference) => known.get(
                    reference
                        .ref_location
                        .rsplit('/')
                        .next()
                        .unwrap_or_default(),
                ),
                item => Some(item),
            };
            if let Some(RefOr::T(Schema::Object(object))) = item {
                joined.properties.extend(object.properties.clone());
                joined.required.extend(object.required.iter().cloned());
            }
        }
        *schema = RefOr::T(Schema::Object(joined));
    }
}

/// Bytes in a request.
pub(crate) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        let string = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        string
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Bytes {
    fn name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }
}

/// Bytes in an answer: whatever was put, so the schema says nothing.
pub(crate) struct AnyBytes;

impl PartialSchema for AnyBytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .into()
    }
}

impl ToSchema for AnyBytes {
    fn name() -> std::borrow::Cow<'static, str> {
        "AnyBytes".into()
    }
}

/// Declares `$name`, the problems an endpoint answers with beside those that all `/v1` endpoints do.
macro_rules! refuses {
    ($name:ident: $($code:ident)*) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::response::Response>,
            > {
                $crate::openapi::refusals(&[$(quartz_api::ErrorCode::$code),*])
            }
        }
    };
}
pub(crate) use refuses;

/// Codes that every `/v1` endpoint may answer with.
const EVERYWHERE: &[ErrorCode] = &[
    ErrorCode::AccountSuspended,
    ErrorCode::ApiKeyExpired,
    ErrorCode::ApiKeyInvalid,
    ErrorCode::ApiKeyMissing,
    ErrorCode::CsrfTokenInvalid,
    ErrorCode::Internal,
    ErrorCode::PermissionDenied,
    ErrorCode::QuotaExceeded,
    ErrorCode::RateLimited,
    ErrorCode::RequestTimeout,
    ErrorCode::SessionInvalid,
    ErrorCode::StorageCorrupt,
    ErrorCode::StorageUnavailable,
    ErrorCode::TooManyRequests,
];

/// One response a status, naming its codes.
pub(crate) fn refusals(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes.iter().chain(EVERYWHERE) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let lines: Vec<_> = codes
                .iter()
                .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
                .collect();
            let content = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new()
                .description(lines.join("; "))
                .content(PROBLEM_JSON, content)
                .build();
            (status.to_string(), response.into())
        })
        .collect()
}

/// `{ns}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct NamespaceParams {
    /// Name of the namespace.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "docs"
    )]
    ns: String,
}

/// `{ns}` and `{key}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct KeyParams {
    /// Name of the namespace.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "docs"
    )]
    ns: String,
    /// The key: any UTF-8 of 1 to 512 bytes, percent-encoded. A slash may stand as it is.
    #[param(min_length = 1, max_length = 512, example = "users/42")]
    key: String,
}

/// `{id}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct IdParams {
    /// Number in the account.
    #[param(minimum = 0, maximum = 4294967295_u64)]
    id: u32,
}

/// `{id}` and `{event}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct DeliveryParams {
    /// Number of the webhook.
    #[param(minimum = 0, maximum = 4294967295_u64)]
    id: u32,
    /// Number of the event.
    #[param(minimum = 0, maximum = 9007199254740991_u64)]
    event: u64,
}

/// `{role}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct RoleParams {
    /// Name of the role.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9_-]+$",
        example = "loader"
    )]
    role: String,
}

/// `{account}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct AccountParams {
    /// Id of the account.
    #[param(
        min_length = 1,
        max_length = 16,
        pattern = "^[a-z0-9]+$",
        example = "root"
    )]
    account: String,
}

/// The condition of a key-value read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct KnownHeaders {
    /// Tags that are known already, or `*`: 304 if the record has one of them.
    #[param(
        rename = "If-None-Match",
        pattern = r#"^(\*|(W/)?"[!#-+\--~]*"( *, *(W/)?"[!#-+\--~]*")*)$"#,
        example = "\"42\""
    )]
    if_none_match: Option<String>,
}

/// Headers of reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct ReadHeaders {
    /// Answer only from this version of the namespace or a later one, else 412.
    #[param(rename = "Quartz-Min-Version", minimum = 0)]
    min_version: Option<i64>,
}

/// Headers of writes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct WriteHeaders {
    /// `disk`: answer when the write is synced; `memory`: answer before.
    #[param(rename = "Quartz-Durability")]
    durability: Option<Durability>,
    /// A repeat within 24 hours of the same request gets the first answer.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// Headers of an import.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct ImportHeaders {
    /// `disk`: answer when the write is synced; `memory`: answer before.
    #[param(rename = "Quartz-Durability")]
    durability: Option<Durability>,
}

/// Conditions of key-value writes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct ConditionHeaders {
    /// The record must be there with this tag; `*`: it must be there.
    #[param(
        rename = "If-Match",
        pattern = r#"^(\*|(W/)?"[!#-+\--~]*")$"#,
        example = "\"42\""
    )]
    if_match: Option<String>,
    /// `*`: the record must not be there.
    #[param(rename = "If-None-Match", pattern = r"^\*$", example = "*")]
    if_none_match: Option<String>,
}
