//! `Idempotency-Key`: a repeat gets the first answer and does nothing.

use futures::future::join_all;
use quartz_conformance::{Answer, Call, Space, unique};
use serde_json::json;

fn with_key(call: Call, key: &str) -> Call {
    call.header("idempotency-key", key)
}

#[track_caller]
fn same_answer(first: &Answer, second: &Answer) {
    assert_eq!(first.header_if_any("idempotency-replayed"), None);
    second.check_eq(
        second.header_if_any("idempotency-replayed"),
        Some("true"),
        "Idempotency-Replayed",
    );
    second.check_eq(second.status, first.status, "status");
    second.check(
        second.body == first.body,
        "the body is that of the first answer",
    );
    for name in ["content-type", "etag", "quartz-version"] {
        let header = second.header_if_any(name);
        second.check_eq(header, first.header_if_any(name), name);
    }
}

#[tokio::test]
async fn every_write_is_replayed() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1}, {"id": "b", "metadata": {"n": 1}}]))
        .await;
    let operations = json!([{"op": "put", "id": "d", "value": 1, "if_absent": true}]);
    let upsert = json!({"records": [{"id": "c", "value": 1, "if_absent": true}]});
    for call in [
        space.put("new", "x"),
        space.put("a", "x").header("if-match", "\"1\""),
        space.post("upsert", &upsert),
        space.post("update", &json!({"id": "b", "metadata": {"n": 2}})),
        space.post("update", &json!({"filter": {"n": 2}, "metadata": {"n": 3}})),
        space.post("batch", &json!({"operations": operations})),
        space.post("delete", &json!({"ids": ["c"]})),
        space.kv("DELETE", "a"),
    ] {
        let key = unique();
        let first = with_key(call.clone(), &key).await;
        assert!(first.status < 300, "{first:?}");
        let version = space.describe().await["version"].clone();
        for _ in 0..2 {
            let second = with_key(call.clone(), &key).await;
            same_answer(&first, &second);
        }
        assert_eq!(space.describe().await["version"], version, "written once");
    }
}

#[tokio::test]
async fn a_replay_does_not_undo_later_writes() {
    let space = Space::new();
    let key = unique();
    let first = with_key(space.put("k", "first"), &key).await.expect(201);
    space.put("k", "second").await.expect(200);
    let replay = with_key(space.put("k", "first"), &key).await;
    same_answer(&first, &replay);
    assert_eq!(space.kv("GET", "k").await.body, b"second");
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let space = Space::new();
    let key = unique();
    with_key(space.put("k", "x"), &key).await.expect(201);
    let ttl = space.api.call("PUT", space.path("/kv/k?ttl=100"));
    for other in [
        space.put("k", "y"),
        space.put("k2", "x"),
        ttl.body("text/plain", "x"),
        space.kv("PUT", "k").body("text/html", "x"),
        space.kv("DELETE", "k"),
        space.post("upsert", &json!({"records": [{"id": "a"}]})),
        space.post("delete", &json!({"all": true})),
    ] {
        with_key(other, &key)
            .await
            .problem("idempotency_key_reused");
    }
    assert_eq!(space.describe().await["version"], 1);
    with_key(space.put("k", "y"), &unique()).await.expect(200);
}

#[tokio::test]
async fn a_refused_request_uses_no_key_up() {
    let space = Space::new();
    let key = unique();
    with_key(space.post_text("upsert", "{not json"), &key)
        .await
        .problem("invalid_request");
    let upsert = json!({"records": [{"id": "a"}]});
    with_key(space.post("upsert", &upsert), &key)
        .await
        .expect(200);
    assert_eq!(space.describe().await["records"], 1);
}

#[tokio::test]
async fn keys_are_visible_ascii() {
    let space = Space::new();
    for key in [
        "!",
        "~",
        "a-b_c:d/e",
        "00000000-0000-0000-0000-000000000000",
    ] {
        with_key(space.put(key, "x"), key).await.expect(201);
    }
    let version = space.describe().await["version"].clone();
    for key in ["", "a b", "é", "a\tb"] {
        with_key(space.put("bad", "x"), key)
            .await
            .problem("invalid_request");
    }
    assert_eq!(space.describe().await["version"], version);
}

#[tokio::test]
async fn concurrent_repeats_write_once() {
    let space = Space::new();
    space.put("other", "x").await.expect(201);
    for round in 0..5 {
        let key = unique();
        let upsert = json!({"records": [{"id": "a", "value": round}]});
        let calls = (0..8).map(|_| with_key(space.post("upsert", &upsert), &key).into_future());
        let answers = join_all(calls).await;
        let first = answers[0].body.clone();
        let mut originals = 0;
        for answer in answers {
            let answer = answer.expect(200);
            answer.check(answer.body == first, "all get one answer");
            if answer.header_if_any("idempotency-replayed").is_none() {
                originals += 1;
            }
        }
        assert_eq!(originals, 1);
        assert_eq!(space.describe().await["version"], round + 2);
    }
}
