//! The key-value face: bytes in, the same bytes out.

use quartz_conformance::{Space, encode};
use serde_json::json;

/// Ids that a careless path, prefix or text layer would change.
const ODD_KEYS: &[&str] = &[
    "a",
    "A",
    "a b",
    " leading and trailing ",
    "a+b",
    "a/b",
    "a//b",
    "/",
    "a%2Fb",
    "%",
    "%00",
    "a?b=c&d#e",
    "a;b,c:d@e!$'()*[]{}|\\^`\"<>",
    "../../etc/passwd",
    "a/../b",
    "..x",
    "...",
    "é",
    "e\u{301}",
    "日本語",
    "🦀🔑",
    "\u{202e}right to left",
    "line\nbreak\ttab\r",
    "nul\0nul",
    "\u{7f}",
    "\u{ffff}",
    "\u{10ffff}",
    "kv",
    "null",
    "0",
];

#[tokio::test]
async fn put_creates_then_replaces() {
    let space = Space::new();
    let first = space.put("k", "one").await.expect(201);
    assert_eq!((first.etag(), first.version()), (1, 1));
    let second = space.put("k", "two").await.expect(200);
    assert_eq!((second.etag(), second.version()), (2, 2));
    let answer = space.kv("GET", "k").await.expect(200);
    assert_eq!(answer.body, b"two");
    assert_eq!((answer.etag(), answer.version()), (2, 2));
    assert_eq!(answer.header("content-type"), "text/plain");
}

#[tokio::test]
async fn etag_is_of_the_record_and_quartz_version_of_the_namespace() {
    let space = Space::new();
    space.put("a", "1").await.expect(201);
    space.put("b", "2").await.expect(201);
    space.put("c", "3").await.expect(201);
    let answer = space.kv("GET", "b").await.expect(200);
    assert_eq!((answer.etag(), answer.version()), (2, 3));
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let space = Space::new();
    space.kv("GET", "k").await.problem("namespace_not_found");
    space.kv("HEAD", "k").await.expect(404);
    space.put("other", "x").await.expect(201);
    space.kv("GET", "k").await.problem("record_not_found");
    space.kv("HEAD", "k").await.expect(404);
    // Ids are compared as bytes, whole.
    space.kv("GET", "othe").await.problem("record_not_found");
    space.kv("GET", "other ").await.problem("record_not_found");
    space.kv("GET", "Other").await.problem("record_not_found");
}

#[tokio::test]
async fn a_record_without_a_value_is_404() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "v", "vector": [1, 2], "metadata": {"a": 1}, "text": "t"}]))
        .await;
    space.kv("GET", "v").await.problem("record_not_found");
    space.kv("HEAD", "v").await.expect(404);
    assert_eq!(space.ids("kv", "").await, [""; 0]);
    assert_eq!(space.ids("records", "").await, ["v"]);
}

#[tokio::test]
async fn values_are_kept_byte_for_byte() {
    let space = Space::new();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut large = vec![0; 1 << 20];
    fastrand::Rng::with_seed(7).fill(&mut large);
    let values: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("zero", b"\0"),
        ("bytes", &all_bytes),
        ("utf8", "żółć 🦀".as_bytes()),
        ("broken utf8", b"\xff\xfe\x80"),
        ("json", b"{ \"b\" : 1,\n\t\"a\":2.50 }\n"),
        ("almost json", b"{oops"),
        ("looks gzipped", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("lines", b"a\r\nb\nc\r"),
        ("one mebibyte", &large),
    ];
    for (key, value) in values {
        space
            .kv("PUT", key)
            .body("application/octet-stream", *value)
            .await
            .expect(201);
    }
    for (key, value) in values {
        let answer = space.kv("GET", key).await.expect(200);
        assert!(answer.body == *value, "{key}: the value came back changed");
        assert_eq!(answer.header("content-length"), value.len().to_string());
    }
}

#[tokio::test]
async fn content_types_are_kept_byte_for_byte() {
    let space = Space::new();
    let content_types = [
        "text/plain",
        "text/plain; charset=utf-8",
        "TEXT/Plain;  Charset=\"UTF-8\" ;x=y",
        "application/json",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "image/png",
        "x/y",
        "no slash at all",
    ];
    for content_type in content_types {
        // Not what the type promises: the server does not look into values.
        space
            .kv("PUT", content_type)
            .body(content_type, "{\"a")
            .await
            .expect(201);
        let answer = space.kv("GET", content_type).await.expect(200);
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.body, b"{\"a");
    }
    let without = space.kv("PUT", "none").untyped_body("x").await;
    without.expect(201);
    let answer = space.kv("GET", "none").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn the_content_type_is_replaced_with_the_value() {
    let space = Space::new();
    space.kv("PUT", "k").body("a/b", "1").await.expect(201);
    space.kv("PUT", "k").body("c/d", "2").await.expect(200);
    let answer = space.kv("GET", "k").await.expect(200);
    assert_eq!(answer.header("content-type"), "c/d");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let space = Space::new();
    space.put("text", "some value").await.expect(201);
    space.put("empty", "").await.expect(201);
    for key in ["text", "empty"] {
        let get = space.kv("GET", key).await.expect(200);
        let head = space.kv("HEAD", key).await.expect(200);
        assert_eq!(head.body, b"");
        for name in ["content-type", "content-length", "etag", "quartz-version"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let names = |answer: &quartz_conformance::Answer| {
            let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&head), names(&get));
    }
    let head = space.kv("HEAD", "gone").await.expect(404);
    assert_eq!(head.body, b"");
}

#[tokio::test]
async fn delete_is_204_whether_or_not_it_was_there() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let first = space.kv("DELETE", "k").await.expect(204);
    assert_eq!(first.body, b"");
    assert_eq!(first.version(), 2);
    space.kv("GET", "k").await.problem("record_not_found");
    let second = space.kv("DELETE", "k").await.expect(204);
    assert_eq!(second.version(), 2, "nothing changed, no new version");
    space.put("k", "again").await.expect(201);
}

#[tokio::test]
async fn put_leaves_vector_metadata_and_text() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "k", "vector": [1, 2], "metadata": {"a": 1}, "text": "t"}]))
        .await;
    let answer = space.put("k", "value").await;
    assert!(
        answer.status == 201 || answer.status == 200,
        "the key is new, the record is not"
    );
    let record = space.record("k").await;
    assert_eq!(record["vector"], json!([1.0, 2.0]));
    assert_eq!(record["metadata"], json!({"a": 1}));
    assert_eq!(record["text"], "t");
    assert_eq!(record["value"], "value");
    assert_eq!(record["content_type"], "text/plain");
    assert_eq!(record["version"], 2);
}

#[tokio::test]
async fn delete_removes_the_whole_record() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "k", "vector": [1, 2], "metadata": {"a": 1}, "value": 1}]))
        .await;
    space.kv("DELETE", "k").await.expect(204);
    assert_eq!(space.fetch("k", &["vector"]).await, None);
    let found = space.post("query", &json!({"vector": [1, 2]})).await.ok();
    assert_eq!(found["matches"], json!([]));
    assert_eq!(space.count(&json!({"a": 1})).await, 0);
    // A record without a value is deleted through the same door.
    space.upsert(&json!([{"id": "v", "vector": [1, 2]}])).await;
    space.kv("DELETE", "v").await.expect(204);
    assert_eq!(space.fetch("v", &[]).await, None);
}

#[tokio::test]
async fn odd_keys_are_kept_apart_and_come_back_unchanged() {
    let space = Space::new();
    let longest = "🦀".repeat(128);
    let mut keys: Vec<&str> = ODD_KEYS.to_vec();
    keys.push(&longest);
    for key in &keys {
        space.put(key, &format!("value of {key}")).await.expect(201);
    }
    for key in &keys {
        let answer = space.kv("GET", key).await.expect(200);
        assert_eq!(answer.body, format!("value of {key}").as_bytes(), "{key:?}");
    }
    keys.sort_unstable_by_key(|key| key.as_bytes());
    assert_eq!(space.ids("kv", "limit=7").await, keys);
    assert_eq!(space.ids("records", "limit=7").await, keys);
    let fetched = space.post("fetch", &json!({"ids": keys})).await.ok();
    let ids: Vec<_> = fetched["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, keys);
    for key in &keys {
        space.kv("DELETE", key).await.expect(204);
    }
    assert_eq!(space.describe().await["records"], 0);
}

#[tokio::test]
async fn prefixes_take_odd_keys() {
    let space = Space::new();
    for key in ODD_KEYS {
        space.put(key, "x").await.expect(201);
    }
    for prefix in ["a", "a/", "%", " ", "é", "🦀", "../", "nul\0"] {
        let mut expected: Vec<_> = ODD_KEYS
            .iter()
            .copied()
            .filter(|key| key.starts_with(prefix))
            .collect();
        expected.sort_unstable();
        let listed = space
            .ids("kv", &format!("prefix={}&limit=2", encode(prefix)))
            .await;
        assert_eq!(listed, expected, "prefix {prefix:?}");
    }
}

/// URL parsers fold `.` and `..` away, so these ids are out of reach of the key-value paths; in
/// bodies they are ids as any other.
#[tokio::test]
async fn dot_segments_are_ids_in_bodies() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": ".", "value": 1}, {"id": "..", "value": 2}]))
        .await;
    assert_eq!(space.record("..").await["value"], 2);
    assert_eq!(space.ids("kv", "prefix=.").await, [".", ".."]);
    let deleted = space
        .post("delete", &json!({"ids": [".", ".."]}))
        .await
        .ok();
    assert_eq!(deleted["deleted"], 2);
}

#[tokio::test]
async fn a_key_that_is_not_utf8_is_refused() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for raw in ["%FF", "a%C3", "%ED%A0%80"] {
        let path = space.path(&format!("/kv/{raw}"));
        for method in ["GET", "PUT", "DELETE"] {
            let call = space.api.call(method, path.clone());
            call.await.problem("invalid_request");
        }
    }
    assert_eq!(space.ids("kv", "").await, ["k"]);
}

#[tokio::test]
async fn unknown_parameters_are_refused() {
    let space = Space::new();
    let path = space.path("/kv/k?tll=5");
    let call = space.api.call("PUT", path).body("text/plain", "x");
    call.await.problem("invalid_request");
    space.get("").await.problem("namespace_not_found");
}
