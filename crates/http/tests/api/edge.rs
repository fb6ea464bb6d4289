//! What happens around every request.

use axum::body::Body;
use http::Request;
use quartz_api::Limits;
use serde_json::json;

use crate::support::{Api, KEY, Setup, TestHost};

fn bare(method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

#[test]
fn every_data_route_wants_a_key() {
    let api = Api::new();
    for (method, path) in [
        ("GET", "/v1/namespaces"),
        ("GET", "/v1/namespaces/a/kv/k"),
        ("PUT", "/v1/namespaces/a/kv/k"),
        ("POST", "/v1/namespaces/a/query"),
        ("PATCH", "/v1/namespaces/a/query"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1"),
    ] {
        let answer = api.send(bare(method, path)).expect(401);
        assert_eq!(answer.code(), "api_key_missing", "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let mut request = bare(method, path);
        request
            .headers_mut()
            .insert("authorization", "Bearer wrong".parse().unwrap());
        assert_eq!(api.send(request).expect(401).code(), "api_key_invalid");
    }
    let mut request = bare("GET", "/v1/namespaces");
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    api.send(request).expect(200);
}

#[test]
fn public_routes_want_none() {
    let api = Api::new();
    for path in [
        "/livez",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/docs",
        "/docs/docs.js",
    ] {
        api.send(bare("GET", path)).expect(200);
    }
    assert_eq!(
        api.send(bare("GET", "/nothing")).expect(404).code(),
        "route_not_found"
    );
    assert_eq!(
        api.send(bare("GET", "/%761/namespaces")).expect(404).code(),
        "route_not_found"
    );
}

#[test]
fn methods_that_are_not_there() {
    let api = Api::new();
    let answer = api
        .call("PATCH", "/v1/namespaces/a/kv/k", &[], "")
        .expect(405);
    assert_eq!(answer.code(), "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
    assert_eq!(
        api.get("/v1/namespaces/a/upsert")
            .expect(405)
            .header("allow"),
        "POST"
    );
    assert_eq!(api.get("/v1/nothing").expect(404).code(), "route_not_found");
}

#[test]
fn request_ids() {
    let api = Api::new();
    let id = |value: &str| {
        let answer = api.call("GET", "/v1/namespaces/a", &[("x-request-id", value)], "");
        assert_eq!(answer.code(), "namespace_not_found");
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(id("mine.1-2_3"), "mine.1-2_3");
    let made = id("not well formed");
    assert_eq!(made.len(), 32);
    assert_ne!(id(&"x".repeat(129)), made);
}

#[test]
fn deadlines_and_readiness() {
    let host = TestHost {
        late: true,
        ..TestHost::default()
    };
    let api = Api::with(Setup {
        host,
        ..Setup::default()
    });
    // A handler that waits for nothing is done before its deadline is looked at; this one waits.
    let body = Body::from_stream(futures::stream::pending::<
        Result<bytes::Bytes, std::io::Error>,
    >());
    let answer = api
        .call("PUT", "/v1/namespaces/a/kv/k", &[], body)
        .expect(503);
    assert_eq!(answer.code(), "request_timeout");
    assert_eq!(answer.header("retry-after"), "1");

    let host = TestHost {
        not_ready: Some("starting".into()),
        ..TestHost::default()
    };
    let api = Api::with(Setup {
        host,
        ..Setup::default()
    });
    api.get("/livez").expect(200);
    assert_eq!(api.get("/readyz").expect(503).code(), "storage_unavailable");
    assert_eq!(api.get("/healthz").expect(503).json()["detail"], "starting");
}

#[test]
fn only_so_many_at_once() {
    let api = Api::with(Setup {
        concurrent_requests: 1,
        ..Setup::default()
    });
    api.call("PUT", "/v1/namespaces/a/kv/k", &[], "x")
        .expect(201);
    let none = Api::with(Setup {
        concurrent_requests: 0,
        ..Setup::default()
    });
    let answer = none.get("/v1/namespaces").expect(429);
    assert_eq!(answer.code(), "too_many_requests");
    assert_eq!(answer.header("retry-after"), "1");
    none.get("/livez").expect(200);
}

#[test]
fn cors_is_off_until_it_is_on() {
    let preflight = || {
        let mut request = bare("OPTIONS", "/v1/namespaces");
        let headers = request.headers_mut();
        headers.insert("origin", "https://app.example".parse().unwrap());
        headers.insert("access-control-request-method", "PUT".parse().unwrap());
        request
    };
    let answer = Api::new().send(preflight());
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let api = Api::with(Setup {
        cors_origins: vec!["https://app.example"],
        ..Setup::default()
    });
    let answer = api.send(preflight()).expect(200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );
    let answer = api.call(
        "GET",
        "/v1/namespaces",
        &[("origin", "https://app.example")],
        "",
    );
    assert_eq!(
        answer.expect(200).header("access-control-allow-origin"),
        "https://app.example"
    );
    let answer = api.call(
        "GET",
        "/v1/namespaces",
        &[("origin", "https://evil.example")],
        "",
    );
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[test]
fn long_json_answers_are_compressed_on_request() {
    let api = Api::new();
    let records: Vec<_> = (0..100)
        .map(|i| json!({"id": format!("record {i}"), "value": i}))
        .collect();
    api.post("/v1/namespaces/a/upsert", &json!({"records": records}))
        .expect(200);
    let gzip = [("accept-encoding", "gzip")];
    let long = api
        .call("GET", "/v1/namespaces/a/records", &gzip, "")
        .expect(200);
    assert_eq!(long.header("content-encoding"), "gzip");
    let short = api.call("GET", "/v1/namespaces/a", &gzip, "").expect(200);
    assert!(!short.headers.contains_key("content-encoding"));
    api.call("PUT", "/v1/namespaces/a/kv/k", &[], "x".repeat(5_000))
        .expect(201);
    let value = api
        .call("GET", "/v1/namespaces/a/kv/k", &gzip, "")
        .expect(200);
    assert!(!value.headers.contains_key("content-encoding"));
}

#[test]
fn configured_limits_are_named() {
    let limits = Limits {
        top_k: 5,
        value_bytes: 10,
        ..Limits::default()
    };
    let api = Api::with(Setup {
        limits,
        ..Setup::default()
    });
    api.call("PUT", "/v1/namespaces/a/kv/k", &[], "0123456789")
        .expect(201);
    let answer = api
        .call("PUT", "/v1/namespaces/a/kv/k", &[], "0123456789a")
        .expect(400);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("value_bytes = 10")
    );
    let answer = api.post(
        "/v1/namespaces/a/query",
        &json!({"vector": [1], "top_k": 6}),
    );
    assert_eq!(answer.problem(), ("limit_exceeded".into(), "top_k".into()));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("top_k = 5")
    );
}
