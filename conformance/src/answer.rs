use std::fmt::{Debug, Display};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Every error code and the HTTP status it travels with.
const STATUS_OF_CODE: &[(&str, u16)] = &[
    ("account_not_found", 404),
    ("account_suspended", 403),
    ("api_key_expired", 401),
    ("api_key_invalid", 401),
    ("api_key_missing", 401),
    ("api_key_not_found", 404),
    ("body_too_large", 413),
    ("budget_exceeded", 402),
    ("conflict", 409),
    ("credentials_invalid", 401),
    ("csrf_token_invalid", 403),
    ("cursor_invalid", 400),
    ("delivery_not_found", 404),
    ("dimension_mismatch", 400),
    ("field_not_indexed", 400),
    ("filter_invalid", 400),
    ("idempotency_key_reused", 422),
    ("internal", 500),
    ("invalid_request", 400),
    ("invitation_not_found", 404),
    ("limit_exceeded", 400),
    ("link_invalid", 400),
    ("member_not_found", 404),
    ("method_not_allowed", 405),
    ("namespace_conflict", 409),
    ("namespace_not_found", 404),
    ("permission_denied", 403),
    ("plan_not_found", 404),
    ("precondition_failed", 412),
    ("quota_exceeded", 403),
    ("rate_limited", 429),
    ("record_not_found", 404),
    ("request_timeout", 503),
    ("role_not_found", 404),
    ("route_not_found", 404),
    ("second_factor_required", 401),
    ("session_invalid", 401),
    ("sign_up_closed", 403),
    ("spans_partitions", 400),
    ("sso_attempt_invalid", 400),
    ("sso_failed", 401),
    ("sso_not_configured", 404),
    ("sso_refused", 403),
    ("sso_unavailable", 503),
    ("storage_corrupt", 500),
    ("storage_full", 507),
    ("storage_unavailable", 503),
    ("too_many_requests", 429),
    ("unsupported_media_type", 415),
    ("vector_invalid", 400),
    ("vector_missing", 400),
    ("version_not_reached", 412),
    ("webhook_not_found", 404),
];

/// Longest part of a body in a failure message, in bytes.
const EXCERPT_BYTES: usize = 2_000;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    request: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as it came, not decompressed.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(request: String, status: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        let answer = Self {
            request,
            status,
            headers,
            body,
        };
        let id = answer.header("x-request-id");
        answer.check(
            (1..=128).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
            "X-Request-Id is 1 to 128 characters of A-Z a-z 0-9 . _ -",
        );
        answer
    }

    /// Stops the test with the request and the answer.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, why: impl Display) -> ! {
        let mut headers = String::new();
        for (name, value) in &self.headers {
            headers += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        panic!(
            "{why}\n--- request\n{}\n--- answer\n{}\n{headers}\n{}\n---",
            self.request,
            self.status,
            excerpt_bytes(&self.body),
        );
    }

    /// Fails unless the condition holds.
    #[track_caller]
    pub fn check(&self, holds: bool, rule: impl Display) {
        if !holds {
            self.fail(format_args!("broken: {rule}"));
        }
    }

    /// Fails unless the two are equal.
    #[track_caller]
    pub fn check_eq<T: Copy + Debug + PartialEq>(&self, left: T, right: T, what: &str) {
        if left != right {
            self.fail(format_args!("{what}: got {left:?}, expected {right:?}"));
        }
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        if self.status != status {
            self.fail(format_args!("expected status {status}"));
        }
        self
    }

    /// The JSON body of a 200.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Value {
        self.expect(200).json()
    }

    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let content_type = self.header("content-type");
        self.check(
            content_type.split(';').next() == Some("application/json"),
            "the body is application/json",
        );
        self.parse()
    }

    #[track_caller]
    fn parse(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => self.fail(format_args!("the body is not JSON: {error}")),
        }
    }

    /// A header that must be there.
    #[must_use]
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        match self.header_if_any(name) {
            Some(value) => value,
            None => self.fail(format_args!("no header {name}")),
        }
    }

    /// A header that may be there.
    #[must_use]
    #[track_caller]
    pub fn header_if_any(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| match value.to_str() {
            Ok(text) => text,
            Err(_) => self.fail(format_args!("header {name} is not ASCII")),
        })
    }

    /// The number in `Quartz-Version`.
    #[must_use]
    #[track_caller]
    pub fn version(&self) -> u64 {
        match self.header("quartz-version").parse() {
            Ok(version) => version,
            Err(_) => self.fail("Quartz-Version is not a number"),
        }
    }

    /// The number in `ETag`.
    #[must_use]
    #[track_caller]
    pub fn etag(&self) -> u64 {
        let quoted = self.header("etag");
        let number = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|digits| digits.parse().ok());
        match number {
            Some(version) => version,
            None => self.fail("ETag is not a number in quotes"),
        }
    }

    /// The error body: status, content type and members are checked on the way.
    #[track_caller]
    pub fn problem(self, code: &str) -> Problem {
        self.problem_among(&[code])
    }

    /// The error body, where the specification leaves a choice of codes.
    #[track_caller]
    pub fn problem_among(self, codes: &[&str]) -> Problem {
        let content_type = self.header("content-type");
        self.check(
            content_type.split(';').next() == Some("application/problem+json"),
            format_args!("expected the problem {codes:?} as application/problem+json"),
        );
        let body = self.parse();
        let member = |name: &str| match body[name].as_str() {
            Some(text) if !text.trim().is_empty() => text.to_owned(),
            _ => self.fail(format_args!("the problem has no `{name}`")),
        };
        let code = member("code");
        self.check(
            codes.contains(&code.as_str()),
            format_args!("expected the problem {codes:?}"),
        );
        let status = STATUS_OF_CODE
            .iter()
            .find_map(|(name, status)| (*name == code).then_some(*status));
        self.check_eq(Some(self.status), status, "status of the code");
        self.check_eq(body["status"].as_u64(), status.map(u64::from), "`status`");
        self.check_eq(
            member("request_id").as_str(),
            self.header("x-request-id"),
            "`request_id` and X-Request-Id",
        );
        member("type");
        member("title");
        let path = match &body["path"] {
            Value::Null => None,
            Value::String(path) => Some(path.clone()),
            _ => self.fail("`path` is not a string"),
        };
        Problem {
            code,
            detail: member("detail"),
            path,
            answer: self,
        }
    }
}

/// An error body whose common rules hold.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Stable name of the error.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// Where in the request.
    pub path: Option<String>,
    /// The answer it came in.
    pub answer: Answer,
}

impl Problem {
    /// Fails unless the fault is said to be at `place` or inside of it: the specification fixes the
    /// way a place is written, not how deep it reaches.
    #[track_caller]
    pub fn at(self, place: &str) -> Self {
        let path = self.path.as_deref().unwrap_or("(none)");
        let rest = path.strip_prefix(place);
        self.answer.check(
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
            format_args!("`path` is {place}, or in it; it is {path}"),
        );
        self
    }
}

pub(crate) fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(EXCERPT_BYTES);
    format!("{} … ({} bytes in all)", &text[..end], text.len())
}

pub(crate) fn excerpt_bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
    let text = String::from_utf8_lossy(shown);
    if shown.len() == bytes.len() {
        text.into_owned()
    } else {
        format!("{text} … ({} bytes in all)", bytes.len())
    }
}
