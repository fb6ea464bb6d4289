//! Every limit at its edge: exactly at it passes, one over is refused by name and number.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::join_all;
use quartz_conformance::{Answer, Call, Problem, Space, Tenant};
use serde_json::{Map, Value, json};

const MEBIBYTE: usize = 1 << 20;

trait OverLimit {
    /// The refusal names the limit's number.
    fn over(self, limit: usize) -> Problem;
}

impl OverLimit for Answer {
    #[track_caller]
    fn over(self, limit: usize) -> Problem {
        let problem = self.problem("limit_exceeded");
        let digits: String = problem
            .detail
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        problem.answer.check(
            digits.contains(&limit.to_string()),
            format_args!("the sentence says that the limit is {limit}"),
        );
        problem
    }
}

fn upsert(record: &Value) -> Value {
    json!({"records": [record]})
}

/// A server may answer and hang up before it has read everything; then the client may see a closed
/// connection instead of the answer, but not every time.
async fn oversized(call: Call) -> Answer {
    for _ in 0..10 {
        if let Ok(answer) = call.clone().try_send().await {
            return answer;
        }
    }
    panic!("a body over the limit is answered, not hung up on");
}

#[tokio::test]
async fn body_bytes() {
    let space = Space::new();
    let mut body = json!({"records": [{"id": "a", "value": 1}]}).to_string();
    body += &" ".repeat((32 * MEBIBYTE) - body.len());
    space.post_text("upsert", body.clone()).await.expect(200);
    body.push(' ');
    let answer = oversized(space.post_text("upsert", body)).await;
    answer.problem("body_too_large");
    assert_eq!(space.describe().await["version"], 1);
}

#[tokio::test]
async fn body_bytes_of_a_put() {
    let space = Space::new();
    let put = space.kv("PUT", "k");
    let call = put.body("text/plain", vec![b'x'; 32 * MEBIBYTE + 1]);
    let answer = oversized(call).await;
    answer.problem_among(&["body_too_large", "limit_exceeded"]);
}

#[tokio::test]
async fn value_bytes() {
    let space = Space::new();
    let value = "x".repeat(MEBIBYTE);
    let larger = format!("{value}x");
    space.put("put", &value).await.expect(201);
    space.put("put", &larger).await.over(MEBIBYTE);
    for (at_limit, over) in [
        (
            json!({"id": "a", "value": value}),
            json!({"id": "a", "value": larger}),
        ),
        (
            json!({"id": "a", "value_base64": STANDARD.encode(&value)}),
            json!({"id": "a", "value_base64": STANDARD.encode(&larger)}),
        ),
        (
            json!({"id": "a", "value": [value[4..]]}),
            json!({"id": "a", "value": [value[3..]]}),
        ),
    ] {
        space.post("upsert", &upsert(&at_limit)).await.expect(200);
        space
            .post("upsert", &upsert(&over))
            .await
            .over(MEBIBYTE)
            .at("records[0]");
        space.post("update", &at_limit).await.expect(200);
        space.post("update", &over).await.over(MEBIBYTE);
        let mut operation = over;
        operation["op"] = json!("put");
        let batch = json!({"operations": [operation]});
        space
            .post("batch", &batch)
            .await
            .over(MEBIBYTE)
            .at("operations[0]");
    }
    assert_eq!(space.kv("GET", "put").await.body.len(), MEBIBYTE);
}

#[tokio::test]
async fn text_bytes() {
    let space = Space::new();
    // Bytes, not characters.
    let text = "é".repeat(MEBIBYTE / 2);
    let at_limit = json!({"id": "a", "text": text});
    let over = json!({"id": "a", "text": format!("{text}x")});
    space.post("upsert", &upsert(&at_limit)).await.expect(200);
    assert_eq!(space.record("a").await["text"], json!(text));
    space
        .post("upsert", &upsert(&over))
        .await
        .over(MEBIBYTE)
        .at("records[0].text");
    space.post("update", &over).await.over(MEBIBYTE).at("text");
}

#[tokio::test]
async fn id_bytes() {
    let space = Space::new();
    let id = "é".repeat(256);
    let longer = format!("{id}x");
    space.put(&id, "x").await.expect(201);
    assert_eq!(space.kv("GET", &id).await.body, b"x");
    for method in ["PUT", "GET", "DELETE"] {
        space.kv(method, &longer).await.over(512);
    }
    space.upsert(&json!([{"id": id, "vector": [1, 2]}])).await;
    space
        .post("upsert", &upsert(&json!({"id": longer})))
        .await
        .over(512)
        .at("records[0].id");
    assert!(space.fetch(&id, &[]).await.is_some());
    for (endpoint, body, place) in [
        ("fetch", json!({"ids": [id, longer]}), "ids[1]"),
        ("delete", json!({"ids": [id, longer]}), "ids[1]"),
        ("query", json!({"id": longer}), "id"),
        ("update", json!({"id": longer, "text": "t"}), "id"),
        (
            "batch",
            json!({"operations": [{"op": "delete", "id": longer}]}),
            "operations[0].id",
        ),
    ] {
        space.post(endpoint, &body).await.over(512).at(place);
    }
    assert_eq!(space.describe().await["records"], 1);
}

#[tokio::test]
async fn content_type_bytes() {
    let space = Space::new();
    let content_type = format!("a/{}", "b".repeat(253));
    let longer = format!("{content_type}c");
    let put = |content_type: &str| space.kv("PUT", "k").body(content_type, "x");
    put(&content_type).await.expect(201);
    let answer = space.kv("GET", "k").await.expect(200);
    assert_eq!(answer.header("content-type"), content_type);
    put(&longer).await.over(255);
    let record = json!({"id": "a", "value": "x", "content_type": content_type});
    space.upsert(&json!([record])).await;
    let record = json!({"id": "a", "value": "x", "content_type": longer});
    space
        .post("upsert", &upsert(&record))
        .await
        .over(255)
        .at("records[0].content_type");
}

#[tokio::test]
async fn metadata_bytes() {
    let space = Space::new();
    // Names and values: 1 + 40,959.
    let at_limit = json!({"id": "a", "metadata": {"f": "x".repeat(40_959)}});
    let over = json!({"id": "a", "metadata": {"f": "x".repeat(40_960)}});
    space.post("upsert", &upsert(&at_limit)).await.expect(200);
    space
        .post("upsert", &upsert(&over))
        .await
        .over(40_960)
        .at("records[0].metadata");
    // A patch that makes the whole too large.
    let patch = json!({"id": "a", "metadata": {"g": "x"}});
    space.post("update", &patch).await.over(40_960);
    let by_filter = json!({"filter": {}, "metadata": {"g": "x"}});
    space.post("update", &by_filter).await.over(40_960);
    let metadata = space.record("a").await["metadata"].clone();
    assert_eq!(metadata, at_limit["metadata"]);
}

#[tokio::test]
async fn metadata_fields() {
    let space = Space::new();
    let fields = |count: usize| -> Map<String, Value> {
        (0..count).map(|i| (format!("f{i}"), json!(i))).collect()
    };
    let at_limit = json!({"id": "a", "metadata": fields(256)});
    space.post("upsert", &upsert(&at_limit)).await.expect(200);
    let over = json!({"id": "a", "metadata": fields(257)});
    space
        .post("upsert", &upsert(&over))
        .await
        .over(256)
        .at("records[0].metadata");
    let patch = json!({"id": "a", "metadata": {"one more": 1}});
    space.post("update", &patch).await.over(256);
    let swap = json!({"id": "a", "metadata": {"one more": 1, "f0": null}});
    space.post("update", &swap).await.expect(200);
}

#[tokio::test]
async fn indexed_fields() {
    let names = |count: usize| -> Vec<_> { (0..count).map(|i| format!("f{i}")).collect() };
    let space = Space::new();
    let over = json!({"indexed_fields": names(257)});
    space.configure(&over).await.over(256).at("indexed_fields");
    let at_limit = json!({"indexed_fields": names(256)});
    space.configure(&at_limit).await.expect(201);
}

#[tokio::test]
async fn field_name_bytes() {
    let space = Space::new();
    let name = "é".repeat(64);
    let longer = format!("{name}x");
    space
        .upsert(&json!([{"id": "a", "metadata": {&name: 1}}]))
        .await;
    assert_eq!(space.count(&json!({&name: 1})).await, 1);
    space
        .post(
            "upsert",
            &upsert(&json!({"id": "a", "metadata": {&longer: 1}})),
        )
        .await
        .over(128)
        .at("records[0].metadata");
    let patch = json!({"id": "a", "metadata": {&longer: 1}});
    space.post("update", &patch).await.over(128).at("metadata");
}

#[tokio::test]
async fn list_items() {
    let space = Space::new();
    let at_limit = json!({"id": "a", "metadata": {"f": vec!["x"; 1000]}});
    space.post("upsert", &upsert(&at_limit)).await.expect(200);
    let over = json!({"id": "a", "metadata": {"f": vec!["x"; 1001]}});
    space
        .post("upsert", &upsert(&over))
        .await
        .over(1000)
        .at("records[0].metadata");
}

#[tokio::test]
async fn dimension() {
    let space = Space::new();
    space
        .configure(&json!({"dimension": 16_385}))
        .await
        .over(16_384)
        .at("dimension");
    let vector = |dimension: usize| -> Vec<_> { (0..dimension).map(|i| 1 + i % 3).collect() };
    let packed = |dimension: usize| {
        let bytes: Vec<_> = (0..dimension).flat_map(|_| 1f32.to_le_bytes()).collect();
        STANDARD.encode(bytes)
    };
    for over in [
        json!(vector(16_385)),
        json!(packed(16_385)),
        json!(packed(100_000)),
    ] {
        space
            .post("upsert", &upsert(&json!({"id": "a", "vector": over})))
            .await
            .over(16_384)
            .at("records[0].vector");
    }
    let config = json!({"dimension": 16_384});
    space.configure(&config).await.expect(201);
    space
        .upsert(
            &json!([{"id": "a", "vector": vector(16_384)}, {"id": "b", "vector": packed(16_384)}]),
        )
        .await;
    let ask = json!({"vector": packed(16_384), "top_k": 1});
    let body = space.post("query", &ask).await.ok();
    assert_eq!(body["matches"][0]["id"], "b");
    let ask = json!({"vector": vector(16_385)});
    space
        .post("query", &ask)
        .await
        .problem_among(&["limit_exceeded", "dimension_mismatch"]);
}

#[tokio::test]
async fn records_per_request() {
    let space = Space::new();
    let records =
        |count: usize| -> Vec<_> { (0..count).map(|i| json!({"id": format!("r{i}")})).collect() };
    let ids = |count: usize| -> Vec<_> { (0..count).map(|i| format!("r{i}")).collect() };
    let operations = |count: usize| -> Vec<_> {
        let put = |i| json!({"op": "put", "id": format!("r{i}"), "value": i});
        (0..count).map(put).collect()
    };
    for (endpoint, at_limit, over, place) in [
        (
            "upsert",
            json!({"records": records(1000)}),
            json!({"records": records(1001)}),
            "records",
        ),
        (
            "fetch",
            json!({"ids": ids(1000)}),
            json!({"ids": ids(1001)}),
            "ids",
        ),
        (
            "batch",
            json!({"operations": operations(1000)}),
            json!({"operations": operations(1001)}),
            "operations",
        ),
        (
            "delete",
            json!({"ids": ids(1000)}),
            json!({"ids": ids(1001)}),
            "ids",
        ),
    ] {
        space.post(endpoint, &over).await.over(1000).at(place);
        space.post(endpoint, &at_limit).await.expect(200);
    }
    assert_eq!(space.describe().await["version"], 3);
}

#[tokio::test]
async fn top_k() {
    let space = Space::new();
    space.upsert(&json!([{"id": "a", "vector": [1, 2]}])).await;
    let ask = |top_k: Value| space.post("query", &json!({"vector": [1, 2], "top_k": top_k}));
    ask(json!(10_000)).await.expect(200);
    ask(json!(10_001)).await.over(10_000).at("top_k");
    for bad in [json!(0), json!(-1), json!(1.5), json!("10")] {
        ask(bad).await.problem("invalid_request").at("top_k");
    }
}

#[tokio::test]
async fn probes() {
    let space = Space::new();
    space.upsert(&json!([{"id": "a", "vector": [1, 2]}])).await;
    let ask = |probes: u32| space.post("query", &json!({"vector": [1, 2], "probes": probes}));
    ask(100_000).await.expect(200);
    ask(100_001).await.over(100_000).at("probes");
}

#[tokio::test]
async fn page_records() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for path in [
        space.path("/kv"),
        space.path("/records"),
        "/v1/namespaces".to_owned(),
    ] {
        space
            .api
            .get(format!("{path}?limit=1000"))
            .await
            .expect(200);
        space.api.get(format!("{path}?limit=1001")).await.over(1000);
    }
}

#[tokio::test]
async fn filter_bytes() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": "x"}}]))
        .await;
    let filter = |bytes: usize| {
        let frame = r#"{"f":""}"#.len();
        json!({"f": "x".repeat(bytes - frame)})
    };
    assert_eq!(space.count(&filter(16_384)).await, 0);
    let over = json!({"filter": filter(16_385), "dry_run": true});
    space.post("delete", &over).await.over(16_384).at("filter");
    let over = json!({"records": [{"id": "a"}], "condition": filter(16_385)});
    space
        .post("upsert", &over)
        .await
        .over(16_384)
        .at("condition");
}

#[tokio::test]
async fn filter_depth() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": 1}}]))
        .await;
    let nested = |depth: usize, wrap: fn(Value) -> Value| {
        (0..depth).fold(json!({"f": 1}), |filter, _| wrap(filter))
    };
    let wraps: [fn(Value) -> Value; 3] = [
        |filter| json!({"$not": filter}),
        |filter| json!({"$and": [filter]}),
        |filter| json!({"$or": [{"g": 1}, filter]}),
    ];
    // The innermost condition may or may not count as a level of its own.
    for wrap in wraps {
        for depth in [2, 8, 14] {
            assert_eq!(space.count(&nested(depth, wrap)).await, 1, "depth {depth}");
        }
        for depth in [17, 40, 200] {
            let body = json!({"filter": nested(depth, wrap), "dry_run": true});
            space.post("delete", &body).await.over(16).at("filter");
        }
    }
    // Deeper than a careless parser has stack.
    let deep = format!("{}{{}}{}", "{\"$not\":".repeat(1_700), "}".repeat(1_700));
    let body = format!("{{\"dry_run\":true,\"filter\":{deep}}}");
    space
        .post_text("delete", body)
        .await
        .problem_among(&["limit_exceeded", "invalid_request"]);
}

#[tokio::test]
async fn filter_list_items() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": 999}}]))
        .await;
    let list = |count: usize| (0..count).collect::<Vec<_>>();
    assert_eq!(space.count(&json!({"f": {"$in": list(1000)}})).await, 1);
    assert_eq!(space.count(&json!({"f": {"$nin": list(1000)}})).await, 0);
    for operator in ["$in", "$nin"] {
        let body = json!({"filter": {"f": {operator: list(1001)}}, "dry_run": true});
        space.post("delete", &body).await.over(1000).at("filter.f");
    }
}

#[tokio::test]
async fn ttl_seconds() {
    let space = Space::new();
    let (most, over) = (315_360_000, 315_360_001);
    let put = |ttl: u64| {
        let path = space.path(&format!("/kv/k?ttl={ttl}"));
        space.api.call("PUT", path).body("text/plain", "x")
    };
    put(most).await.expect(201);
    put(over).await.over(315_360_000);
    put(u64::MAX).await.over(315_360_000);
    space.upsert(&json!([{"id": "k", "ttl": most}])).await;
    space
        .post("upsert", &upsert(&json!({"id": "k", "ttl": over})))
        .await
        .over(315_360_000)
        .at("records[0].ttl");
    let update = json!({"id": "k", "ttl": over});
    space
        .post("update", &update)
        .await
        .over(315_360_000)
        .at("ttl");
}

#[tokio::test]
async fn namespace_name_bytes() {
    let space = Space::new();
    let name = format!("{:-<128}", space.name);
    let put = |name: &str| {
        let path = format!("/v1/namespaces/{name}");
        space.api.call("PUT", path).json(&json!({}))
    };
    put(&name).await.expect(201);
    put(&format!("{name}x")).await.over(128);
    let path = format!("/v1/namespaces/{name}x/kv/k");
    space.api.get(path).await.over(128);
}

#[tokio::test]
async fn idempotency_key_bytes() {
    let space = Space::new();
    let key = "k".repeat(255);
    let put = |key: &str| space.put("k", "x").header("idempotency-key", key);
    put(&key).await.expect(201);
    put(&format!("{key}x")).await.over(255);
    assert_eq!(space.describe().await["version"], 1);
}

#[tokio::test]
async fn import_line_bytes() {
    let space = Space::new();
    let import = |line: &str| {
        let call = space.api.call("POST", space.path("/import"));
        call.body("application/x-ndjson", line)
    };
    let mut line = r#"{"id":"a","value":1}"#.to_owned();
    line += &" ".repeat(4 * MEBIBYTE - line.len());
    import(&line).await.expect(200);
    import(&format!("{line}\n")).await.expect(200);
    import(&format!("{line} \n")).await.over(4 * MEBIBYTE);
}

#[tokio::test]
async fn return_to_bytes() {
    let space = Space::new();
    let begin = |bytes: usize| {
        let path = "x".repeat(bytes - 1);
        let call = space.api.get(format!("/v1/auth/sso?return_to=/{path}"));
        call.unsigned()
    };
    begin(1024).await.problem("sso_not_configured");
    begin(1025).await.over(1024).at("return_to");
}

#[tokio::test]
async fn sso_answer_bytes() {
    let space = Space::new();
    let finish = |name: &str, bytes: usize| {
        let sent = ["state", "code", "error", "iss"].map(|one| {
            let bytes = if one == name { bytes } else { 1 };
            format!("{one}={}", "x".repeat(bytes))
        });
        let path = format!("/v1/auth/sso/callback?{}", sent.join("&"));
        space.api.get(path).unsigned()
    };
    for name in ["state", "code", "error", "iss"] {
        finish(name, 4096).await.problem("sso_not_configured");
        finish(name, 4097).await.over(4096).at(name);
    }
}

#[tokio::test]
async fn api_keys() {
    let tenant = Tenant::new().await;
    let create = || tenant.post("/v1/keys", &json!({"name": "k", "role": "reader"}));
    // One is there, the owner's.
    for _ in 0..27 {
        for answer in join_all((0..37).map(|_| create().into_future())).await {
            answer.expect(201);
        }
    }
    create().await.over(1000);
    let list = tenant.api.get("/v1/keys").await.ok();
    assert_eq!(list["keys"].as_array().map(Vec::len), Some(1000));
    // Who makes room may go on.
    tenant.api.call("DELETE", "/v1/keys/7").await.expect(204);
    create().await.expect(201);
}

#[tokio::test]
async fn roles() {
    let tenant = Tenant::new().await;
    let put = |number: usize| {
        let path = format!("/v1/roles/role{number}");
        tenant
            .api
            .call("PUT", path)
            .json(&json!({"permissions": []}))
    };
    for answer in join_all((0..100).map(|number| put(number).into_future())).await {
        answer.expect(201);
    }
    put(100).await.over(100);
    put(7).await.expect(200);
}

#[tokio::test]
async fn webhooks() {
    let tenant = Tenant::new().await;
    let create = || tenant.post("/v1/webhooks", &json!({"url": "https://example.invalid/"}));
    for _ in 0..16 {
        create().await.expect(201);
    }
    create().await.over(16);
}
