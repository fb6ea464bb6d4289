//! Accounts: what one has, no other sees.

use quartz_conformance::{Api, ROUTES, Route, Tenant, unique};
use serde_json::json;

/// A request that is well formed for its route.
fn call(
    api: &Api,
    route: &Route,
    namespace: &str,
    account: &str,
    key: u64,
) -> quartz_conformance::Call {
    let path = route
        .path
        .replace("{account}", account)
        .replace("{id}", &key.to_string());
    let route = Route {
        path: Box::leak(path.into_boxed_str()),
        ..*route
    };
    let call = api.call(route.method, route.path_in(namespace));
    match (
        route.method,
        route.path.rsplit('/').next().unwrap_or_default(),
    ) {
        ("POST", "upsert") => call.json(&json!({"records": [{"id": "k"}]})),
        ("POST", "query") => call.json(&json!({"id": "k"})),
        ("POST", "fetch" | "delete") => call.json(&json!({"ids": ["k"]})),
        ("POST", "update") => call.json(&json!({"id": "k", "metadata": {"a": 1}})),
        ("POST", "batch") => call.json(&json!({"operations": [{"op": "delete", "id": "k"}]})),
        ("POST", "import") => call.body("application/x-ndjson", "{\"id\":\"k\"}\n"),
        ("POST" | "PUT" | "PATCH", _) => call.json(&json!({})),
        _ => call,
    }
}

#[tokio::test]
async fn two_accounts_share_no_namespace() {
    let (one, two) = (Tenant::new().await, Tenant::new().await);
    let root = Api::from_env();
    let name = unique();
    let path = format!("/v1/namespaces/{name}/kv/k");
    for (api, value) in [(&one.api, "one"), (&two.api, "two"), (&root, "root")] {
        api.get(&path).await.expect(404);
        api.call("PUT", &path)
            .body("text/plain", value)
            .await
            .expect(201);
    }
    for (api, value) in [(&one.api, "one"), (&two.api, "two"), (&root, "root")] {
        assert_eq!(api.get(&path).await.expect(200).body, value.as_bytes());
    }
    for tenant in [&one, &two] {
        let names = tenant.api.namespaces("", 100).await;
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(names[0]["name"], name);
    }
    let path = format!("/v1/namespaces/{name}");
    one.api.call("DELETE", &path).await.expect(204);
    one.api.get(&path).await.problem("namespace_not_found");
    two.api.get(&path).await.expect(200);
    root.get(&path).await.expect(200);
}

#[tokio::test]
async fn no_endpoint_reaches_another_account() {
    let (owner, stranger) = (Tenant::new().await, Tenant::new().await);
    let name = unique();
    let value = format!("/v1/namespaces/{name}/kv/k");
    owner
        .api
        .call("PUT", &value)
        .body("text/plain", "x")
        .await
        .expect(201);
    let before = owner.api.get(format!("/v1/namespaces/{name}")).await.ok();
    let (number, _) = owner.key(&json!({"name": "k", "role": "reader"})).await;
    for route in ROUTES {
        if route.path == "/v1/accounts/{account}" || route.path.contains("{ns}") {
            let answer = call(&stranger.api, route, &name, &owner.account, number).await;
            let creates = ["PUT", "POST"].contains(&route.method);
            let allowed = match creates {
                // In the stranger's own namespace of that name, where the record it puts has no vector to
                // look near.
                true => {
                    let no_vector = route.path.ends_with("/query") && answer.status == 400;
                    [200, 201, 404].contains(&answer.status) || no_vector
                }
                // A key-value DELETE answers the same whether there was a record or not, and a read finds
                // what the stranger has put there.
                false => {
                    [204, 404].contains(&answer.status) || ["GET", "HEAD"].contains(&route.method)
                }
            };
            answer.check_eq(allowed, true, route.path);
            answer.check_eq(answer.body == b"x", false, "the owner's value");
        }
    }
    let describe = owner.api.get(format!("/v1/namespaces/{name}")).await.ok();
    assert_eq!(describe, before, "a stranger changed it");
    assert_eq!(owner.api.get(&value).await.expect(200).body, b"x");
    // An account that is another's is answered as one that is not there.
    for method in ["GET", "DELETE"] {
        let mut answers = Vec::new();
        for account in [owner.account.as_str(), "nobody"] {
            let path = format!("/v1/accounts/{account}");
            let answer = stranger.api.call(method, path).await;
            let body = String::from_utf8_lossy(&answer.body).replace(account, "");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            answers.push((answer.status, body["code"].clone(), body["detail"].clone()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 404);
    }
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let (owner, stranger) = (Tenant::new().await, Tenant::new().await);
    let name = unique();
    let id = &owner.account;
    owner
        .api
        .call("PUT", format!("/v1/namespaces/{name}"))
        .await
        .expect(201);
    for trick in [
        format!("~{id}%2F{name}"),
        format!("~{id}/{name}"),
        format!("%7E{id}%2F{name}"),
        format!("..%2F{id}%2F{name}"),
        format!("../{id}/{name}"),
        format!("{name}%00"),
        format!("{name}/"),
        format!("{name}%2F..%2F{name}"),
    ] {
        for api in [&stranger.api, &Api::from_env()] {
            let answer = api.get(format!("/v1/namespaces/{trick}")).await;
            answer.check_eq([400, 404].contains(&answer.status), true, &trick);
        }
    }
    for prefix in ["~", "%7E", &format!("~{id}%2F"), "/"] {
        let list = Api::from_env()
            .get(format!("/v1/namespaces?prefix={prefix}"))
            .await
            .ok();
        assert_eq!(list["namespaces"], json!([]), "{prefix}");
    }
}

#[tokio::test]
async fn a_closed_account_is_gone() {
    let tenant = Tenant::new().await;
    let name = unique();
    let path = format!("/v1/namespaces/{name}/kv/k");
    tenant
        .api
        .call("PUT", &path)
        .body("text/plain", "x")
        .await
        .expect(201);
    let account = format!("/v1/accounts/{}", tenant.account);
    tenant.api.call("DELETE", &account).await.expect(204);
    tenant
        .api
        .get("/v1/whoami")
        .await
        .problem("api_key_invalid");
    Api::from_env()
        .get(&account)
        .await
        .problem("account_not_found");
}
