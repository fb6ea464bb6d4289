use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, SchemaType, Type},
    },
};

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $wire:literal, $status:literal, $title:literal;)+) => {
        /// Why a request failed: stable, one word, safe to match on. Alphabetical.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $wire)] $name,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code as it stands in a body.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire),+ }
            }

            /// The HTTP status the code travels with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// The same few words for every error of this code.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

error_codes! {
    /// There is no such account, or it is not the caller's.
    AccountNotFound = "account_not_found", 404, "Account not found";
    /// The account is suspended: nobody gets in, nothing is lost.
    AccountSuspended = "account_suspended", 403, "Account suspended";
    /// The key's time is over.
    ApiKeyExpired = "api_key_expired", 401, "API key expired";
    /// The key in the request is not one this server knows.
    ApiKeyInvalid = "api_key_invalid", 401, "API key not accepted";
    /// The request carries no key.
    ApiKeyMissing = "api_key_missing", 401, "API key missing";
    /// There is no such API key in the account.
    ApiKeyNotFound = "api_key_not_found", 404, "API key not found";
    /// The body is longer than the server takes.
    BodyTooLarge = "body_too_large", 413, "Request body too large";
    /// The account has spent its budget, or what its plan includes; reads of records go on.
    BudgetExceeded = "budget_exceeded", 402, "Budget spent";
    /// It cannot be done in the present state.
    Conflict = "conflict", 409, "Not possible now";
    /// The e-mail address or the password is wrong.
    CredentialsInvalid = "credentials_invalid", 401, "Login not accepted";
    /// A request of a session changes something and does not carry the session's CSRF token.
    CsrfTokenInvalid = "csrf_token_invalid", 403, "CSRF token missing or wrong";
    /// The cursor was not made by this endpoint.
    CursorInvalid = "cursor_invalid", 400, "Cursor not usable";
    /// The webhook has no such delivery.
    DeliveryNotFound = "delivery_not_found", 404, "Delivery not found";
    /// A vector has another dimension than its namespace.
    DimensionMismatch = "dimension_mismatch", 400, "Vector has the wrong dimension";
    /// The filter names a field that the namespace does not index.
    FieldNotIndexed = "field_not_indexed", 400, "Field is not indexed";
    /// The filter has an unknown operator, a wrong type or a wrong shape.
    FilterInvalid = "filter_invalid", 400, "Filter not valid";
    /// The idempotency key was used before with another request.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "Idempotency key used for another request";
    /// The server failed; the request may be sent again.
    Internal = "internal", 500, "Internal error";
    /// The body, a parameter or a header does not have the right form.
    InvalidRequest = "invalid_request", 400, "Request not valid";
    /// There is no such invitation in the account.
    InvitationNotFound = "invitation_not_found", 404, "Invitation not found";
    /// A part of the request is over its limit.
    LimitExceeded = "limit_exceeded", 400, "Limit exceeded";
    /// The token of a mail is none, or was used, or has ended.
    LinkInvalid = "link_invalid", 400, "Link not good any more";
    /// There is no such member in the account.
    MemberNotFound = "member_not_found", 404, "Member not found";
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The namespace exists with another configuration.
    NamespaceConflict = "namespace_conflict", 409, "Namespace exists with another configuration";
    /// There is no such namespace.
    NamespaceNotFound = "namespace_not_found", 404, "Namespace not found";
    /// The caller may not do this; the sentence names what is missing.
    PermissionDenied = "permission_denied", 403, "Not allowed";
    /// There is no such plan in the catalogue.
    PlanNotFound = "plan_not_found", 404, "Plan not found";
    /// A condition of the write does not hold; nothing was changed.
    PreconditionFailed = "precondition_failed", 412, "Precondition failed";
    /// The account holds as much as its plan allows.
    QuotaExceeded = "quota_exceeded", 403, "Quota used up";
    /// More requests in a time than the account's plan allows; `Retry-After` says when.
    RateLimited = "rate_limited", 429, "Rate limit reached";
    /// There is no such record, or it has expired.
    RecordNotFound = "record_not_found", 404, "Record not found";
    /// The request took longer than the server allows.
    RequestTimeout = "request_timeout", 503, "Request took too long";
    /// There is no such role.
    RoleNotFound = "role_not_found", 404, "Role not found";
    /// There is nothing at this path.
    RouteNotFound = "route_not_found", 404, "No such path";
    /// The password is right; a code of the second factor is missing or wrong.
    SecondFactorRequired = "second_factor_required", 401, "Second factor required";
    /// There is no such session, or it has ended.
    SessionInvalid = "session_invalid", 401, "Session not accepted";
    /// Strangers may not make accounts here.
    SignUpClosed = "sign_up_closed", 403, "Sign-up is closed";
    /// What must be done at once concerns records of several partitions.
    SpansPartitions = "spans_partitions", 400, "Request spans partitions";
    /// The browser did not begin this single sign-on, or too long ago, or has ended it already.
    SsoAttemptInvalid = "sso_attempt_invalid", 400, "Single sign-on not good any more";
    /// What the identity provider sent could not be verified.
    SsoFailed = "sso_failed", 401, "Single sign-on not verified";
    /// There is no single sign-on here.
    SsoNotConfigured = "sso_not_configured", 404, "No single sign-on here";
    /// The identity provider, or what it says of the person, lets them not in.
    SsoRefused = "sso_refused", 403, "Single sign-on refused";
    /// The identity provider cannot be asked now.
    SsoUnavailable = "sso_unavailable", 503, "Identity provider unavailable";
    /// Stored data is damaged; it is not served.
    StorageCorrupt = "storage_corrupt", 500, "Stored data is damaged";
    /// The disk is full; reads go on.
    StorageFull = "storage_full", 507, "No space left";
    /// Storage cannot take the request now.
    StorageUnavailable = "storage_unavailable", 503, "Storage unavailable";
    /// More requests at once than the server takes.
    TooManyRequests = "too_many_requests", 429, "Too many requests";
    /// The body's content type is not one the endpoint takes.
    UnsupportedMediaType = "unsupported_media_type", 415, "Content type not supported";
    /// A vector has a component that is not finite, or is zero where the metric is cosine.
    VectorInvalid = "vector_invalid", 400, "Vector not valid";
    /// The record that a query names has no vector.
    VectorMissing = "vector_missing", 400, "Record has no vector";
    /// The read demands a version that the namespace has not reached.
    VersionNotReached = "version_not_reached", 412, "Version not reached";
    /// There is no such webhook in the account.
    WebhookNotFound = "webhook_not_found", 404, "Webhook not found";
}

// The derive does not see names that a macro has put into `serde(rename)`.
impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("Why a request failed: stable, safe to match on."))
            .into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> Cow<'static, str> {
        "ErrorCode".into()
    }
}

/// An error body, RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A page about this kind of error.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The same few words for every error of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable name of the error.
    pub code: ErrorCode,
    /// What is wrong here and what to do.
    pub detail: String,
    /// Where in the request the fault is, e.g. `filter.$and[1].price` or `records[3].vector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The id of the request, as in `X-Request-Id`.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_alphabetical_and_round_trip() {
        let words: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(words.is_sorted(), "{words:?}");
        for code in ErrorCode::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
            assert!((400..600).contains(&code.status()));
        }
    }
}
