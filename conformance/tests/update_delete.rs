//! Changing and deleting by id and by filter.

use quartz_conformance::Space;
use serde_json::json;

async fn shop() -> Space {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "a", "metadata": {"kind": "fruit", "price": 1}, "value": "apple"},
            {"id": "b", "metadata": {"kind": "fruit", "price": 2}, "vector": [1, 2]},
            {"id": "c", "metadata": {"kind": "root", "price": 3}, "text": "carrot"},
            {"id": "d"},
        ]))
        .await;
    space
}

#[tokio::test]
async fn metadata_are_merged() {
    let space = Space::new();
    space
        .upsert(&json!([{
            "id": "a",
            "metadata": {"keep": 1, "change": "x", "drop": true, "list": ["a", "b"]},
            "vector": [1, 2], "text": "t", "value": "v",
        }]))
        .await;
    let patch = json!({"id": "a", "metadata": {
        "change": 2, "drop": null, "list": ["c"], "new": false, "never there": null,
    }});
    let body = space.post("update", &patch).await.ok();
    assert_eq!(body, json!({"updated": 1, "version": 2}));
    let record = space.record("a").await;
    let merged = json!({"keep": 1, "change": 2, "list": ["c"], "new": false});
    assert_eq!(record["metadata"], merged);
    assert_eq!(record["vector"], json!([1.0, 2.0]));
    assert_eq!(
        (&record["text"], &record["value"]),
        (&json!("t"), &json!("v"))
    );
    assert_eq!(record["version"], 2);
    assert_eq!(space.count(&json!({"drop": true})).await, 0);
    assert_eq!(space.count(&json!({"list": "a"})).await, 0);
    assert_eq!(space.count(&json!({"list": "c", "change": 2})).await, 1);

    let clear = json!({"keep": null, "change": null, "list": null, "new": null});
    let patch = json!({"id": "a", "metadata": clear});
    space.post("update", &patch).await.expect(200);
    let record = space.record("a").await;
    let metadata = record.get("metadata");
    assert!(
        metadata.is_none_or(|metadata| *metadata == json!({})),
        "{record}"
    );
}

#[tokio::test]
async fn parts_that_are_not_given_stay() {
    let space = Space::new();
    let mut expected = json!({
        "id": "a", "vector": [1.0, 2.0], "metadata": {"m": 1}, "text": "t",
        "value": "v", "content_type": "text/plain",
    });
    space
        .upsert(&json!([{
            "id": "a", "vector": [1, 2], "metadata": {"m": 1}, "text": "t", "value": "v",
        }]))
        .await;
    for (place, change, result) in [
        (2, json!({"vector": [3, 4]}), json!({"vector": [3.0, 4.0]})),
        (3, json!({"text": "other"}), json!({"text": "other"})),
        (
            4,
            json!({"value": {"x": 1}}),
            json!({"value": {"x": 1}, "content_type": "application/json"}),
        ),
        (
            5,
            json!({"value": "<p>", "content_type": "text/html"}),
            json!({"value": "<p>", "content_type": "text/html"}),
        ),
        (
            6,
            json!({"metadata": {"n": 2}}),
            json!({"metadata": {"m": 1, "n": 2}}),
        ),
    ] {
        let mut update = change.clone();
        update["id"] = json!("a");
        let body = space.post("update", &update).await.ok();
        assert_eq!(body, json!({"updated": 1, "version": place}));
        for (name, value) in result.as_object().unwrap() {
            expected[name] = value.clone();
        }
        expected["version"] = json!(place);
        assert_eq!(space.record("a").await, expected, "after {change}");
    }
}

#[tokio::test]
async fn update_of_what_is_not_there() {
    let space = Space::new();
    let update = json!({"id": "gone", "metadata": {"a": 1}});
    space
        .post("update", &update)
        .await
        .problem_among(&["record_not_found", "namespace_not_found"]);
    space.get("").await.problem("namespace_not_found");
    space.put("k", "x").await.expect(201);
    space
        .post("update", &update)
        .await
        .problem("record_not_found");
    assert_eq!(space.fetch("gone", &[]).await, None);
}

#[tokio::test]
async fn update_by_filter() {
    let space = shop().await;
    let update = json!({"filter": {"kind": "fruit"}, "metadata": {"price": null, "ripe": true}});
    let body = space.post("update", &update).await.ok();
    assert_eq!(body, json!({"updated": 2, "version": 2}));
    for id in ["a", "b"] {
        let record = space.record(id).await;
        assert_eq!(record["metadata"], json!({"kind": "fruit", "ripe": true}));
        assert_eq!(record["version"], 2);
    }
    assert_eq!(space.record("a").await["value"], "apple");
    assert_eq!(space.record("c").await["version"], 1);
    let none = json!({"filter": {"kind": "stone"}, "metadata": {"x": 1}});
    let body = space.post("update", &none).await.ok();
    assert_eq!(body, json!({"updated": 0, "version": 2}));
    let all = json!({"filter": {}, "metadata": {"seen": true}});
    assert_eq!(space.post("update", &all).await.ok()["updated"], 4);
    assert_eq!(space.count(&json!({"seen": true})).await, 4);
}

#[tokio::test]
async fn an_update_has_one_target() {
    let space = shop().await;
    let metadata = json!({"x": 1});
    for bad in [
        json!({"metadata": metadata}),
        json!({"id": "a", "filter": {}, "metadata": metadata}),
        json!({"filter": {}, "vector": [1, 2]}),
        json!({"filter": {}, "text": "t"}),
        json!({"filter": {}, "value": 1}),
        json!({"filter": {}, "value_base64": "AA=="}),
        json!({"id": "a", "value": 1, "value_base64": "AA=="}),
    ] {
        space.post("update", &bad).await.problem("invalid_request");
    }
    assert_eq!(space.describe().await["version"], 1);
}

#[tokio::test]
async fn updates_are_checked() {
    let space = shop().await;
    for (update, code, place) in [
        (json!({"vector": [1, 2, 3]}), "dimension_mismatch", "vector"),
        (json!({"vector": [0, 0]}), "vector_invalid", "vector"),
        (
            json!({"metadata": {"x": {}}}),
            "invalid_request",
            "metadata",
        ),
        (json!({"ttl": 0}), "invalid_request", "ttl"),
    ] {
        let mut update = update;
        update["id"] = json!("a");
        space.post("update", &update).await.problem(code).at(place);
    }
    assert_eq!(space.describe().await["version"], 1);
}

#[tokio::test]
async fn delete_by_ids() {
    let space = shop().await;
    let delete = json!({"ids": ["a", "gone", "d"]});
    let body = space.post("delete", &delete).await.ok();
    assert_eq!(body, json!({"deleted": 2, "dry_run": false, "version": 2}));
    assert_eq!(space.ids("records", "").await, ["b", "c"]);
    let body = space.post("delete", &delete).await.ok();
    assert_eq!(body, json!({"deleted": 0, "dry_run": false, "version": 2}));
}

#[tokio::test]
async fn a_repeated_id_is_deleted_once() {
    let space = shop().await;
    let delete = json!({"ids": ["a", "a", "b", "a"]});
    assert_eq!(space.post("delete", &delete).await.ok()["deleted"], 2);
}

#[tokio::test]
async fn delete_by_filter() {
    let space = shop().await;
    let delete = json!({"filter": {"price": {"$gte": 2}}});
    let body = space.post("delete", &delete).await.ok();
    assert_eq!(body, json!({"deleted": 2, "dry_run": false, "version": 2}));
    assert_eq!(space.ids("records", "").await, ["a", "d"]);
    let body = space.post("delete", &delete).await.ok();
    assert_eq!(body, json!({"deleted": 0, "dry_run": false, "version": 2}));
}

#[tokio::test]
async fn delete_all() {
    let space = shop().await;
    let body = space.post("delete", &json!({"all": true})).await.ok();
    assert_eq!(body, json!({"deleted": 4, "dry_run": false, "version": 2}));
    let described = space.describe().await;
    for member in ["records", "vectors", "values", "bytes"] {
        assert_eq!(described[member], 0, "{member}");
    }
    assert_eq!(described["version"], 2);
    let body = space.post("delete", &json!({"all": true})).await.ok();
    assert_eq!(body["deleted"], 0);
    space.put("a", "again").await.expect(201);
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let space = shop().await;
    for (target, count) in [
        (json!({"ids": ["a", "gone", "b"]}), 2),
        (json!({"filter": {"kind": "fruit"}}), 2),
        (json!({"filter": {}}), 4),
        (json!({"all": true}), 4),
    ] {
        let mut delete = target;
        delete["dry_run"] = json!(true);
        let body = space.post("delete", &delete).await.ok();
        let expected = json!({"deleted": count, "dry_run": true, "version": 1});
        assert_eq!(body, expected, "{delete}");
    }
    assert_eq!(space.describe().await["records"], 4);
}

#[tokio::test]
async fn a_delete_has_one_target() {
    let space = shop().await;
    for bad in [
        json!({}),
        json!({"dry_run": false}),
        json!({"all": false}),
        json!({"ids": ["a"], "filter": {}}),
        json!({"ids": ["a"], "all": true}),
        json!({"filter": {}, "all": true}),
        json!({"ids": "a"}),
        json!({"ids": [1]}),
        json!({"all": "yes"}),
    ] {
        space.post("delete", &bad).await.problem("invalid_request");
    }
    assert_eq!(space.describe().await["records"], 4);
}

#[tokio::test]
async fn more_than_one_slice_is_deleted_to_the_last_record() {
    let space = Space::new();
    for page in 0..11 {
        let records: Vec<_> = (0..1000)
            .map(|i| json!({"id": format!("{page}-{i}"), "metadata": {"page": page}}))
            .collect();
        space.upsert(&json!(records)).await;
    }
    let update = json!({"filter": {"page": {"$gte": 0}}, "metadata": {"seen": true}});
    assert_eq!(space.post("update", &update).await.ok()["updated"], 11_000);
    assert_eq!(space.count(&json!({"seen": true})).await, 11_000);
    let delete = json!({"filter": {"page": {"$ne": 5}}});
    assert_eq!(space.post("delete", &delete).await.ok()["deleted"], 10_000);
    assert_eq!(space.describe().await["records"], 1000);
}
