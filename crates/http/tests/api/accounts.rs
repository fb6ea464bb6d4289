//! Accounts, keys and roles through the router: who gets in, what they may do, whose data it is.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::{
    access::endpoints,
    support::{Answer, Api, KEY},
};

/// An API with another account's owner.
pub(crate) struct Tenant {
    pub(crate) api: Api,
    pub(crate) account: String,
    key: String,
}

impl Tenant {
    pub(crate) fn of(api: &Api, name: &str) -> Self {
        let created = api
            .post("/v1/accounts", &json!({"name": name}))
            .expect(201)
            .json();
        Self {
            api: api.clone(),
            account: text(&created["account"]["id"]),
            key: text(&created["key"]["key"]),
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        call(&self.api, &self.key, method, path, body)
    }

    /// The text of the owner's key.
    pub(crate) fn text(&self) -> &str {
        &self.key
    }

    /// The text of a new key.
    pub(crate) fn key(&self, new: &Value) -> String {
        text(&self.call("POST", "/v1/keys", new).expect(201).json()["key"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn call(api: &Api, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("authorization", format!("Bearer {key}"));
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header("content-type", "application/json");
        Body::from(body.to_string())
    };
    api.send(request.body(body).unwrap())
}

#[test]
fn roles_open_what_the_matrix_says() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    let matrix = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/role_matrix.txt"
    ))
    .unwrap();
    let roles: Vec<_> = matrix
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(2)
        .collect();
    let mut checked = 0;
    for role in roles {
        let key = match role {
            "operator" => KEY.to_owned(),
            role => tenant.key(&json!({"name": role, "role": role})),
        };
        let column = matrix
            .lines()
            .next()
            .unwrap()
            .find(&format!(" {role}"))
            .unwrap()
            + 1;
        for (method, path) in endpoints() {
            let line = matrix
                .lines()
                .find(|line| line.starts_with(&format!("{method} {path} ")))
                .unwrap();
            let allowed = line[column..].starts_with("yes");
            // Paths that name nothing, so that what is allowed changes nothing.
            let path = path
                .replace("{ns}", "none")
                .replace("{key}", "k")
                .replace("{id}", "4000000000")
                .replace("{event}", "4000000000")
                .replace("{role}", "owner")
                .replace("{account}", "nobody");
            let answer = call(&api, &key, &method, &path, &Value::Null);
            assert_eq!(
                answer.status == 403,
                !allowed,
                "{role} {method} {path}: {}",
                answer.status
            );
            if !allowed && method != "HEAD" {
                assert_eq!(answer.code(), "permission_denied");
                let permission = line[50..].split_whitespace().next().unwrap();
                let detail = text(&answer.json()["detail"]);
                assert!(
                    detail.contains(permission),
                    "{detail} does not name {permission}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn accounts_do_not_see_each_other() {
    let api = Api::new();
    let (one, two) = (Tenant::of(&api, "One"), Tenant::of(&api, "Two"));
    let path = "/v1/namespaces/same/kv/k";
    one.call("PUT", path, &json!("one's")).expect(201);
    two.call("GET", path, &Value::Null).expect(404);
    two.call("PUT", path, &json!("two's")).expect(201);
    api.call("PUT", path, &[], "root's").expect(201);
    assert_eq!(
        one.call("GET", path, &Value::Null).expect(200).body,
        "\"one's\""
    );
    assert_eq!(api.get(path).expect(200).body, "root's");

    let names = |list: &Value| -> Vec<String> {
        list["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| text(&entry["name"]))
            .collect()
    };
    let list = "/v1/namespaces";
    assert_eq!(names(&one.call("GET", list, &Value::Null).ok()), ["same"]);
    assert_eq!(names(&api.get(list).ok()), ["same"]);
    for prefix in ["~", "~/", "%7E", "/"] {
        let list = api
            .get(&format!("/v1/namespaces?prefix={prefix}{}", one.account))
            .ok();
        assert_eq!(names(&list), [""; 0], "{prefix}");
    }
    // A name that would lead into another account is no name.
    for name in [
        format!("~{}%2Fsame", one.account),
        format!("~{}/same", one.account),
    ] {
        let answer = api.get(&format!("/v1/namespaces/{name}"));
        assert!([400, 404].contains(&answer.status.as_u16()), "{name}");
    }
    let describe = one.call("GET", "/v1/namespaces/same", &Value::Null).ok();
    assert_eq!(describe["name"], "same");
    let missing = one
        .call("GET", "/v1/namespaces/none", &Value::Null)
        .expect(404);
    assert!(!missing.json()["detail"].as_str().unwrap().contains('~'));

    // The account itself: another's is not told from none.
    for (method, body) in [
        ("GET", Value::Null),
        ("PATCH", json!({"name": "x"})),
        ("DELETE", Value::Null),
    ] {
        let others = one
            .call(method, &format!("/v1/accounts/{}", two.account), &body)
            .expect(404);
        let none = one.call(method, "/v1/accounts/nobody", &body).expect(404);
        assert_eq!(others.code(), "account_not_found");
        assert_eq!(none.code(), "account_not_found");
    }
    one.call("DELETE", "/v1/namespaces/same", &Value::Null)
        .expect(204);
    assert_eq!(
        two.call("GET", path, &Value::Null).expect(200).body,
        "\"two's\""
    );
}

#[test]
fn keys_reach_their_namespaces_only() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    for name in ["app-1", "app-2", "b", "other"] {
        tenant
            .call("PUT", &format!("/v1/namespaces/{name}"), &Value::Null)
            .expect(201);
    }
    let key = tenant.key(&json!({"name": "k", "role": "developer", "prefixes": ["b", "app-"]}));
    let get = |path: &str| call(&api, &key, "GET", path, &Value::Null);
    get("/v1/namespaces/app-1").expect(200);
    for name in ["other", "nowhere"] {
        let denied = get(&format!("/v1/namespaces/{name}")).expect(403);
        assert_eq!(
            denied.problem(),
            ("permission_denied".into(), "namespace".into())
        );
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&format!("/v1/namespaces?limit=1{cursor}")).ok();
        names.extend(
            page["namespaces"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| text(&n["name"])),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["app-1", "app-2", "b"]);
}

#[test]
fn the_life_of_a_key() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    let issued = tenant
        .call("POST", "/v1/keys", &json!({"name": "k", "role": "admin"}))
        .expect(201)
        .json();
    let (id, key) = (issued["id"].as_u64().unwrap(), text(&issued["key"]));
    let whoami = call(&api, &key, "GET", "/v1/whoami", &Value::Null).ok();
    assert_eq!(
        (&whoami["account"], &whoami["key"]),
        (&json!(tenant.account), &json!(id))
    );
    assert_eq!(whoami["role"], "admin");
    // Escalation is refused with the permission named.
    let owner = json!({"name": "up", "role": "owner"});
    let denied = call(&api, &key, "POST", "/v1/keys", &owner).expect(403);
    assert!(text(&denied.json()["detail"]).contains("account:close"));

    let rotated = tenant.call(
        "POST",
        &format!("/v1/keys/{id}/rotate"),
        &json!({"grace_seconds": 60}),
    );
    let rotated = rotated.expect(200).json();
    for key in [&key, &text(&rotated["key"])] {
        call(&api, key, "GET", "/v1/whoami", &Value::Null).expect(200);
    }
    tenant
        .call("DELETE", &format!("/v1/keys/{id}"), &Value::Null)
        .expect(204);
    for key in [&key, &text(&rotated["key"])] {
        let gone = call(&api, key, "GET", "/v1/whoami", &Value::Null).expect(401);
        assert_eq!(gone.code(), "api_key_invalid");
    }
    let list = tenant.call("GET", "/v1/keys", &Value::Null).ok();
    assert_eq!(list["keys"].as_array().unwrap().len(), 1);
    assert!(
        !list.to_string().contains(&tenant.key[10..]),
        "a key's text is in the list"
    );

    let log = tenant.call("GET", "/v1/audit?limit=2", &Value::Null).ok();
    assert_eq!(log["entries"][0]["action"], "account.create");
    let next = text(&log["next_cursor"]);
    let log = tenant
        .call("GET", &format!("/v1/audit?cursor={next}"), &Value::Null)
        .ok();
    let actions: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| text(&e["action"]))
        .collect();
    assert_eq!(
        actions,
        ["key.create", "key.rotate", "key.revoke", "POST /v1/keys"]
    );
    assert!(
        !log.to_string().contains(&key[10..]),
        "a key's text is in the log"
    );
}

#[test]
fn faults_in_keys_and_roles_have_a_place() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    let problem =
        |path: &str, method: &str, body: Value| tenant.call(method, path, &body).problem();
    let keys = |body: Value| problem("/v1/keys", "POST", body);
    let invalid = |path: &str| ("invalid_request".to_owned(), path.to_owned());
    let base = |more: Value| {
        let mut base = json!({"name": "k", "role": "reader"});
        base.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        base
    };
    assert_eq!(keys(base(json!({"name": ""}))), invalid("name"));
    assert_eq!(keys(base(json!({"name": "a\u{7}"}))), invalid("name"));
    assert_eq!(
        keys(base(json!({"name": "x".repeat(129)}))),
        ("limit_exceeded".into(), "name".into())
    );
    tenant
        .call("POST", "/v1/keys", &base(json!({"name": "x".repeat(128)})))
        .expect(201);
    assert_eq!(keys(base(json!({"role": "none"}))).0, "role_not_found");
    assert_eq!(
        keys(base(json!({"prefixes": ["a/"]}))),
        invalid("prefixes[0]")
    );
    assert_eq!(
        keys(base(json!({"addresses": ["10.0.0.0/8", "x"]}))),
        invalid("addresses[1]")
    );
    let many: Vec<_> = (0..101).map(|i| format!("p{i}")).collect();
    assert_eq!(
        keys(base(json!({"prefixes": many}))),
        ("limit_exceeded".into(), "prefixes".into())
    );
    assert_eq!(problem("/v1/keys/x", "GET", Value::Null), invalid("id"));
    assert_eq!(
        problem("/v1/keys/77", "GET", Value::Null).0,
        "api_key_not_found"
    );
    let grace = json!({"grace_seconds": 30 * 24 * 3600 + 1});
    assert_eq!(
        problem("/v1/keys/1/rotate", "POST", grace),
        ("limit_exceeded".into(), "grace_seconds".into())
    );
    let role = json!({"permissions": ["records:read", "fly"]});
    assert_eq!(
        problem("/v1/roles/r", "PUT", role),
        invalid("permissions[1]")
    );
    let role = json!({"permissions": ["operate"]});
    assert_eq!(problem("/v1/roles/r", "PUT", role).0, "permission_denied");
    assert_eq!(
        problem("/v1/roles/R", "PUT", json!({"permissions": []})),
        invalid("role")
    );
    assert_eq!(
        problem("/v1/roles/owner", "PUT", json!({"permissions": []})).0,
        "conflict"
    );
    assert_eq!(
        problem("/v1/roles/none", "DELETE", Value::Null).0,
        "role_not_found"
    );
}

#[test]
fn an_account_is_suspended_and_closed() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    let path = format!("/v1/accounts/{}", tenant.account);
    tenant
        .call("PUT", "/v1/namespaces/ns/kv/k", &json!(1))
        .expect(201);
    let renamed = tenant.call("PATCH", &path, &json!({"name": "Acme 2"})).ok();
    assert_eq!(renamed["name"], "Acme 2");
    let suspend = json!({"suspended": "unpaid"});
    tenant.call("PATCH", &path, &suspend).expect(403);
    call(&api, KEY, "PATCH", &path, &suspend).expect(200);
    let out = tenant.call("GET", "/v1/whoami", &Value::Null).expect(403);
    assert_eq!(out.code(), "account_suspended");
    call(&api, KEY, "PATCH", &path, &json!({"suspended": ""})).expect(200);
    tenant.call("DELETE", &path, &Value::Null).expect(204);
    assert_eq!(
        tenant
            .call("GET", "/v1/whoami", &Value::Null)
            .expect(401)
            .code(),
        "api_key_invalid"
    );
    api.get(&path).expect(404);
    let accounts = api.get("/v1/accounts").ok();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(
        api.call("DELETE", "/v1/accounts/root", &[], "")
            .expect(409)
            .code(),
        "conflict"
    );
}

#[test]
fn denials_are_in_the_log() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    let reader = tenant.key(&json!({"name": "r", "role": "reader", "prefixes": ["a"]}));
    call(&api, &reader, "GET", "/v1/keys", &Value::Null).expect(403);
    call(&api, &reader, "GET", "/v1/namespaces/b", &Value::Null).expect(403);
    let mut entries = tenant.call("GET", "/v1/audit", &Value::Null).ok()["entries"].clone();
    let entries = entries.as_array_mut().unwrap();
    let last: Vec<_> = entries
        .iter()
        .rev()
        .take(2)
        .map(|e| (text(&e["action"]), text(&e["outcome"])))
        .collect();
    let denied = || "permission_denied".to_owned();
    assert_eq!(
        last,
        [
            ("GET /v1/namespaces/{ns}".to_owned(), denied()),
            ("GET /v1/keys".to_owned(), denied()),
        ]
    );
    // A flood is counted, not kept.
    for _ in 0..100 {
        call(&api, &reader, "GET", "/v1/keys", &Value::Null).expect(403);
    }
    let log = tenant
        .call("GET", "/v1/audit?limit=1000", &Value::Null)
        .ok();
    let entries = log["entries"].as_array().unwrap();
    let last = entries.last().unwrap();
    assert_eq!(last["action"], "denials.dropped");
    assert!(text(&last["detail"]).starts_with("36 more"), "{last}");
    assert_eq!(log["head_sequence"], entries.len());
}

#[test]
fn no_header_makes_a_principal() {
    let api = Api::new();
    for name in [
        "quartz-principal",
        "x-quartz-grant",
        "x-forwarded-user",
        "quartz-account",
    ] {
        let mut request = Request::builder()
            .uri("/v1/whoami")
            .body(Body::empty())
            .unwrap();
        request.headers_mut().insert(name, "root".parse().unwrap());
        api.send(request).expect(401);
    }
}

#[test]
fn an_operator_looks_into_an_account_in_its_sight() {
    let api = Api::new();
    let tenant = Tenant::of(&api, "Acme");
    tenant
        .call("PUT", "/v1/namespaces/n/kv/k", &json!(1))
        .expect(201);
    let path = format!("/v1/accounts/{}/impersonation", tenant.account);
    let wanted = json!({"reason": "ticket 7", "minutes": 15});
    let issued = api.post(&path, &wanted).expect(201).json();
    assert_eq!(issued["expires_at"], 1_000_000 + 15 * 60_000);
    let key = text(&issued["key"]);
    let by_operator = |method: &str, path: &str, body: &Value| call(&api, &key, method, path, body);
    for path in [
        "/v1/namespaces/n/kv/k",
        "/v1/keys",
        "/v1/billing",
        "/v1/audit",
    ] {
        by_operator("GET", path, &Value::Null).expect(200);
    }
    let new = json!({"name": "k", "role": "auditor"});
    for (method, path, body) in [
        ("PUT", "/v1/namespaces/n/kv/k", &json!(2)),
        ("DELETE", "/v1/namespaces/n", &Value::Null),
        ("POST", "/v1/keys", &new),
        ("PUT", "/v1/billing", &json!({})),
    ] {
        let answer = by_operator(method, path, body).expect(403);
        assert_eq!(answer.code(), "permission_denied", "{method} {path}");
    }
    // The account sees it and may end it.
    let keys = tenant.call("GET", "/v1/keys", &Value::Null).ok();
    assert_eq!(
        (&keys["keys"][1]["name"], &keys["keys"][1]["role"]),
        (&json!("operator"), &json!("auditor"))
    );
    let log = tenant
        .call("GET", "/v1/audit", &Value::Null)
        .ok()
        .to_string();
    assert!(
        log.contains("account.impersonate") && log.contains("ticket 7"),
        "{log}"
    );
    let own = format!("/v1/keys/{}", issued["id"]);
    tenant.call("DELETE", &own, &Value::Null).expect(204);
    by_operator("GET", "/v1/whoami", &Value::Null).expect(401);
    // Nobody else does it, not for long, and not without a reason.
    let answer = tenant.call("POST", &path, &wanted).expect(403);
    assert_eq!(answer.code(), "permission_denied");
    for (body, code) in [
        (json!({"reason": "r", "minutes": 0}), "invalid_request"),
        (json!({"reason": "r", "minutes": 61}), "limit_exceeded"),
        (json!({"reason": "", "minutes": 1}), "invalid_request"),
        (json!({"reason": "a\nb", "minutes": 1}), "invalid_request"),
    ] {
        assert_eq!(api.post(&path, &body).expect(400).code(), code, "{body}");
    }
    let nowhere = api.post("/v1/accounts/nobody/impersonation", &wanted);
    assert_eq!(nowhere.expect(404).code(), "account_not_found");
}
