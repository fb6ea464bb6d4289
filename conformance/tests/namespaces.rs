//! Namespaces: creation, configuration, description, deletion, isolation.

use quartz_conformance::{Space, encode, unique};
use serde_json::json;

#[tokio::test]
async fn put_creates_and_is_repeatable() {
    let space = Space::new();
    let config = json!({"dimension": 3, "metric": "dot", "indexed_fields": ["a", "b"]});
    space.get("").await.problem("namespace_not_found");
    let created = space.configure(&config).await.expect(201);
    let repeated = space.configure(&config).await.expect(200);
    assert_eq!(created.json(), repeated.json());
    let mut described = space.describe().await;
    assert_eq!(described, created.json());
    let created_at = described["created_at"].take();
    assert!(created_at.as_u64().is_some_and(|at| at > 1_600_000_000_000));
    let expected = json!({
        "name": space.name, "dimension": 3, "metric": "dot", "indexed_fields": ["a", "b"],
        "records": 0, "vectors": 0, "values": 0, "bytes": 0, "version": 0, "created_at": null,
    });
    assert_eq!(described, expected);
}

#[tokio::test]
async fn the_default_configuration() {
    let space = Space::with(&json!({})).await;
    let described = space.describe().await;
    assert_eq!(described["metric"], "cosine");
    assert_eq!(described["indexed_fields"], "all");
    assert_eq!(described.get("dimension"), None);
    let same = json!({"metric": "cosine", "indexed_fields": "all"});
    space.configure(&same).await.expect(200);
}

#[tokio::test]
async fn another_configuration_is_a_conflict() {
    let config = json!({"dimension": 3, "metric": "dot", "indexed_fields": ["a", "b"]});
    let space = Space::with(&config).await;
    for (member, other) in [
        ("dimension", json!(4)),
        ("metric", json!("cosine")),
        ("indexed_fields", json!("all")),
        ("indexed_fields", json!(["a"])),
        ("indexed_fields", json!([])),
    ] {
        let mut changed = config.clone();
        changed[member] = other;
        space
            .configure(&changed)
            .await
            .problem("namespace_conflict");
    }
    space
        .configure(&json!({}))
        .await
        .problem("namespace_conflict");
    assert_eq!(space.describe().await["metric"], "dot");
}

#[tokio::test]
async fn the_first_vector_decides_the_dimension() {
    let space = Space::with(&json!({})).await;
    space.upsert(&json!([{"id": "a", "value": 1}])).await;
    assert_eq!(space.describe().await.get("dimension"), None);
    space.upsert(&json!([{"id": "b", "vector": [1, 2]}])).await;
    assert_eq!(space.describe().await["dimension"], 2);
    space.configure(&json!({})).await.expect(200);
    space
        .configure(&json!({"dimension": 3}))
        .await
        .problem("namespace_conflict");
    // Fixed from then on, whatever is deleted.
    space
        .post("delete", &json!({"all": true}))
        .await
        .expect(200);
    let upsert = json!({"records": [{"id": "c", "vector": [1, 2, 3]}]});
    space
        .post("upsert", &upsert)
        .await
        .problem("dimension_mismatch");
}

#[tokio::test]
async fn the_first_write_creates_the_namespace() {
    for write in 0..4 {
        let space = Space::new();
        let status = match write {
            0 => space.put("k", "x").await.status,
            1 => {
                space
                    .post("upsert", &json!({"records": [{"id": "k"}]}))
                    .await
                    .status
            }
            2 => {
                let operations = json!([{"op": "put", "id": "k", "value": 1}]);
                space
                    .post("batch", &json!({"operations": operations}))
                    .await
                    .status
            }
            _ => {
                let path = space.path("/import");
                let call = space.api.call("POST", path);
                call.body("application/x-ndjson", "{\"id\":\"k\"}\n")
                    .await
                    .status
            }
        };
        assert!(status == 200 || status == 201);
        let described = space.describe().await;
        assert_eq!(
            (&described["records"], &described["version"]),
            (&json!(1), &json!(1))
        );
    }
}

#[tokio::test]
async fn reads_and_failed_writes_create_nothing() {
    let space = Space::new();
    let bad = json!({"records": [{"id": "a"}, {"id": "b", "if_version": 1}]});
    space
        .post("upsert", &bad)
        .await
        .problem("precondition_failed");
    for endpoint in ["", "/kv", "/records", "/kv/k", "/export"] {
        space.get(endpoint).await.problem("namespace_not_found");
    }
    for (endpoint, body) in [
        ("query", json!({"vector": [1]})),
        ("fetch", json!({"ids": ["a"]})),
    ] {
        space
            .post(endpoint, &body)
            .await
            .problem("namespace_not_found");
    }
    assert_eq!(space.api.namespaces(&space.name, 100).await.len(), 0);
}

#[tokio::test]
async fn configurations_are_checked() {
    let space = Space::new();
    for bad in [
        json!({"dimension": 0}),
        json!({"dimension": -1}),
        json!({"dimension": 1.5}),
        json!({"dimension": "3"}),
        json!({"metric": "manhattan"}),
        json!({"metric": "Cosine"}),
        json!({"indexed_fields": "some"}),
        json!({"indexed_fields": [1]}),
        json!({"indexed_fields": {}}),
        json!({"dimensions": 3}),
        json!([]),
        json!("x"),
    ] {
        space.configure(&bad).await.problem("invalid_request");
    }
    space.get("").await.problem("namespace_not_found");
}

#[tokio::test]
async fn names_are_checked() {
    let space = Space::new();
    let good = unique();
    for name in [
        good.clone(),
        format!("0{good}"),
        format!("A{good}"),
        format!("a._-..{good}--"),
    ] {
        let call = space.api.call("PUT", format!("/v1/namespaces/{name}"));
        let body = call.json(&json!({})).await.expect(201).json();
        assert_eq!(body["name"], name);
    }
    for name in [
        "-a", "_a", ".a", "a b", "a/b", "ä", "a\u{0}", "a%", "a:b", "🦀", " a", "a*",
    ] {
        let path = format!("/v1/namespaces/{}", encode(name));
        let call = space.api.call("PUT", path.clone()).json(&json!({}));
        call.await.problem("invalid_request");
        space.api.get(path.clone()).await.problem("invalid_request");
        let call = space.api.call("PUT", format!("{path}/kv/k"));
        call.body("text/plain", "x")
            .await
            .problem("invalid_request");
    }
}

#[tokio::test]
async fn names_differ_by_case() {
    let space = Space::new();
    let upper = Space {
        name: space.name.to_uppercase(),
        ..space.clone()
    };
    space.put("k", "lower").await.expect(201);
    upper.get("").await.problem("namespace_not_found");
    upper.put("k", "UPPER").await.expect(201);
    assert_eq!(space.kv("GET", "k").await.body, b"lower");
}

#[tokio::test]
async fn delete_frees_the_name_at_once() {
    let space = Space::with(&json!({"dimension": 2, "metric": "euclidean"})).await;
    space
        .upsert(&json!([{"id": "a", "vector": [1, 2], "metadata": {"m": 1}, "value": 1}]))
        .await;
    let deleted = space.api.call("DELETE", space.path("")).await.expect(204);
    assert_eq!(deleted.body, b"");
    space.get("").await.problem("namespace_not_found");
    space.kv("GET", "a").await.problem("namespace_not_found");
    let again = space.api.call("DELETE", space.path("")).await;
    again.problem("namespace_not_found");
    assert_eq!(space.api.namespaces(&space.name, 10).await.len(), 0);

    space
        .upsert(&json!([{"id": "b", "vector": [1, 2, 3]}]))
        .await;
    let described = space.describe().await;
    assert_eq!(described["metric"], "cosine");
    assert_eq!(
        (&described["records"], &described["dimension"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(space.ids("records", "").await, ["b"]);
    assert_eq!(space.count(&json!({"m": 1})).await, 0);
    let body = space
        .post("query", &json!({"vector": [1, 2, 3]}))
        .await
        .ok();
    assert_eq!(body["matches"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_namespace_knows_nothing_of_another() {
    let space = Space::new();
    // One name is the beginning of the other.
    let other = Space {
        name: format!("{}0", space.name),
        ..space.clone()
    };
    let records = |n: u64| json!([{"id": "k", "vector": [1, n], "metadata": {"n": n}, "value": n}]);
    space.upsert(&records(1)).await;
    other.upsert(&records(2)).await;
    other.put("only here", "x").await.expect(201);
    assert_eq!(space.record("k").await["value"], 1);
    assert_eq!(space.ids("records", "").await, ["k"]);
    assert_eq!(space.count(&json!({"n": 2})).await, 0);
    space
        .post("delete", &json!({"all": true}))
        .await
        .expect(200);
    assert_eq!(other.record("k").await["value"], 2);
    space.api.call("DELETE", space.path("")).await.expect(204);
    assert_eq!(other.ids("records", "").await, ["k", "only here"]);
    assert_eq!(other.describe().await["version"], 2);
}

#[tokio::test]
async fn counts_are_exact_after_a_mix() {
    let space = Space::new();
    let expect = async |records: u64, vectors: u64, values: u64| {
        let described = space.describe().await;
        let counts = json!([
            described["records"],
            described["vectors"],
            described["values"]
        ]);
        assert_eq!(counts, json!([records, vectors, values]));
    };
    space
        .upsert(&json!([
            {"id": "a", "vector": [1, 2], "value": 1},
            {"id": "b", "vector": [1, 2]},
            {"id": "c", "value": ""},
            {"id": "d"},
        ]))
        .await;
    expect(4, 2, 2).await;
    space.put("d", "x").await.expect(200);
    space.put("b", "x").await;
    expect(4, 2, 4).await;
    space
        .upsert(&json!([{"id": "a"}, {"id": "a2", "vector": [1, 2]}]))
        .await;
    expect(5, 2, 3).await;
    let update = json!({"id": "a", "vector": [3, 4], "value": 1});
    space.post("update", &update).await.expect(200);
    expect(5, 3, 4).await;
    let operations = json!([
        {"op": "delete", "id": "b"},
        {"op": "put", "id": "e", "value": 1},
        {"op": "upsert", "id": "c", "vector": [1, 2]},
        {"op": "put", "id": "f", "value": 1},
        {"op": "delete", "id": "f"},
    ]);
    let batch = json!({"operations": operations});
    space.post("batch", &batch).await.expect(200);
    expect(5, 3, 3).await;
    space.kv("DELETE", "a").await.expect(204);
    expect(4, 2, 2).await;
    space
        .post("delete", &json!({"filter": {}}))
        .await
        .expect(200);
    expect(0, 0, 0).await;
}

#[tokio::test]
async fn bytes_are_those_of_the_records() {
    let space = Space::with(&json!({})).await;
    let bytes = async || space.describe().await["bytes"].as_u64().unwrap();
    assert_eq!(bytes().await, 0);
    space.put("key", "12345").await.expect(201);
    assert_eq!(bytes().await, 8);
    space.put("key", "1").await.expect(200);
    assert_eq!(bytes().await, 4);
    space
        .upsert(&json!([{"id": "é", "vector": [1, 2, 3], "text": "żółw"}]))
        .await;
    assert_eq!(bytes().await, 4 + 2 + 3 * 4 + 7);
    space
        .upsert(&json!([{"id": "é", "metadata": {"a": "bcd"}}]))
        .await;
    let with_metadata = bytes().await;
    assert!(with_metadata > 4 + 2);
    space
        .post("delete", &json!({"ids": ["é"]}))
        .await
        .expect(200);
    assert_eq!(bytes().await, 4);
    space.kv("DELETE", "key").await.expect(204);
    assert_eq!(bytes().await, 0);
}
