//! Scoped tokens through the router: one namespace, one filter, for a while, and nothing beside.

use quartz_service::token::{Scope, make};
use serde_json::{Value, json};

use crate::{
    accounts::{Tenant, call},
    support::Api,
};

/// Seconds of the tests' clock when they begin.
const NOW: u64 = 1_000;

struct World {
    tenant: Tenant,
    /// Text and number of the key that signs.
    key: (String, u32),
}

impl World {
    fn new() -> Self {
        let tenant = Tenant::of(&Api::new(), "Acme");
        let new = json!({"name": "signer", "role": "developer"});
        let issued = tenant.call("POST", "/v1/keys", &new).expect(201).json();
        let key = issued["key"].as_str().unwrap().to_owned();
        let number = issued["id"].as_u64().unwrap() as u32;
        let records = json!({"records": [
            {"id": "mine", "vector": [1.0, 0.0], "metadata": {"user": 7, "lang": "en"}},
            {"id": "mine too", "vector": [0.9, 0.1], "metadata": {"user": 7, "lang": "fr"}},
            {"id": "theirs", "vector": [1.0, 0.0], "metadata": {"user": 8, "lang": "en"}},
        ]});
        for namespace in ["docs", "docs2"] {
            let path = format!("/v1/namespaces/{namespace}/upsert");
            tenant.call("POST", &path, &records).expect(200);
        }
        Self {
            tenant,
            key: (key, number),
        }
    }

    fn token(&self, ends_at: u64, namespace: &str, filter: &str) -> String {
        let scope = Scope {
            namespace: namespace.into(),
            filter: filter.into(),
        };
        make(&self.key.0, self.key.1, ends_at, &scope).unwrap()
    }

    fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> crate::support::Answer {
        call(&self.tenant.api, token, method, path, body)
    }

    fn found(&self, token: &str, query: &Value) -> Vec<String> {
        let answer = self
            .call(token, "POST", "/v1/namespaces/docs/query", query)
            .ok();
        let matches = answer["matches"].as_array().unwrap();
        matches
            .iter()
            .map(|found| found["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn a_token_reads_one_namespace() {
    let world = World::new();
    let token = world.token(NOW + 60, "docs", "");
    let get = |path: &str| world.call(&token, "GET", path, &Value::Null);
    get("/v1/namespaces/docs").expect(200);
    assert_eq!(
        get("/v1/namespaces").ok()["namespaces"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    get("/v1/namespaces/docs/records").expect(200);
    assert_eq!(world.found(&token, &json!({"vector": [1.0, 0.0]})).len(), 3);
    assert_eq!(
        get("/v1/namespaces/docs2").expect(403).code(),
        "permission_denied"
    );
    for (method, path) in [
        ("PUT", "/v1/namespaces/docs/kv/k"),
        ("POST", "/v1/namespaces/docs/delete"),
        ("DELETE", "/v1/namespaces/docs"),
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("GET", "/v1/usage"),
        ("GET", "/v1/audit"),
    ] {
        let denied = world.call(&token, method, path, &Value::Null).expect(403);
        assert_eq!(denied.code(), "permission_denied", "{method} {path}");
    }
}

#[test]
fn no_request_widens_a_filter() {
    let world = World::new();
    let token = world.token(NOW + 60, "docs", r#"{"user": 7}"#);
    let all = json!({"vector": [1.0, 0.0], "top_k": 10});
    assert_eq!(world.found(&token, &all), ["mine", "mine too"]);
    for filter in [
        json!({"user": 8}),
        json!({"$or": [{"user": 7}, {"user": 8}]}),
        json!({"$not": {"user": 7}}),
        json!({"user": {"$exists": true}}),
        json!({}),
    ] {
        let found = world.found(&token, &json!({"vector": [1.0, 0.0], "filter": filter}));
        assert!(!found.contains(&"theirs".to_owned()), "{filter}");
    }
    let narrower = json!({"vector": [1.0, 0.0], "filter": {"lang": "fr"}});
    assert_eq!(world.found(&token, &narrower), ["mine too"]);
    // What the filter does not hold back is closed.
    let by_id = json!({"id": "theirs"});
    world
        .call(&token, "POST", "/v1/namespaces/docs/query", &by_id)
        .expect(403);
    for (method, path, body) in [
        ("GET", "/v1/namespaces/docs/kv/theirs", Value::Null),
        ("GET", "/v1/namespaces/docs/records", Value::Null),
        ("GET", "/v1/namespaces/docs/export", Value::Null),
        ("GET", "/v1/namespaces/docs", Value::Null),
        (
            "POST",
            "/v1/namespaces/docs/fetch",
            json!({"ids": ["theirs"]}),
        ),
    ] {
        world.call(&token, method, path, &body).expect(403);
    }
    let broken = world.token(NOW + 60, "docs", r#"{"$nope": 1}"#);
    let answer = world
        .call(&broken, "POST", "/v1/namespaces/docs/query", &all)
        .expect(400);
    assert_eq!(answer.code(), "filter_invalid");
}

#[test]
fn a_token_ends_with_its_time_and_its_key() {
    let world = World::new();
    let status = |token: &str| {
        world
            .call(token, "GET", "/v1/whoami", &Value::Null)
            .status
            .as_u16()
    };
    let token = world.token(NOW + 60, "docs", "");
    assert_eq!(status(&token), 200);
    assert_eq!(status(&world.token(NOW + 86_401, "docs", "")), 401);
    let mut forged = token.clone();
    forged.replace_range(token.len() - 3..token.len() - 2, "A");
    assert_eq!(status(&forged), 401);
    let unsigned = token[..token.rfind('.').unwrap() + 1].to_owned();
    assert_eq!(status(&unsigned), 401);
    // A key signs for itself only: the number of another key does not fit.
    let scope = Scope {
        namespace: "docs".into(),
        filter: "".into(),
    };
    let other = make(&world.key.0, 1, NOW + 60, &scope).unwrap();
    assert_eq!(status(&other), 401);
    world.tenant.api.advance(60_000);
    assert_eq!(status(&token), 401);
    let token = world.token(NOW + 120, "docs", "");
    assert_eq!(status(&token), 200);
    let path = format!("/v1/keys/{}", world.key.1);
    world.tenant.call("DELETE", &path, &Value::Null).expect(204);
    assert_eq!(status(&token), 401);
}
