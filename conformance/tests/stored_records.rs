//! What an upsert keeps: whole records, values byte for byte, flat metadata, ids.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quartz_conformance::Space;
use serde_json::json;

#[tokio::test]
async fn an_upsert_replaces_the_record_as_a_whole() {
    let space = Space::new();
    let full = json!([{
        "id": "a", "vector": [1, 2], "metadata": {"m": 1}, "text": "t", "value": "v", "ttl": 1000,
    }]);
    let answer = space.post("upsert", &json!({"records": full})).await.ok();
    assert_eq!(answer, json!({"upserted": 1, "skipped": 0, "version": 1}));
    assert!(space.record("a").await["expires_at"].is_u64());
    space.upsert(&json!([{"id": "a", "text": "other"}])).await;
    let mut record = space.record("a").await;
    if record["metadata"] == json!({}) {
        record.as_object_mut().unwrap().remove("metadata");
    }
    assert_eq!(record, json!({"id": "a", "version": 2, "text": "other"}));
    space.kv("GET", "a").await.problem("record_not_found");
}

#[tokio::test]
async fn json_values_are_kept_byte_for_byte() {
    let space = Space::new();
    let values = [
        ("object", "{ \"b\" : 1,  \"a\":2.50 }"),
        ("number", "1.00"),
        ("large number", "123456789012345678901234567890"),
        ("list", "[1, 2 ,3]"),
        ("boolean", "true"),
        ("escapes", r#"{"\u0061":"\/"}"#),
        ("duplicate", r#"{"a":1,"a":2}"#),
    ];
    for (id, value) in values {
        let body = format!("{{\"records\":[{{\"id\":\"{id}\",\"value\":{value}}}]}}");
        space.post_text("upsert", body).await.expect(200);
        let answer = space.kv("GET", id).await.expect(200);
        assert_eq!(String::from_utf8_lossy(&answer.body), value);
        assert_eq!(answer.header("content-type"), "application/json");
        let include = json!({"ids": [id], "include": ["value"]});
        let answer = space.post("fetch", &include).await.expect(200);
        let text = String::from_utf8_lossy(&answer.body);
        answer.check(
            text.contains(value),
            "the value stands in it as it was sent",
        );
    }
}

#[tokio::test]
async fn forms_of_a_value() {
    let space = Space::new();
    let binary = [0u8, 159, 146, 150, 255];
    space
        .upsert(&json!([
            {"id": "string", "value": "plain \"text\" 🦀"},
            {"id": "typed string", "value": "<p>", "content_type": "text/html"},
            {"id": "typed json", "value": {"a": 1}, "content_type": "application/geo+json"},
            {"id": "binary", "value_base64": STANDARD.encode(binary)},
            {"id": "image", "value_base64": STANDARD.encode(binary), "content_type": "image/png"},
            {"id": "empty", "value": ""},
            {"id": "empty binary", "value_base64": ""},
        ]))
        .await;
    for (id, content_type, bytes) in [
        ("string", "text/plain", "plain \"text\" 🦀".as_bytes()),
        ("typed string", "text/html", b"<p>"),
        ("typed json", "application/geo+json", b"{\"a\":1}"),
        ("binary", "application/octet-stream", &binary),
        ("image", "image/png", &binary),
        ("empty", "text/plain", b""),
        ("empty binary", "application/octet-stream", b""),
    ] {
        let answer = space.kv("GET", id).await.expect(200);
        assert_eq!(answer.body, bytes, "{id}");
        assert_eq!(answer.header("content-type"), content_type, "{id}");
    }
    assert_eq!(space.record("string").await["value"], "plain \"text\" 🦀");
    assert_eq!(space.record("typed string").await["value"], "<p>");
    let image = space.record("image").await;
    assert_eq!(image["value_base64"], STANDARD.encode(binary));
    assert_eq!(image.get("value"), None);
    assert_eq!(image["content_type"], "image/png");
    for (record, place) in [
        (
            json!({"id": "a", "value": 1, "value_base64": "AA=="}),
            "records[0]",
        ),
        (
            json!({"id": "a", "value_base64": "not base64!"}),
            "records[0].value_base64",
        ),
        (
            json!({"id": "a", "value_base64": 1}),
            "records[0].value_base64",
        ),
    ] {
        space
            .post("upsert", &json!({"records": [record]}))
            .await
            .problem("invalid_request")
            .at(place);
    }
}

#[tokio::test]
async fn metadata_are_flat() {
    let space = Space::new();
    let metadata = json!({
        "s": "x", "empty": "", "i": 1, "neg": -3, "f": 0.5, "big": 9007199254740992_i64,
        "t": true, "n": false, "list": ["a", "b", "a"], "none": [], "é 🦀": "unicode", "a.b": 1,
    });
    space
        .upsert(&json!([{"id": "a", "metadata": metadata}]))
        .await;
    assert_eq!(space.record("a").await["metadata"], metadata);
    for bad in [
        json!({"x": null}),
        json!({"x": {}}),
        json!({"x": [1]}),
        json!({"x": ["a", 1]}),
        json!({"x": [["a"]]}),
        json!({"x": 9007199254740993_i64}),
        json!({"x": -9007199254740993_i64}),
        json!({"x": u64::MAX}),
    ] {
        let records = json!([{"id": "ok"}, {"id": "b", "metadata": bad}]);
        space
            .post("upsert", &json!({"records": records}))
            .await
            .problem("invalid_request")
            .at("records[1].metadata");
    }
    for bad in [json!([]), json!("x"), json!(1)] {
        let records = json!([{"id": "b", "metadata": bad}]);
        space
            .post("upsert", &json!({"records": records}))
            .await
            .problem("invalid_request")
            .at("records[0].metadata");
    }
    assert_eq!(space.ids("records", "").await, ["a"]);
}

#[tokio::test]
async fn fetch_keeps_the_order_and_names_what_is_missing() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "value": 1}, {"id": "b", "value": 2}, {"id": "c"}]))
        .await;
    let ask = json!({"ids": ["c", "gone", "a", "also gone", "b"], "include": []});
    let answer = space.post("fetch", &ask).await;
    let expected = json!({
        "records": [{"id": "c", "version": 1}, {"id": "a", "version": 1}, {"id": "b", "version": 1}],
        "missing": ["gone", "also gone"],
        "version": 1,
    });
    assert_eq!(answer.version(), 1);
    assert_eq!(answer.ok(), expected);
}

#[tokio::test]
async fn ids_are_checked() {
    let space = Space::new();
    for record in [
        json!({"value": 1}),
        json!({"id": 1}),
        json!({"id": null}),
        json!({"id": ""}),
    ] {
        space
            .post("upsert", &json!({"records": [{"id": "ok"}, record]}))
            .await
            .problem("invalid_request")
            .at("records[1]");
    }
    space.get("").await.problem("namespace_not_found");
}
