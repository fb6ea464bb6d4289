//! Records with an expiry: gone at once, for every reader.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quartz_conformance::Space;
use serde_json::json;

/// A little over the two seconds the records of these tests live.
const PAST_EXPIRY: Duration = Duration::from_millis(2_300);

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock of this age")
}

#[tokio::test]
async fn an_expired_record_is_invisible_everywhere() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "gone", "vector": [1, 0], "metadata": {"m": 1}, "value": "v", "text": "t", "ttl": 2},
            {"id": "gone2", "vector": [1, 0], "metadata": {"m": 1}, "ttl": 2},
            {"id": "stays", "vector": [0, 1], "metadata": {"m": 1}, "value": "v"},
            {"id": "later", "vector": [0, 1], "metadata": {"m": 2}, "value": "v", "ttl": 1000},
        ]))
        .await;
    let path = space.path("/kv/gone3?ttl=2");
    let put = space.api.call("PUT", path).body("text/plain", "x");
    put.await.expect(201);
    let operations = json!([{"op": "put", "id": "gone4", "value": "x", "ttl": 2}]);
    let batch = json!({"operations": operations});
    space.post("batch", &batch).await.expect(200);

    let everything = ["gone", "gone2", "gone3", "gone4", "later", "stays"];
    assert_eq!(space.ids("records", "").await, everything);
    assert_eq!(space.describe().await["records"], 6);
    assert_eq!(space.count(&json!({"m": 1})).await, 3);
    space.kv("GET", "gone").await.expect(200);

    tokio::time::sleep(PAST_EXPIRY).await;

    for key in ["gone", "gone3", "gone4"] {
        space.kv("GET", key).await.problem("record_not_found");
        space.kv("HEAD", key).await.expect(404);
    }
    let ask = json!({"ids": everything, "include": []});
    let fetched = space.post("fetch", &ask).await.ok();
    assert_eq!(
        fetched["missing"],
        json!(["gone", "gone2", "gone3", "gone4"])
    );
    assert_eq!(space.ids("records", "limit=1").await, ["later", "stays"]);
    assert_eq!(space.ids("kv", "").await, ["later", "stays"]);
    let body = space.post("query", &json!({"vector": [1, 0]})).await.ok();
    let found: Vec<_> = body["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["id"])
        .collect();
    assert_eq!(json!(found), json!(["later", "stays"]));
    let ask = json!({"vector": [1, 0], "filter": {"m": 1}, "top_k": 1});
    let body = space.post("query", &ask).await.ok();
    assert_eq!(body["matches"][0]["id"], "stays");
    space
        .post("query", &json!({"id": "gone"}))
        .await
        .problem("record_not_found");
    assert_eq!(space.count(&json!({"m": 1})).await, 1);
    assert_eq!(space.count(&json!({})).await, 2);
    let dry = json!({"ids": ["gone", "stays"], "dry_run": true});
    assert_eq!(space.post("delete", &dry).await.ok()["deleted"], 1);
    let export = space.get("/export").await.expect(200);
    assert_eq!(
        export
            .body
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty())
            .count(),
        2
    );
    let described = space.describe().await;
    for (member, count) in [("records", 2), ("vectors", 2), ("values", 2)] {
        assert_eq!(described[member], count, "{member}");
    }
    assert_eq!(described["version"], 3, "an expiry is not a write");
}

#[tokio::test]
async fn an_expired_record_does_not_exist_for_conditions() {
    let space = Space::new();
    let records: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .map(|id| json!({"id": id, "value": 1, "metadata": {"n": 9}, "ttl": 2}))
        .collect();
    space.upsert(&json!(records)).await;
    tokio::time::sleep(PAST_EXPIRY).await;
    space
        .put("a", "x")
        .header("if-match", "\"1\"")
        .await
        .problem("precondition_failed");
    space
        .put("a", "x")
        .header("if-match", "*")
        .await
        .problem("precondition_failed");
    space
        .put("a", "x")
        .header("if-none-match", "*")
        .await
        .expect(201);
    space
        .upsert(&json!([{"id": "b", "value": 2, "if_absent": true}]))
        .await;
    let upsert = json!({"records": [{"id": "c", "if_version": 1}]});
    space
        .post("upsert", &upsert)
        .await
        .problem("precondition_failed");
    let update = json!({"id": "c", "metadata": {"m": 1}});
    space
        .post("update", &update)
        .await
        .problem("record_not_found");
    let conditional = json!({"records": [{"id": "d", "value": 2}], "condition": {"n": 0}});
    let body = space.post("upsert", &conditional).await.ok();
    assert_eq!(
        (&body["upserted"], &body["skipped"]),
        (&json!(1), &json!(0))
    );
    let operations = json!([
        {"op": "check", "id": "e", "if_absent": true},
        {"op": "delete", "id": "f"},
        {"op": "put", "id": "g", "value": 2},
    ]);
    let body = space
        .post("batch", &json!({"operations": operations}))
        .await
        .ok();
    assert_eq!(body["results"], json!(["checked", "missing", "created"]));
    // What the put found was nothing: no metadata of the expired record come back.
    let metadata = space.record("g").await["metadata"].clone();
    assert!(metadata.is_null() || metadata == json!({}), "{metadata}");
    let update = json!({"filter": {"n": 9}, "metadata": {"seen": true}});
    assert_eq!(space.post("update", &update).await.ok()["updated"], 0);
    let delete = json!({"filter": {"n": 9}});
    assert_eq!(space.post("delete", &delete).await.ok()["deleted"], 0);
    assert_eq!(space.ids("records", "").await, ["a", "b", "d", "g"]);
}

#[tokio::test]
async fn expiry_is_reported_changed_and_removed() {
    let space = Space::new();
    let before = now_ms();
    space
        .upsert(&json!([{"id": "a", "value": 1, "ttl": 100}, {"id": "b", "value": 1}]))
        .await;
    let expires = |record: &serde_json::Value| record["expires_at"].as_u64().unwrap();
    // The clock of the server need not be ours to the second.
    let near = |at: u64, ttl: u64| at.abs_diff(before + ttl * 1000) < 30_000;
    let record = space.record("a").await;
    assert!(near(expires(&record), 100), "{record}");
    let entry = &space.list("kv", "").await[0];
    assert_eq!(entry["expires_at"], record["expires_at"]);
    let listed = &space.list("records", "").await[0];
    assert_eq!(listed["expires_at"], record["expires_at"]);
    assert_eq!(space.record("b").await.get("expires_at"), None);

    let patch = json!({"id": "a", "metadata": {"m": 1}});
    space.post("update", &patch).await.expect(200);
    let kept = space.record("a").await;
    assert_eq!(
        kept["expires_at"], record["expires_at"],
        "absent leaves it as it is"
    );
    let longer = json!({"id": "a", "ttl": 5000});
    space.post("update", &longer).await.expect(200);
    assert!(near(expires(&space.record("a").await), 5000));
    // A put sets the expiry: to none, if it names none.
    space.put("a", "x").await.expect(200);
    assert_eq!(space.record("a").await.get("expires_at"), None);
    let by_filter = json!({"filter": {"m": 1}, "ttl": 700});
    space.post("update", &by_filter).await.expect(200);
    assert!(near(expires(&space.record("a").await), 700));
}

#[tokio::test]
async fn a_renewed_record_lives_on() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "updated", "value": 1, "ttl": 2, "vector": [1, 2]},
            {"id": "put", "value": 1, "ttl": 2, "metadata": {"m": 1}},
            {"id": "replaced", "value": 1, "ttl": 2},
            {"id": "shortened", "value": 1, "ttl": 1000},
        ]))
        .await;
    let longer = json!({"id": "updated", "ttl": 1000});
    space.post("update", &longer).await.expect(200);
    let shorter = json!({"id": "shortened", "ttl": 1});
    space.post("update", &shorter).await.expect(200);
    space.put("put", "x").await.expect(200);
    space.upsert(&json!([{"id": "replaced", "value": 2}])).await;
    tokio::time::sleep(PAST_EXPIRY).await;
    assert_eq!(
        space.ids("records", "").await,
        ["put", "replaced", "updated"]
    );
    assert_eq!(space.count(&json!({"m": 1})).await, 1);
    let body = space.post("query", &json!({"vector": [1, 2]})).await.ok();
    assert_eq!(body["matches"][0]["id"], "updated");
}

#[tokio::test]
async fn times_to_live_are_checked() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for ttl in ["0", "-1", "x", "1.5", "", "1s"] {
        let path = space.path(&format!("/kv/k?ttl={ttl}"));
        let put = space.api.call("PUT", path).body("text/plain", "lost");
        put.await.problem("invalid_request");
    }
    for ttl in [json!(0), json!(-1), json!(1.5), json!("10"), json!(true)] {
        let record = json!({"records": [{"id": "k", "ttl": ttl}]});
        space
            .post("upsert", &record)
            .await
            .problem("invalid_request")
            .at("records[0].ttl");
    }
    assert_eq!(space.kv("GET", "k").await.body, b"x");
}
