//! Keys: who gets in, through which header, and that nothing under `/v1` is open.

use quartz_conformance::{Answer, Api, METRICS, ROUTES, Space, unique};
use serde_json::json;

fn call(api: &Api, route: &quartz_conformance::Route, namespace: &str) -> quartz_conformance::Call {
    let call = api.call(route.method, route.path_in(namespace)).unsigned();
    match route.method {
        "POST" | "PUT" => call.json(&json!({})),
        _ => call,
    }
}

/// A 401 by its body, or by its status where there is no body.
#[track_caller]
fn refused(answer: Answer, method: &str, codes: &[&str]) {
    // RFC 9110, 15.5.2.
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    match method {
        "HEAD" => {
            answer.expect(401);
        }
        _ => {
            answer.problem_among(codes);
        }
    }
}

#[tokio::test]
async fn no_route_opens_without_a_key() {
    let api = Api::from_env();
    let name = unique();
    for route in ROUTES {
        let answer = call(&api, route, &name).await;
        refused(answer, route.method, &["api_key_missing"]);
    }
    let path = format!("/v1/namespaces/{name}");
    api.get(path).await.problem("namespace_not_found");
}

#[tokio::test]
async fn no_route_opens_with_a_wrong_key() {
    let api = Api::from_env();
    let name = unique();
    for route in ROUTES {
        let call = call(&api, route, &name);
        let answer = call.header("authorization", "Bearer qz_wrong").await;
        refused(answer, route.method, &["api_key_invalid"]);
    }
    let path = format!("/v1/namespaces/{name}");
    api.get(path).await.problem("namespace_not_found");
}

#[tokio::test]
async fn a_key_is_asked_for_before_anything_else() {
    let space = Space::new();
    let broken = space.post_text("upsert", "{not json").unsigned();
    broken.await.problem("api_key_missing");
    let large = space.post_text("upsert", " ".repeat(1 << 20)).unsigned();
    large.await.problem("api_key_missing");
    let get = space.api.get("/v1/namespaces/-bad-name").unsigned();
    get.await.problem("api_key_missing");
}

#[tokio::test]
async fn three_headers_carry_the_key() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let key = space.api.key();
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("x-api-key", key.to_owned()),
        ("api-key", key.to_owned()),
    ] {
        let get = space.kv("GET", "k").unsigned().header(name, &value);
        assert_eq!(get.await.expect(200).body, b"x", "{name}");
        let wrong = space.kv("GET", "k").unsigned();
        let wrong = wrong.header(name, format!("{value}x")).await;
        refused(wrong, "GET", &["api_key_invalid"]);
    }
}

#[tokio::test]
async fn keys_that_are_nearly_right() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let key = space.api.key().to_owned();
    assert!(key.starts_with("qz_"));
    let mut last = key.clone().into_bytes();
    let end = last.len() - 1;
    last[end] = if last[end] == b'a' { b'b' } else { b'a' };
    let mut middle = key.clone().into_bytes();
    middle[end / 2] = if middle[end / 2] == b'a' { b'b' } else { b'a' };
    let near: Vec<Vec<u8>> = vec![
        last,
        middle,
        key[..end].into(),
        format!("{key}a").into(),
        format!("{key}{key}").into(),
        key[3..].into(),
        "qz_".into(),
        "qz_root".into(),
        "x".into(),
        "a".repeat(4000).into(),
    ];
    for wrong in near {
        let mut bearer = b"Bearer ".to_vec();
        bearer.extend(&wrong);
        for (name, value) in [("x-api-key", &wrong), ("authorization", &bearer)] {
            let get = space.kv("GET", "k").unsigned().header(name, value);
            refused(get.await, "GET", &["api_key_invalid"]);
        }
    }
}

#[tokio::test]
async fn authorizations_that_hold_no_key() {
    let space = Space::new();
    let key = space.api.key().to_owned();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer é🦀",
        "Basic dXNlcjpwYXNz",
        &format!("Basic {key}"),
        &key,
    ] {
        let get = space.get("").unsigned().header("authorization", value);
        refused(get.await, "GET", &["api_key_missing", "api_key_invalid"]);
    }
    for name in ["x-api-key", "api-key"] {
        let get = space.get("").unsigned().header(name, "");
        refused(get.await, "GET", &["api_key_missing", "api_key_invalid"]);
    }
    let path = space.path(&format!("?api_key={key}"));
    let get = space.api.get(path).unsigned();
    refused(get.await, "GET", &["api_key_missing"]);
}

#[tokio::test]
async fn no_answer_repeats_a_key() {
    let space = Space::new();
    let key = space.api.key().to_owned();
    let wrong = format!("{key}x");
    for call in [
        space.get("").unsigned().header("x-api-key", &wrong),
        space.get("").unsigned().header("authorization", &key),
        space.get(""),
    ] {
        let answer = call.await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!body.contains(&key), "the key stands in the answer");
    }
}

#[tokio::test]
async fn open_paths_need_no_key() {
    let api = Api::from_env();
    for path in [
        "/livez",
        "/readyz",
        "/healthz",
        METRICS,
        "/openapi.json",
        "/docs",
    ] {
        let wrong = api.get(path).unsigned().header("x-api-key", "qz_wrong");
        for answer in [api.get(path).unsigned().await, wrong.await] {
            if path == METRICS && answer.status == 404 {
                answer.problem("route_not_found");
            } else {
                answer.expect(200);
            }
        }
    }
}
