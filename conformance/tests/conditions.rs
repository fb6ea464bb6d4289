//! Conditional writes and reads: who loses, and that a loser changes nothing.

use quartz_conformance::Space;
use serde_json::json;

#[tokio::test]
async fn if_match_on_put() {
    let space = Space::new();
    space.put("k", "1").await.expect(201);
    space.put("other", "x").await.expect(201);
    space
        .put("k", "lost")
        .header("if-match", "\"2\"")
        .await
        .problem("precondition_failed");
    space
        .put("k", "lost")
        .header("if-match", "\"0\"")
        .await
        .problem("precondition_failed");
    assert_eq!(space.kv("GET", "k").await.body, b"1");
    let won = space.put("k", "2").header("if-match", "\"1\"").await;
    assert_eq!(won.expect(200).etag(), 3);
    space
        .put("k", "lost")
        .header("if-match", "\"1\"")
        .await
        .problem("precondition_failed");
    assert_eq!(space.kv("GET", "k").await.body, b"2");
    assert_eq!(space.describe().await["version"], 3);
}

#[tokio::test]
async fn if_match_star_means_it_exists() {
    let space = Space::new();
    space
        .put("k", "x")
        .header("if-match", "*")
        .await
        .problem_among(&["precondition_failed", "namespace_not_found"]);
    space.put("other", "x").await.expect(201);
    space
        .put("k", "x")
        .header("if-match", "*")
        .await
        .problem("precondition_failed");
    space
        .put("k", "x")
        .header("if-match", "\"1\"")
        .await
        .problem("precondition_failed");
    space.kv("GET", "k").await.problem("record_not_found");
    space
        .put("other", "y")
        .header("if-match", "*")
        .await
        .expect(200);
}

#[tokio::test]
async fn if_none_match_star_means_it_does_not_exist() {
    let space = Space::new();
    let absent = || space.put("k", "x").header("if-none-match", "*");
    absent().await.expect(201);
    absent().await.problem("precondition_failed");
    space.kv("DELETE", "k").await.expect(204);
    absent().await.expect(201);
}

#[tokio::test]
async fn conditions_see_records_without_a_value() {
    let space = Space::new();
    space.upsert(&json!([{"id": "v", "vector": [1, 2]}])).await;
    let put = || space.put("v", "x");
    put()
        .header("if-none-match", "*")
        .await
        .problem("precondition_failed");
    put().header("if-match", "\"1\"").await;
    assert_eq!(space.record("v").await["value"], "x");
}

#[tokio::test]
async fn conditions_on_delete() {
    let space = Space::new();
    space.put("k", "1").await.expect(201);
    let delete = |key: &'static str| space.kv("DELETE", key);
    delete("k")
        .header("if-match", "\"7\"")
        .await
        .problem("precondition_failed");
    delete("k")
        .header("if-none-match", "*")
        .await
        .problem("precondition_failed");
    delete("gone")
        .header("if-match", "*")
        .await
        .problem("precondition_failed");
    delete("gone")
        .header("if-match", "\"1\"")
        .await
        .problem("precondition_failed");
    delete("gone")
        .header("if-none-match", "*")
        .await
        .expect(204);
    space.kv("GET", "k").await.expect(200);
    delete("k").header("if-match", "\"1\"").await.expect(204);
    space.kv("GET", "k").await.problem("record_not_found");
}

#[tokio::test]
async fn conditions_that_exclude_each_other_never_hold() {
    let space = Space::new();
    space.put("k", "1").await.expect(201);
    for key in ["k", "gone"] {
        space
            .put(key, "2")
            .header("if-match", "*")
            .header("if-none-match", "*")
            .await
            .problem("precondition_failed");
    }
    assert_eq!(space.kv("GET", "k").await.body, b"1");
}

#[tokio::test]
async fn conditions_that_are_not_etags_are_refused() {
    let space = Space::new();
    space.put("k", "1").await.expect(201);
    for condition in [
        "1",
        "\"x\"",
        "\"1",
        "\"-1\"",
        "\"1.0\"",
        "\"99999999999999999999999\"",
    ] {
        for name in ["if-match", "if-none-match"] {
            let answer = space.put("k", "lost").header(name, condition).await;
            answer.check(
                answer.status == 400 || answer.status == 412,
                "a condition that cannot be read is never passed over",
            );
        }
    }
    assert_eq!(space.kv("GET", "k").await.body, b"1");
}

#[tokio::test]
async fn not_modified() {
    let space = Space::new();
    space.put("k", "1").await.expect(201);
    space.put("other", "1").await.expect(201);
    for method in ["GET", "HEAD"] {
        let read = |etag: &'static str| space.kv(method, "k").header("if-none-match", etag);
        let same = read("\"1\"").await.expect(304);
        assert_eq!(same.body, b"");
        assert_eq!((same.etag(), same.version()), (1, 2));
        read("\"2\"").await.expect(200);
    }
    space.put("k", "2").await.expect(200);
    let read = space.kv("GET", "k").header("if-none-match", "\"1\"").await;
    assert_eq!(read.expect(200).body, b"2");
    space
        .kv("GET", "gone")
        .header("if-none-match", "\"1\"")
        .await
        .problem("record_not_found");
}

#[tokio::test]
async fn if_version_in_upsert() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1}, {"id": "b", "value": 1}]))
        .await;
    let lost = json!({"records": [
        {"id": "new", "value": 2},
        {"id": "a", "value": 2, "if_version": 1},
        {"id": "b", "value": 2, "if_version": 2},
    ]});
    space
        .post("upsert", &lost)
        .await
        .problem("precondition_failed")
        .at("records[2]");
    assert_eq!(space.fetch("new", &[]).await, None);
    assert_eq!(space.record("a").await["value"], 1);
    assert_eq!(space.describe().await["version"], 1);

    let missing = json!({"records": [{"id": "gone", "value": 2, "if_version": 1}]});
    space
        .post("upsert", &missing)
        .await
        .problem("precondition_failed")
        .at("records[0]");

    let version = space
        .upsert(&json!([{"id": "a", "value": 2, "if_version": 1}, {"id": "b", "value": 2}]))
        .await;
    assert_eq!(version, 2);
    assert_eq!(space.record("a").await["value"], 2);
}

#[tokio::test]
async fn if_absent_in_upsert() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1, "if_absent": true}]))
        .await;
    let lost = json!({"records": [
        {"id": "b", "value": 2, "if_absent": true},
        {"id": "a", "value": 2, "if_absent": true},
    ]});
    space
        .post("upsert", &lost)
        .await
        .problem("precondition_failed")
        .at("records[1]");
    assert_eq!(space.ids("records", "").await, ["a"]);
    assert_eq!(space.record("a").await["value"], 1);
    space
        .upsert(&json!([{"id": "a", "value": 2, "if_absent": false}]))
        .await;
    assert_eq!(space.record("a").await["value"], 2);
}

#[tokio::test]
async fn if_version_in_update() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"n": 1}}]))
        .await;
    let update = |version: u64| json!({"id": "a", "metadata": {"n": 2}, "if_version": version});
    space
        .post("update", &update(5))
        .await
        .problem("precondition_failed");
    assert_eq!(space.record("a").await["metadata"], json!({"n": 1}));
    space.post("update", &update(1)).await.expect(200);
    assert_eq!(space.record("a").await["metadata"], json!({"n": 2}));
    space
        .post("update", &update(1))
        .await
        .problem("precondition_failed");
    let by_filter = json!({"filter": {}, "metadata": {"n": 3}, "if_version": 2});
    space
        .post("update", &by_filter)
        .await
        .problem("invalid_request");
}

#[tokio::test]
async fn a_condition_skips_records_whose_stored_metadata_fail_it() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "low", "metadata": {"rank": 1}},
            {"id": "high", "metadata": {"rank": 9}},
            {"id": "none"},
        ]))
        .await;
    let conditional = json!({
        "records": [
            {"id": "low", "metadata": {"rank": 5}},
            {"id": "high", "metadata": {"rank": 5}},
            {"id": "none", "metadata": {"rank": 5}},
            {"id": "new", "metadata": {"rank": 5}},
        ],
        "condition": {"rank": {"$lt": 5}},
    });
    let body = space.post("upsert", &conditional).await.ok();
    assert_eq!(body, json!({"upserted": 2, "skipped": 2, "version": 2}));
    for (id, rank, version) in [
        ("low", json!(5), 2),
        ("high", json!(9), 1),
        ("none", json!(null), 1),
        ("new", json!(5), 2),
    ] {
        let record = space.record(id).await;
        assert_eq!(record["metadata"]["rank"], rank, "{id}");
        assert_eq!(record["version"], version, "{id}");
    }
    // All of them skipped: nothing changes, no number is taken.
    let none = json!({
        "records": [{"id": "high", "value": 1}],
        "condition": {"rank": {"$lt": 0}},
    });
    let body = space.post("upsert", &none).await.ok();
    assert_eq!(body, json!({"upserted": 0, "skipped": 1, "version": 2}));
}

#[tokio::test]
async fn a_condition_is_a_filter_with_all_its_errors() {
    let space = Space::new();
    let with = |condition: serde_json::Value| {
        space.post(
            "upsert",
            &json!({"records": [{"id": "a"}], "condition": condition}),
        )
    };
    with(json!({"$and": [{"a": 1}, {"b": {"$near": 2}}]}))
        .await
        .problem("filter_invalid")
        .at("condition.$and[1].b");
    with(json!({"a": {"$gt": "x"}}))
        .await
        .problem("filter_invalid")
        .at("condition.a");
    with(json!([]))
        .await
        .problem("filter_invalid")
        .at("condition");
    space.get("").await.problem("namespace_not_found");
}
