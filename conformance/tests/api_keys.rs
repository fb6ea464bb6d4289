//! API keys and roles: made, limited, rotated, revoked, and never more than their maker.

use std::time::Duration;

use quartz_conformance::{Answer, Api, Call, Tenant};
use serde_json::json;

async fn whoami(api: &Api) -> u16 {
    api.get("/v1/whoami").await.status
}

#[tokio::test]
async fn a_key_is_made_rotated_and_revoked() {
    let tenant = Tenant::new().await;
    let (id, api) = tenant.key(&json!({"name": "k", "role": "developer"})).await;
    let who = api.get("/v1/whoami").await.ok();
    assert_eq!(who["account"], json!(tenant.account));
    assert_eq!(who["role"], "developer");
    assert!(api.key().starts_with(&format!("qz_{}_", tenant.account)));
    let path = format!("/v1/keys/{id}");
    let shown = tenant.api.get(&path).await.ok();
    assert!(api.key().ends_with(shown["hint"].as_str().unwrap()));
    assert!(shown["last_used_at"].is_u64());
    let rotate = tenant.post(&format!("{path}/rotate"), &json!({"grace_seconds": 60}));
    let rotated = rotate.await.ok();
    let rotated = api.with_key(rotated["key"].as_str().unwrap());
    assert_eq!((whoami(&api).await, whoami(&rotated).await), (200, 200));
    let rotate = tenant.post(&format!("{path}/rotate"), &json!({}));
    let last = rotate.await.ok();
    let last = api.with_key(last["key"].as_str().unwrap());
    assert_eq!((whoami(&rotated).await, whoami(&last).await), (401, 200));
    tenant.api.call("DELETE", &path).await.expect(204);
    assert_eq!(whoami(&last).await, 401);
    tenant.api.get(&path).await.problem("api_key_not_found");
}

#[tokio::test]
async fn limits_of_a_key_hold() {
    let tenant = Tenant::new().await;
    let new = json!({"name": "k", "role": "developer", "prefixes": ["app-"]});
    let (_, api) = tenant.key(&new).await;
    api.call("PUT", "/v1/namespaces/app-1").await.expect(201);
    api.call("PUT", "/v1/namespaces/other")
        .await
        .problem("permission_denied");
    let new = json!({"name": "k", "role": "reader", "addresses": ["192.0.2.0/24"]});
    let (_, far) = tenant.key(&new).await;
    far.get("/v1/whoami").await.problem("permission_denied");
    let new = json!({"name": "k", "role": "reader", "expires_at": 1});
    let (_, old) = tenant.key(&new).await;
    old.get("/v1/whoami").await.problem("api_key_expired");
}

#[tokio::test]
async fn denials_name_the_permission() {
    let tenant = Tenant::new().await;
    let (_, reader) = tenant.key(&json!({"name": "k", "role": "reader"})).await;
    let put = reader
        .call("PUT", "/v1/namespaces/n/kv/k")
        .body("text/plain", "x");
    let denied = put.await.problem("permission_denied");
    assert!(denied.detail.contains("records:write"), "{}", denied.detail);
    let denied = reader.get("/v1/keys").await.problem("permission_denied");
    assert!(denied.detail.contains("keys:read"), "{}", denied.detail);
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let tenant = Tenant::new().await;
    let role = json!({"permissions": ["keys:write", "keys:read", "roles:write", "records:read"]});
    let put = tenant.api.call("PUT", "/v1/roles/clerk").json(&role);
    put.await.expect(201);
    let new = json!({"name": "k", "role": "clerk", "prefixes": ["app-"]});
    let (_, clerk) = tenant.key(&new).await;
    for body in [
        json!({"name": "up", "role": "owner"}),
        json!({"name": "up", "role": "developer"}),
        json!({"name": "wide", "role": "clerk", "prefixes": ["a"]}),
    ] {
        let create = clerk.call("POST", "/v1/keys").json(&body);
        create.await.problem("permission_denied");
    }
    // Nor by a role of one's own, nor by widening the role one has, nor by taking an owner's key over.
    for name in ["mine", "clerk"] {
        let role = json!({"permissions": ["records:write"]});
        let put = clerk.call("PUT", format!("/v1/roles/{name}")).json(&role);
        put.await.problem("permission_denied");
    }
    let rotate = clerk.call("POST", "/v1/keys/1/rotate").json(&json!({}));
    rotate.await.problem("permission_denied");
    for role in ["operator", "root"] {
        let create = clerk
            .call("POST", "/v1/keys")
            .json(&json!({"name": "x", "role": role}));
        create.await.problem("role_not_found");
    }
    let create = clerk
        .call("POST", "/v1/keys")
        .json(&json!({"name": "x", "role": "clerk"}));
    let made = create.await.expect(201).json();
    assert_eq!(
        made["prefixes"],
        json!(["app-"]),
        "what is not said is inherited"
    );
}

/// The answer with this status, which a change of a key brings about everywhere in at most that time.
async fn within_five_seconds(call: impl Fn() -> Call, status: u16) -> Answer {
    for _ in 0..50 {
        let answer = call().await;
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    call().await
}

#[tokio::test]
async fn a_role_changes_with_its_keys() {
    let tenant = Tenant::new().await;
    let put = |permissions: serde_json::Value| {
        let body = json!({"permissions": permissions});
        tenant.api.call("PUT", "/v1/roles/loader").json(&body)
    };
    put(json!(["records:write"])).await.expect(201);
    let (id, loader) = tenant.key(&json!({"name": "k", "role": "loader"})).await;
    let write = || {
        loader
            .call("PUT", "/v1/namespaces/n/kv/k")
            .body("text/plain", "x")
    };
    write().await.expect(201);
    put(json!(["records:read"])).await.expect(200);
    within_five_seconds(write, 403)
        .await
        .problem("permission_denied");
    let delete = || tenant.api.call("DELETE", "/v1/roles/loader");
    delete().await.problem("conflict");
    tenant
        .api
        .call("DELETE", format!("/v1/keys/{id}"))
        .await
        .expect(204);
    within_five_seconds(write, 401)
        .await
        .problem("api_key_invalid");
    delete().await.expect(204);
    delete().await.problem("role_not_found");
}
