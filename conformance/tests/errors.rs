//! What every error looks like, and the errors of the frame: paths, methods, bodies.

use quartz_conformance::{OPEN_ROUTES, ROUTES, Route, Space};
use serde_json::{Value, json};

const POSTS: [&str; 6] = ["upsert", "query", "fetch", "update", "delete", "batch"];

#[tokio::test]
async fn unknown_paths() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for path in [
        "/v1".to_owned(),
        "/v1/".to_owned(),
        "/v1/nothing".to_owned(),
        "/v2/namespaces".to_owned(),
        "/nothing".to_owned(),
        space.path("/nothing"),
        space.path("/upsert/more"),
        space.path("/records/k"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = space.api.call(method, path.clone()).await;
            answer.problem("route_not_found");
        }
    }
}

#[tokio::test]
async fn wrong_methods() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let all = || ROUTES.iter().chain(OPEN_ROUTES);
    let mut paths: Vec<_> = all().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let served: Vec<_> = all()
            .filter(|route| route.path == path)
            .map(|route| route.method)
            .collect();
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if served.contains(&method) {
                continue;
            }
            let route = Route { method: "", path };
            let mut call = space.api.call(method, route.path_in(&space.name));
            if method != "GET" {
                call = call.json(&json!({}));
            }
            let problem = call.await.problem("method_not_allowed");
            // RFC 9110, 15.5.6.
            let allow = problem.answer.header("allow");
            for method in &served {
                problem
                    .answer
                    .check(allow.contains(method), format_args!("Allow names {method}"));
            }
        }
    }
    for path in ["/livez", "/readyz", "/healthz", "/openapi.json", "/docs"] {
        let answer = space.api.call("POST", path).await;
        answer.problem("method_not_allowed");
    }
    assert_eq!(space.kv("GET", "k").await.body, b"x");
}

#[tokio::test]
async fn bodies_that_are_not_json() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let bodies: [&[u8]; 14] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"{}{}",
        b"{\"ids\":[\"a\"]} x",
        b"{'ids':['a']}",
        b"{\"ids\":[\"a\"],}",
        b"\xff\xfe",
        b"{\"ids\":[\"\xff\"]}",
        b"{\"ids\":[\"\\ud800\"]}",
        b"\xef\xbb\xbf{\"ids\":[\"a\"]}",
        b"NaN",
        b"ids=a",
    ];
    for endpoint in POSTS {
        for body in bodies {
            let answer = space.post_text(endpoint, body).await;
            answer.problem("invalid_request");
        }
    }
    let fresh = space.sibling();
    let call = fresh.api.call("PUT", fresh.path(""));
    call.body("application/json", "{\"dimension\"")
        .await
        .problem("invalid_request");
}

#[tokio::test]
async fn bodies_of_the_wrong_shape() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for endpoint in POSTS {
        for body in [json!([]), json!("x"), json!(1), json!(null), json!(true)] {
            let answer = space.post(endpoint, &body).await;
            answer.problem("invalid_request");
        }
    }
    for (endpoint, body, place) in [
        ("upsert", json!({"records": {}}), "records"),
        ("upsert", json!({"records": "x"}), "records"),
        ("upsert", json!({"records": [1]}), "records[0]"),
        (
            "upsert",
            json!({"records": [{"id": "a"}, {"id": "b", "ttl": "x"}]}),
            "records[1].ttl",
        ),
        (
            "upsert",
            json!({"records": [{"id": "a", "text": 1}]}),
            "records[0].text",
        ),
        (
            "upsert",
            json!({"records": [{"id": "a", "if_version": "1"}]}),
            "records[0].if_version",
        ),
        (
            "upsert",
            json!({"records": [{"id": "a", "if_absent": 1}]}),
            "records[0].if_absent",
        ),
        ("query", json!({"vector": [1], "top_k": "x"}), "top_k"),
        ("query", json!({"vector": [1], "exact": 1}), "exact"),
        ("query", json!({"vector": [1], "recall": "high"}), "recall"),
        ("query", json!({"vector": [1], "recall": 0.5}), "recall"),
        ("query", json!({"vector": [1], "recall": 1}), "recall"),
        ("query", json!({"vector": [1], "probes": 0}), "probes"),
        ("query", json!({"vector": [1], "explain": 1}), "explain"),
        (
            "query",
            json!({"vector": [1], "include": "vector"}),
            "include",
        ),
        ("fetch", json!({"ids": "a"}), "ids"),
        ("fetch", json!({"ids": ["a", 1]}), "ids[1]"),
        ("update", json!({"id": 1}), "id"),
        ("update", json!({"id": "a", "metadata": []}), "metadata"),
        ("delete", json!({"ids": {}}), "ids"),
        ("delete", json!({"all": true, "dry_run": "no"}), "dry_run"),
        ("batch", json!({"operations": {}}), "operations"),
        (
            "batch",
            json!({"operations": [{"op": "check", "id": "a"}, 7]}),
            "operations[1]",
        ),
        (
            "batch",
            json!({"operations": [{"op": 1, "id": "a"}]}),
            "operations[0].op",
        ),
    ] {
        space
            .post(endpoint, &body)
            .await
            .problem("invalid_request")
            .at(place);
    }
    for (endpoint, body) in [
        ("upsert", json!({})),
        ("fetch", json!({})),
        ("batch", json!({})),
    ] {
        space.post(endpoint, &body).await.problem("invalid_request");
    }
}

#[tokio::test]
async fn unknown_fields_never_pass_silently() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for (endpoint, body) in [
        ("upsert", json!({"records": [{"id": "a"}], "conditon": {}})),
        ("upsert", json!({"records": [{"id": "a", "vectr": [1]}]})),
        ("upsert", json!({"records": [{"id": "a", "Value": 1}]})),
        ("upsert", json!({"records": [{"id": "a", "version": 1}]})),
        ("query", json!({"vector": [1], "topK": 3})),
        ("fetch", json!({"ids": ["k"], "includes": []})),
        ("update", json!({"id": "k", "meta": {}})),
        ("delete", json!({"ids": ["k"], "dryrun": true})),
        ("delete", json!({"all": true, "filters": {}})),
        ("batch", json!({"operations": [], "atomic": true})),
        (
            "batch",
            json!({"operations": [{"op": "put", "id": "k", "value": 1, "x": 1}]}),
        ),
    ] {
        space.post(endpoint, &body).await.problem("invalid_request");
    }
    assert_eq!(space.describe().await["version"], 1);
    assert_eq!(space.kv("GET", "k").await.body, b"x");
}

#[tokio::test]
async fn wrong_content_types() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let valid = |endpoint: &str| -> Value {
        match endpoint {
            "upsert" => json!({"records": [{"id": "a"}]}),
            "query" => json!({"vector": [1]}),
            "fetch" | "delete" => json!({"ids": ["a"]}),
            "update" => json!({"id": "k", "text": "t"}),
            _ => json!({"operations": [{"op": "put", "id": "a", "value": 1}]}),
        }
    };
    for endpoint in POSTS {
        let path = space.path(&format!("/{endpoint}"));
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/x-ndjson",
            "application/jsonx",
            "nonsense",
        ] {
            let call = space.api.call("POST", path.clone());
            call.body(content_type, valid(endpoint).to_string())
                .await
                .problem("unsupported_media_type");
        }
    }
    let import = space.api.call("POST", space.path("/import"));
    import
        .body("application/json", "{\"id\":\"a\"}\n")
        .await
        .problem("unsupported_media_type");
    assert_eq!(space.describe().await["version"], 1);
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let call = space.api.call("POST", space.path("/upsert"));
        call.body(content_type, valid("upsert").to_string())
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn the_request_id_is_ours_if_it_can_be() {
    let space = Space::new();
    let longest = "a".repeat(128);
    for id in ["x", "0-9._AZaz", &longest] {
        let answer = space.get("").header("x-request-id", id).await;
        assert_eq!(answer.header("x-request-id"), id);
        answer.problem("namespace_not_found");
        let answer = space.api.get("/livez").header("x-request-id", id).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    for id in ["", "a b", "a/b", "é", "a\"b", "<script>", &"a".repeat(129)] {
        let answer = space.get("").header("x-request-id", id).await;
        assert_ne!(answer.header("x-request-id"), id);
        answer.problem("namespace_not_found");
    }
    let (first, second) = (space.get("").await, space.get("").await);
    let ids = [first.header("x-request-id"), second.header("x-request-id")];
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_trace_parent_harms_nothing() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for parent in [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-0000000000000000-00",
        "nonsense",
        "",
    ] {
        let call = space.kv("GET", "k").header("traceparent", parent);
        call.await.expect(200);
    }
}

#[tokio::test]
async fn headers_of_ours_are_checked() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for durability in ["disk", "memory"] {
        let put = space.put("k", "x").header("quartz-durability", durability);
        put.await.expect(200);
    }
    for durability in ["none", "Disk", ""] {
        let put = space.put("k", "x").header("quartz-durability", durability);
        put.await.problem("invalid_request");
    }
    assert_eq!(space.describe().await["version"], 3);
}
