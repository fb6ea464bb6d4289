/// An endpoint under `/v1`.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path with `{ns}`, `{key}` and the like where a name stands.
    pub path: &'static str,
}

impl Route {
    /// The path in one namespace, for the key `k`, and for a role, an account and the number of an API
    /// key, a webhook or a delivery that are not there.
    #[must_use]
    pub fn path_in(&self, namespace: &str) -> String {
        self.path
            .replace("{ns}", namespace)
            .replace("{key}", "k")
            .replace("{id}", "4000000000")
            .replace("{event}", "4000000000")
            .replace("{role}", "nobody")
            .replace("{account}", "nobody")
    }
}

/// Where a host that is no process of its own has nothing to say.
pub const METRICS: &str = "/metrics";

const fn route(method: &'static str, path: &'static str) -> Route {
    Route { method, path }
}

/// Every endpoint that needs a key.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/namespaces"),
    route("PUT", "/v1/namespaces/{ns}"),
    route("GET", "/v1/namespaces/{ns}"),
    route("DELETE", "/v1/namespaces/{ns}"),
    route("GET", "/v1/namespaces/{ns}/kv"),
    route("PUT", "/v1/namespaces/{ns}/kv/{key}"),
    route("GET", "/v1/namespaces/{ns}/kv/{key}"),
    route("HEAD", "/v1/namespaces/{ns}/kv/{key}"),
    route("DELETE", "/v1/namespaces/{ns}/kv/{key}"),
    route("POST", "/v1/namespaces/{ns}/upsert"),
    route("POST", "/v1/namespaces/{ns}/query"),
    route("POST", "/v1/namespaces/{ns}/fetch"),
    route("POST", "/v1/namespaces/{ns}/update"),
    route("POST", "/v1/namespaces/{ns}/delete"),
    route("POST", "/v1/namespaces/{ns}/batch"),
    route("GET", "/v1/namespaces/{ns}/records"),
    route("GET", "/v1/namespaces/{ns}/export"),
    route("POST", "/v1/namespaces/{ns}/import"),
    route("GET", "/v1/whoami"),
    route("PUT", "/v1/auth/password"),
    route("GET", "/v1/auth/session"),
    route("DELETE", "/v1/auth/session"),
    route("DELETE", "/v1/auth/sessions"),
    route("POST", "/v1/auth/switch"),
    route("POST", "/v1/auth/leave"),
    route("POST", "/v1/auth/totp"),
    route("PUT", "/v1/auth/totp"),
    route("POST", "/v1/auth/totp/remove"),
    route("GET", "/v1/members"),
    route("PATCH", "/v1/members/{id}"),
    route("DELETE", "/v1/members/{id}"),
    route("GET", "/v1/invitations"),
    route("POST", "/v1/invitations"),
    route("DELETE", "/v1/invitations/{id}"),
    route("GET", "/v1/keys"),
    route("POST", "/v1/keys"),
    route("GET", "/v1/keys/{id}"),
    route("PATCH", "/v1/keys/{id}"),
    route("DELETE", "/v1/keys/{id}"),
    route("POST", "/v1/keys/{id}/rotate"),
    route("GET", "/v1/roles"),
    route("PUT", "/v1/roles/{role}"),
    route("DELETE", "/v1/roles/{role}"),
    route("GET", "/v1/audit"),
    route("GET", "/v1/usage"),
    route("GET", "/v1/billing"),
    route("PUT", "/v1/billing"),
    route("GET", "/v1/webhooks"),
    route("POST", "/v1/webhooks"),
    route("GET", "/v1/webhooks/{id}"),
    route("DELETE", "/v1/webhooks/{id}"),
    route("POST", "/v1/webhooks/{id}/rotate"),
    route("POST", "/v1/webhooks/{id}/test"),
    route("GET", "/v1/webhooks/{id}/deliveries"),
    route("POST", "/v1/webhooks/{id}/deliveries/{event}/replay"),
    route("GET", "/v1/accounts"),
    route("POST", "/v1/accounts"),
    route("GET", "/v1/accounts/{account}"),
    route("PATCH", "/v1/accounts/{account}"),
    route("DELETE", "/v1/accounts/{account}"),
    route("POST", "/v1/accounts/{account}/impersonation"),
];

/// Every endpoint below `/v1` that needs none: how people get in.
pub const OPEN_ROUTES: &[Route] = &[
    route("GET", "/v1/auth/methods"),
    route("POST", "/v1/auth/sign-up"),
    route("POST", "/v1/auth/verify"),
    route("POST", "/v1/auth/login"),
    route("POST", "/v1/auth/reset"),
    route("POST", "/v1/auth/password"),
    route("POST", "/v1/auth/accept"),
    route("GET", "/v1/auth/sso"),
    route("GET", "/v1/auth/sso/callback"),
];
