//! Versions: one number a write, none for nothing, and reads that demand one.

use quartz_conformance::{Call, Space};
use serde_json::json;

#[tokio::test]
async fn every_write_takes_the_next_number() {
    let space = Space::new();
    let import = space.api.call("POST", space.path("/import"));
    let operations = json!([{"op": "put", "id": "e", "value": 1}, {"op": "delete", "id": "d"}]);
    let three = json!({"records": [{"id": "b"}, {"id": "c"}, {"id": "d"}]});
    for (version, call) in (1..).zip([
        space.put("a", "1"),
        space.put("a", "2"),
        space.post("upsert", &three),
        space.post("update", &json!({"id": "b", "metadata": {"n": 1}})),
        space.post("update", &json!({"filter": {"n": 1}, "metadata": {"n": 2}})),
        space.post("batch", &json!({"operations": operations})),
        space.kv("DELETE", "a"),
        import.body("application/x-ndjson", "{\"id\":\"f\"}\n{\"id\":\"g\"}\n"),
        space.post("delete", &json!({"ids": ["f", "g"]})),
        space.post("delete", &json!({"filter": {"n": 2}})),
        space.post("delete", &json!({"all": true})),
    ]) {
        let answer = call.await;
        answer.check(answer.status < 300, "the write succeeds");
        answer.check_eq(answer.version(), version, "Quartz-Version");
        let described = space.get("").await;
        assert_eq!(described.version(), version);
        assert_eq!(described.ok()["version"], version);
    }
}

#[tokio::test]
async fn records_of_one_write_share_its_number() {
    let space = Space::new();
    space.put("first", "x").await.expect(201);
    space
        .upsert(&json!([{"id": "a"}, {"id": "b"}, {"id": "first"}]))
        .await;
    for record in space.list("records", "").await {
        assert_eq!(record["version"], 2, "{record}");
    }
    let update = json!({"filter": {}, "metadata": {"n": 1}});
    assert_eq!(space.post("update", &update).await.ok()["version"], 3);
    for record in space.list("records", "").await {
        assert_eq!(record["version"], 3, "{record}");
    }
}

#[tokio::test]
async fn what_changes_nothing_takes_no_number() {
    let space = Space::new();
    space.upsert(&json!([{"id": "a", "value": 1}])).await;
    let check = json!({"operations": [{"op": "check", "id": "a", "if_version": 1}]});
    let skipped = json!({"records": [{"id": "a"}], "condition": {"no": "match"}});
    for call in [
        space.kv("DELETE", "gone"),
        space.post("delete", &json!({"ids": ["gone"]})),
        space.post("delete", &json!({"filter": {"no": "match"}})),
        space.post("delete", &json!({"all": true, "dry_run": true})),
        space.post(
            "update",
            &json!({"filter": {"no": "match"}, "metadata": {"n": 1}}),
        ),
        space.post("batch", &check),
        space.post("upsert", &skipped),
        // Refused writes.
        space.put("a", "x").header("if-match", "\"9\""),
        space.put("a", "x").header("if-none-match", "*"),
        space.post("update", &json!({"id": "gone", "metadata": {"n": 1}})),
        space.post(
            "upsert",
            &json!({"records": [{"id": "a", "if_absent": true}]}),
        ),
        // Reads.
        space.kv("GET", "a"),
        space.kv("HEAD", "a"),
        space.get("/kv"),
        space.get("/records"),
        space.get("/export"),
        space.post("query", &json!({"vector": [1]})),
        space.post("fetch", &json!({"ids": ["a"]})),
    ] {
        let answer = call.await;
        answer.check_eq(answer.version(), 1, "Quartz-Version");
    }
    space.put("a", "2").await.expect(200);
    assert_eq!(space.describe().await["version"], 2);
}

fn reads(space: &Space) -> Vec<Call> {
    vec![
        space.get(""),
        space.get("/kv"),
        space.get("/records"),
        space.get("/export"),
        space.kv("GET", "a"),
        space.post("query", &json!({"vector": [1, 2]})),
        space.post("fetch", &json!({"ids": ["a"]})),
    ]
}

#[tokio::test]
async fn a_read_can_demand_a_version() {
    let space = Space::new();
    space.put("a", "1").await.expect(201);
    space.put("a", "2").await.expect(200);
    for read in reads(&space) {
        for version in ["0", "1", "2"] {
            let answer = read.clone().header("quartz-min-version", version).await;
            assert_eq!(answer.expect(200).version(), 2);
        }
        for version in ["3", "1000000", "9223372036854775807"] {
            read.clone()
                .header("quartz-min-version", version)
                .await
                .problem("version_not_reached");
        }
        for version in ["", "x", "-1", "1.5", "\"2\"", "9223372036854775808"] {
            read.clone()
                .header("quartz-min-version", version)
                .await
                .problem("invalid_request");
        }
    }
    let head = space.kv("HEAD", "a");
    head.clone()
        .header("quartz-min-version", "2")
        .await
        .expect(200);
    head.header("quartz-min-version", "3").await.expect(412);
}

#[tokio::test]
async fn a_reader_with_the_version_of_a_write_sees_it() {
    let space = Space::new();
    for round in 0..30 {
        let version = space.put("k", &round.to_string()).await.version();
        let read = space.kv("GET", "k");
        let answer = read.header("quartz-min-version", version.to_string()).await;
        assert_eq!(answer.expect(200).body, round.to_string().as_bytes());
    }
}
