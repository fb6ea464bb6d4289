//! Batches: in order, together, or not at all.

use quartz_conformance::Space;
use serde_json::{Value, json};

fn batch(operations: &Value) -> Value {
    json!({"operations": operations})
}

#[tokio::test]
async fn every_operation_says_what_it_did() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "put", "value": 1, "metadata": {"m": 1}},
            {"id": "upsert", "value": 1, "metadata": {"m": 1}},
            {"id": "update", "value": 1, "metadata": {"m": 1}},
            {"id": "delete", "value": 1},
            {"id": "check", "value": 1},
        ]))
        .await;
    let operations = json!([
        {"op": "put", "id": "put", "value": 2},
        {"op": "upsert", "id": "upsert", "value": 2},
        {"op": "update", "id": "update", "metadata": {"n": 2}},
        {"op": "delete", "id": "delete"},
        {"op": "check", "id": "check", "if_version": 1},
        {"op": "put", "id": "new put", "value": "x"},
        {"op": "upsert", "id": "new upsert", "vector": [1, 2]},
        {"op": "delete", "id": "gone"},
        {"op": "check", "id": "gone", "if_absent": true},
    ]);
    let answer = space.post("batch", &batch(&operations)).await;
    assert_eq!(answer.version(), 2);
    let results = json!([
        "updated", "updated", "updated", "deleted", "checked", "created", "created", "missing",
        "checked",
    ]);
    assert_eq!(answer.ok(), json!({"results": results, "version": 2}));
    let put = space.record("put").await;
    assert_eq!(
        (&put["value"], &put["metadata"]),
        (&json!(2), &json!({"m": 1}))
    );
    let upserted = space.record("upsert").await;
    assert_eq!(upserted["metadata"].get("m"), None);
    let updated = space.record("update").await;
    assert_eq!(updated["metadata"], json!({"m": 1, "n": 2}));
    assert_eq!(updated["value"], 1);
    assert_eq!(space.fetch("delete", &[]).await, None);
    assert_eq!(space.record("check").await["version"], 1);
    for id in ["put", "upsert", "update", "new put", "new upsert"] {
        assert_eq!(space.record(id).await["version"], 2, "{id}");
    }
    assert_eq!(space.kv("GET", "new put").await.body, b"x");
}

#[tokio::test]
async fn later_operations_see_earlier_ones() {
    let space = Space::new();
    let operations = json!([
        {"op": "upsert", "id": "a", "metadata": {"n": 1}, "value": "first"},
        {"op": "update", "id": "a", "metadata": {"m": 2}},
        {"op": "put", "id": "a", "value": "last"},
        {"op": "put", "id": "b", "value": 1},
        {"op": "delete", "id": "b"},
        {"op": "check", "id": "b", "if_absent": true},
        {"op": "put", "id": "b", "value": 2, "if_absent": true},
    ]);
    let body = space.post("batch", &batch(&operations)).await.ok();
    let results = json!([
        "created", "updated", "updated", "created", "deleted", "checked", "created",
    ]);
    assert_eq!(body, json!({"results": results, "version": 1}));
    let record = space.record("a").await;
    assert_eq!(record["metadata"], json!({"n": 1, "m": 2}));
    assert_eq!(
        (&record["value"], &record["version"]),
        (&json!("last"), &json!(1))
    );
    assert_eq!(space.record("b").await["value"], 2);
    let described = space.describe().await;
    assert_eq!(
        (&described["records"], &described["values"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test]
async fn one_failure_undoes_all() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1, "vector": [1, 2], "metadata": {"n": 1}}]))
        .await;
    let before = space.record("a").await;
    let work = [
        json!({"op": "put", "id": "a", "value": 2}),
        json!({"op": "upsert", "id": "b", "vector": [3, 4], "metadata": {"n": 1}}),
        json!({"op": "delete", "id": "a"}),
    ];
    for (failing, code) in [
        (
            json!({"op": "check", "id": "a", "if_version": 1}),
            "precondition_failed",
        ),
        (
            json!({"op": "check", "id": "gone", "if_version": 1}),
            "precondition_failed",
        ),
        (
            json!({"op": "put", "id": "b", "value": 1, "if_absent": true}),
            "precondition_failed",
        ),
        (
            json!({"op": "delete", "id": "gone", "if_version": 3}),
            "precondition_failed",
        ),
        (
            json!({"op": "upsert", "id": "b", "if_absent": true}),
            "precondition_failed",
        ),
        (
            json!({"op": "update", "id": "gone", "metadata": {}}),
            "record_not_found",
        ),
        (
            json!({"op": "upsert", "id": "c", "vector": [1]}),
            "dimension_mismatch",
        ),
        (
            json!({"op": "upsert", "id": "c", "vector": [0, 0]}),
            "vector_invalid",
        ),
    ] {
        let mut operations = work.to_vec();
        operations.push(failing.clone());
        operations.push(json!({"op": "put", "id": "z", "value": 1}));
        space
            .post("batch", &batch(&json!(operations)))
            .await
            .problem(code)
            .at("operations[3]");
        assert_eq!(space.record("a").await, before, "after {failing}");
        assert_eq!(space.ids("records", "").await, ["a"], "after {failing}");
        let described = space.describe().await;
        assert_eq!(described["version"], 1);
        assert_eq!(
            (&described["vectors"], &described["values"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(space.count(&json!({"n": 1})).await, 1);
    }
}

#[tokio::test]
async fn conditions_hold_or_fail_per_operation() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1}, {"id": "b", "value": 1}]))
        .await;
    space.put("b", "2").await.expect(200);
    let operations = json!([
        {"op": "check", "id": "a", "if_version": 1},
        {"op": "put", "id": "b", "value": 3, "if_version": 2},
        {"op": "put", "id": "c", "value": 3, "if_absent": true},
        {"op": "delete", "id": "a", "if_version": 1},
    ]);
    let body = space.post("batch", &batch(&operations)).await.ok();
    let results = json!(["checked", "updated", "created", "deleted"]);
    assert_eq!(body, json!({"results": results, "version": 3}));
    space
        .post("batch", &batch(&operations))
        .await
        .problem("precondition_failed")
        .at("operations[0]");
}

#[tokio::test]
async fn a_batch_that_changes_nothing_takes_no_number() {
    let space = Space::new();
    space.put("a", "1").await.expect(201);
    let operations = json!([
        {"op": "check", "id": "a", "if_version": 1},
        {"op": "delete", "id": "gone"},
    ]);
    let body = space.post("batch", &batch(&operations)).await.ok();
    assert_eq!(
        body,
        json!({"results": ["checked", "missing"], "version": 1})
    );
}

#[tokio::test]
async fn parts_belong_to_operations() {
    let space = Space::new();
    space.put("a", "1").await.expect(201);
    for bad in [
        json!({"op": "delete", "id": "a", "value": 1}),
        json!({"op": "delete", "id": "a", "ttl": 1}),
        json!({"op": "check", "id": "a", "metadata": {}}),
        json!({"op": "check", "id": "a", "vector": [1]}),
        json!({"op": "put", "id": "a", "value": 1, "vector": [1]}),
        json!({"op": "put", "id": "a", "value": 1, "metadata": {}}),
        json!({"op": "put", "id": "a", "value": 1, "text": "t"}),
        json!({"op": "put", "id": "a", "value": 1, "value_base64": "AA=="}),
        json!({"op": "put", "id": "a"}),
        json!({"op": "upsert", "id": "a", "metadata": {"x": null}}),
        json!({"op": "upsert", "id": ""}),
        json!({"op": "upsert"}),
        json!({"op": "replace", "id": "a"}),
        json!({"id": "a"}),
        json!({"op": "put", "id": "a", "value": 1, "if_vesion": 1}),
    ] {
        let operations = json!([{"op": "put", "id": "a", "value": "changed"}, bad]);
        space
            .post("batch", &batch(&operations))
            .await
            .problem("invalid_request")
            .at("operations[1]");
    }
    assert_eq!(space.kv("GET", "a").await.body, b"1");
}

#[tokio::test]
async fn a_batch_creates_its_namespace_only_if_it_succeeds() {
    let space = Space::new();
    let operations = json!([
        {"op": "put", "id": "a", "value": 1},
        {"op": "check", "id": "a", "if_absent": true},
    ]);
    space
        .post("batch", &batch(&operations))
        .await
        .problem("precondition_failed");
    space.get("").await.problem("namespace_not_found");
}
