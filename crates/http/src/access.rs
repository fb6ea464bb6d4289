//! What each endpoint takes: the source of the role × endpoint matrix. An endpoint that is not here is
//! refused to everyone, and a test fails.

use std::collections::HashMap;

use http::Method;
use quartz_service::{
    Denial, Grant, Permission as P, Work,
    roles::{BUILT_IN, OPERATOR},
};

/// What an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: it is how people get in. The handler counts the attempts.
    Nothing,
    /// Any credential.
    Credential,
    /// One that has a permission.
    Permission(P),
}

const fn need(permission: P) -> Need {
    Need::Permission(permission)
}

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/// Every endpoint below `/v1`.
const TABLE: &[(&str, &str, Need)] = &[
    ("GET", "/v1/whoami", Need::Credential),
    ("GET", "/v1/namespaces", need(P::NamespacesRead)),
    ("PUT", "/v1/namespaces/{ns}", need(P::NamespacesWrite)),
    ("GET", "/v1/namespaces/{ns}", need(P::NamespacesRead)),
    ("DELETE", "/v1/namespaces/{ns}", need(P::NamespacesDelete)),
    ("GET", "/v1/namespaces/{ns}/kv", need(P::RecordsRead)),
    (
        "PUT",
        "/v1/namespaces/{ns}/kv/{*key}",
        need(P::RecordsWrite),
    ),
    ("GET", "/v1/namespaces/{ns}/kv/{*key}", need(P::RecordsRead)),
    (
        "HEAD",
        "/v1/namespaces/{ns}/kv/{*key}",
        need(P::RecordsRead),
    ),
    (
        "DELETE",
        "/v1/namespaces/{ns}/kv/{*key}",
        need(P::RecordsWrite),
    ),
    ("POST", "/v1/namespaces/{ns}/upsert", need(P::RecordsWrite)),
    ("POST", "/v1/namespaces/{ns}/query", need(P::RecordsRead)),
    ("POST", "/v1/namespaces/{ns}/fetch", need(P::RecordsRead)),
    ("POST", "/v1/namespaces/{ns}/update", need(P::RecordsWrite)),
    ("POST", "/v1/namespaces/{ns}/delete", need(P::RecordsWrite)),
    ("POST", "/v1/namespaces/{ns}/batch", need(P::RecordsWrite)),
    ("GET", "/v1/namespaces/{ns}/records", need(P::RecordsRead)),
    ("GET", "/v1/namespaces/{ns}/export", need(P::RecordsRead)),
    ("POST", "/v1/namespaces/{ns}/import", need(P::RecordsWrite)),
    ("GET", "/v1/auth/methods", Need::Nothing),
    ("POST", "/v1/auth/sign-up", Need::Nothing),
    ("POST", "/v1/auth/verify", Need::Nothing),
    ("POST", "/v1/auth/login", Need::Nothing),
    ("POST", "/v1/auth/reset", Need::Nothing),
    ("POST", "/v1/auth/password", Need::Nothing),
    ("POST", "/v1/auth/accept", Need::Nothing),
    ("GET", "/v1/auth/sso", Need::Nothing),
    ("GET", "/v1/auth/sso/callback", Need::Nothing),
    // What a session does with itself; the handlers refuse keys.
    ("PUT", "/v1/auth/password", Need::Credential),
    ("GET", "/v1/auth/session", Need::Credential),
    ("DELETE", "/v1/auth/session", Need::Credential),
    ("DELETE", "/v1/auth/sessions", Need::Credential),
    ("POST", "/v1/auth/switch", Need::Credential),
    ("POST", "/v1/auth/leave", Need::Credential),
    ("POST", "/v1/auth/totp", Need::Credential),
    ("PUT", "/v1/auth/totp", Need::Credential),
    ("POST", "/v1/auth/totp/remove", Need::Credential),
    ("GET", "/v1/members", need(P::MembersRead)),
    ("PATCH", "/v1/members/{id}", need(P::MembersWrite)),
    ("DELETE", "/v1/members/{id}", need(P::MembersWrite)),
    ("GET", "/v1/invitations", need(P::MembersRead)),
    ("POST", "/v1/invitations", need(P::MembersWrite)),
    ("DELETE", "/v1/invitations/{id}", need(P::MembersWrite)),
    ("GET", "/v1/keys", need(P::KeysRead)),
    ("POST", "/v1/keys", need(P::KeysWrite)),
    ("GET", "/v1/keys/{id}", need(P::KeysRead)),
    ("PATCH", "/v1/keys/{id}", need(P::KeysWrite)),
    ("DELETE", "/v1/keys/{id}", need(P::KeysWrite)),
    ("POST", "/v1/keys/{id}/rotate", need(P::KeysWrite)),
    ("GET", "/v1/roles", need(P::RolesRead)),
    ("PUT", "/v1/roles/{role}", need(P::RolesWrite)),
    ("DELETE", "/v1/roles/{role}", need(P::RolesWrite)),
    ("GET", "/v1/audit", need(P::AuditRead)),
    ("GET", "/v1/usage", need(P::UsageRead)),
    ("GET", "/v1/billing", need(P::BillingRead)),
    ("PUT", "/v1/billing", need(P::BillingWrite)),
    ("GET", "/v1/webhooks", need(P::WebhooksRead)),
    ("POST", "/v1/webhooks", need(P::WebhooksWrite)),
    ("GET", "/v1/webhooks/{id}", need(P::WebhooksRead)),
    ("DELETE", "/v1/webhooks/{id}", need(P::WebhooksWrite)),
    ("POST", "/v1/webhooks/{id}/rotate", need(P::WebhooksWrite)),
    ("POST", "/v1/webhooks/{id}/test", need(P::WebhooksWrite)),
    ("GET", "/v1/webhooks/{id}/deliveries", need(P::WebhooksRead)),
    (
        "POST",
        "/v1/webhooks/{id}/deliveries/{event}/replay",
        need(P::WebhooksWrite),
    ),
    ("GET", "/v1/accounts", need(P::Operate)),
    ("POST", "/v1/accounts", need(P::Operate)),
    ("GET", "/v1/accounts/{account}", need(P::AccountRead)),
    ("PATCH", "/v1/accounts/{account}", need(P::AccountWrite)),
    ("DELETE", "/v1/accounts/{account}", need(P::AccountClose)),
    (
        "POST",
        "/v1/accounts/{account}/impersonation",
        need(P::Operate),
    ),
];

/// The table, ready to be asked.
pub(crate) struct Access(HashMap<&'static str, [Option<Need>; METHODS.len()]>);

impl Access {
    pub(crate) fn new() -> Self {
        let mut routes: HashMap<_, [Option<Need>; METHODS.len()]> = HashMap::new();
        for (method, route, need) in TABLE {
            if let Some(at) = METHODS.iter().position(|name| name == method) {
                routes.entry(*route).or_default()[at] = Some(*need);
            }
        }
        Self(routes)
    }

    /// Whether a route takes no credential.
    pub(crate) fn is_open(&self, method: &Method, route: Option<&str>) -> bool {
        let needs = route.and_then(|route| self.0.get(route));
        let need = needs.and_then(|needs| needs[index(method)?]);
        need == Some(Need::Nothing)
    }

    /// Whether a grant may use a route; `None` is no route, where there is nothing to be had.
    pub(crate) fn check(
        &self,
        grant: &Grant,
        method: &Method,
        route: Option<&str>,
    ) -> Result<(), Denial> {
        let Some(route) = route else { return Ok(()) };
        let needs = self.0.get(route).copied().unwrap_or_default();
        // A HEAD that has no handler is answered by that of GET.
        let [get, head, ..] = needs;
        let need = match index(method) {
            Some(1) => head.or(get),
            Some(at) => needs[at],
            None => None,
        };
        // What a filter does not hold back must not be reached beside it.
        let filtered = grant
            .scope
            .as_ref()
            .is_some_and(|scope| !scope.filter.is_empty());
        if filtered && route != "/v1/whoami" && route != "/v1/namespaces/{ns}/query" {
            return Err(Denial::Filtered);
        }
        match need {
            Some(Need::Nothing | Need::Credential) => Ok(()),
            Some(Need::Permission(permission)) => grant.allows(permission),
            // The route does not take the method, which its answer will say.
            None if needs.iter().any(Option::is_some) => Ok(()),
            None => Err(Denial::Permission(P::Operate)),
        }
    }
}

fn index(method: &Method) -> Option<usize> {
    METHODS.iter().position(|name| *name == method.as_str())
}

/// What a request does, as far as a plan is concerned. Deleting is always possible: an account that is
/// full gets room that way.
pub(crate) fn work(method: &Method, route: Option<&str>) -> Work {
    let Some(rest) = route.and_then(|route| route.strip_prefix("/v1/namespaces/{ns}")) else {
        return Work::Free;
    };
    match (method.as_str(), rest) {
        ("POST", "/query") => Work::Query,
        ("POST", "/upsert" | "/update" | "/batch" | "/import") | ("PUT", _) => Work::Write,
        _ => Work::Free,
    }
}

/// The role × endpoint matrix as text, a row for each of `endpoints` (method and path as in the OpenAPI
/// document).
#[must_use]
pub fn role_matrix(endpoints: &[(String, String)]) -> String {
    let roles: Vec<_> = BUILT_IN.iter().chain([&OPERATOR]).collect();
    let mut text = format!("{:<50} {:<18}", "endpoint", "permission");
    for role in &roles {
        text.push_str(&format!(" {:<9}", role.name));
    }
    for (method, path) in endpoints {
        let known = |(m, p, _): &&(&str, &str, Need)| m == method && p.replace("{*", "{") == *path;
        let need = TABLE.iter().find(known).map(|(_, _, need)| *need);
        let name = match need {
            None => "MISSING",
            Some(Need::Nothing) => "open",
            Some(Need::Credential) => "any credential",
            Some(Need::Permission(permission)) => permission.as_str(),
        };
        text.truncate(text.trim_end().len());
        text.push_str(&format!("\n{:<50} {name:<18}", format!("{method} {path}")));
        for role in &roles {
            let allowed = match need {
                None => false,
                Some(Need::Nothing | Need::Credential) => true,
                Some(Need::Permission(permission)) => role.permissions.allow(permission),
            };
            text.push_str(&format!(" {:<9}", if allowed { "yes" } else { "-" }));
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
