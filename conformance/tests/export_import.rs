//! Export and import: everything out, everything in, equal.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quartz_conformance::{Call, Space};
use serde_json::{Value, json};

fn import(space: &Space, lines: impl Into<Vec<u8>>) -> Call {
    space
        .api
        .call("POST", space.path("/import"))
        .body("application/x-ndjson", lines)
}

/// The records of an export by line, without their versions.
async fn exported(space: &Space) -> Vec<Value> {
    let answer = space.get("/export").await.expect(200);
    let content_type = answer.header("content-type");
    answer.check(
        content_type.split(';').next() == Some("application/x-ndjson"),
        "the export is application/x-ndjson",
    );
    let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
    answer.check(
        text.is_empty() || text.ends_with('\n'),
        "every line is ended",
    );
    text.lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| answer.fail(format_args!("{error} in the line {line}")));
            let version = record.as_object_mut().and_then(|r| r.remove("version"));
            answer.check(version.is_some(), "every record has its version");
            record
        })
        .collect()
}

#[tokio::test]
async fn a_round_trip_is_equal() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "all", "vector": [0.1, -2.5, 3], "metadata": {"s": "x", "n": 0.5, "b": true,
                "l": ["a", "b"], "big": 9007199254740992_i64}, "text": "some\ntext",
                "value": {"a": [1, 2]}, "ttl": 5000},
            {"id": "bare"},
            {"id": "text", "text": ""},
            {"id": "empty fields", "metadata": {"l": []}},
            {"id": "vector", "vector": [1e-30, 3e38, -0.0]},
        ]))
        .await;
    space.put("ключ 🔑\n", "value").await.expect(201);
    let copy = space.sibling();
    let export = space.get("/export").await.expect(200).body;
    let body = import(&copy, export).await.ok();
    assert_eq!(body["imported"], 6);
    let original = exported(&space).await;
    assert_eq!(exported(&copy).await, original);
    let ids: Vec<_> = original.iter().map(|record| &record["id"]).collect();
    assert_eq!(json!(ids), json!(space.ids("records", "").await));
    // The counts too; a copy is as good as the original for every question.
    let facts = async |space: &Space| {
        let mut described = space.describe().await;
        for own in ["name", "version", "created_at"] {
            described[own].take();
        }
        described
    };
    assert_eq!(facts(&copy).await, facts(&space).await);
    assert_eq!(copy.count(&json!({"l": "b", "n": {"$lt": 1}})).await, 1);
    // Imported again, nothing is different.
    let again = space.get("/export").await.expect(200).body;
    import(&copy, again).await.expect(200);
    assert_eq!(exported(&copy).await, original);
}

#[tokio::test]
async fn values_of_every_kind_survive_the_round_trip() {
    let space = Space::new();
    let values: &[(&str, &[u8])] = &[
        ("text/plain", b"plain"),
        ("text/plain", b"line one\nline two\r\n\"quoted\" \\ \0"),
        ("text/plain", b"123"),
        ("text/plain", b"{\"a\":1}"),
        ("text/plain", b""),
        ("text/plain", b"\xff\xfe"),
        ("text/plain; charset=utf-8", "żółw 🦀".as_bytes()),
        ("application/json", b"{ \"b\" : 1,\n\t\"a\": 2.50\n}\n"),
        ("application/json", b"\"a string\""),
        ("application/json", b"a string, not JSON"),
        ("application/json", b"{oops"),
        ("application/json", b"null"),
        ("application/json", b" 1.00 "),
        ("application/json", b"1 2"),
        ("application/json", b""),
        ("application/json", b"\xef\xbb\xbf{}"),
        ("application/json", b"{\"a\":\"\xff\"}"),
        ("application/json; charset=utf-8", b"[1]"),
        ("Application/JSON", b"[1]"),
        ("application/geo+json", b"[1]"),
        ("application/geo+json", b"\"x\""),
        ("application/octet-stream", b"\0\x01\x02\xff"),
        ("application/octet-stream", b"[1]"),
        ("application/octet-stream", b"ascii"),
        ("application/octet-stream", b""),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
    ];
    for (place, (content_type, value)) in values.iter().enumerate() {
        let put = space.kv("PUT", &format!("v{place:02}"));
        put.body(content_type, *value).await.expect(201);
    }
    let copy = space.sibling();
    let export = space.get("/export").await.expect(200).body;
    assert_eq!(import(&copy, export).await.ok()["imported"], values.len());
    for (place, (content_type, value)) in values.iter().enumerate() {
        let answer = copy.kv("GET", &format!("v{place:02}")).await.expect(200);
        let got = String::from_utf8_lossy(&answer.body);
        let sent = String::from_utf8_lossy(value);
        assert!(
            answer.body == *value,
            "{content_type}: {got:?} instead of {sent:?}"
        );
        assert_eq!(answer.header("content-type"), *content_type);
    }
    assert_eq!(exported(&copy).await, exported(&space).await);
}

#[tokio::test]
async fn an_export_holds_all_parts() {
    let space = Space::new();
    space
        .upsert(&json!([
            {"id": "a", "vector": [1, 2], "metadata": {"m": 1}, "text": "t", "value": "v"},
            {"id": "b", "value_base64": "AP8="},
        ]))
        .await;
    assert_eq!(
        exported(&space).await,
        [
            json!({
                "id": "a", "vector": [1.0, 2.0], "metadata": {"m": 1}, "text": "t", "value": "v",
                "content_type": "text/plain",
            }),
            json!({
                "id": "b", "value_base64": "AP8=", "content_type": "application/octet-stream",
            }),
        ]
    );
    let empty = space.sibling();
    empty.configure(&json!({})).await.expect(201);
    assert_eq!(exported(&empty).await, [json!(null); 0]);
}

#[tokio::test]
async fn an_export_is_one_snapshot() {
    let space = Space::new();
    for page in 0..5 {
        let records: Vec<_> = (0..1000)
            .map(|i| json!({"id": format!("{page}-{i}"), "value": "x".repeat(100)}))
            .collect();
        space.upsert(&json!(records)).await;
    }
    let touch = json!({"filter": {}, "metadata": {"n": 1}});
    let (export, changed) = futures::join!(
        space.get("/export").into_future(),
        space.post("update", &touch).into_future(),
    );
    changed.expect(200);
    let text = String::from_utf8(export.expect(200).body).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 5000);
    let changed = records.iter().filter(|r| r["metadata"]["n"] == 1).count();
    assert!(
        changed == 0 || changed == 5000,
        "{changed} of 5000 are of the later commit"
    );
}

#[tokio::test]
async fn import_takes_what_upsert_takes() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"old": 1}, "text": "old"}]))
        .await;
    let lines = format!(
        "{}\n{}\n{}",
        json!({"id": "a", "value": 1}),
        json!({"id": "b", "vector": STANDARD.encode([0, 0, 128, 63, 0, 0, 32, 192])}),
        json!({"id": "c", "value": "x", "content_type": "a/b"}),
    );
    let answer = import(&space, lines).await;
    let body = answer.clone().ok();
    assert_eq!(body, json!({"imported": 3, "version": answer.version()}));
    let a = space.record("a").await;
    assert_eq!(
        (a.get("text"), &a["value"]),
        (None, &json!(1)),
        "replaced as a whole"
    );
    assert_eq!(space.record("b").await["vector"], json!([1.0, -2.5]));
    let c = space.kv("GET", "c").await.expect(200);
    assert_eq!(c.header("content-type"), "a/b");
}

#[tokio::test]
async fn an_empty_import_changes_nothing() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let body = import(&space, "").await.ok();
    assert_eq!(body, json!({"imported": 0, "version": 1}));
}

#[tokio::test]
async fn the_first_bad_line_ends_an_import() {
    for bad in [
        "{not json",
        "[]",
        r#"{"value":1}"#,
        r#"{"id":""}"#,
        r#"{"id":"x","vectr":[1]}"#,
        r#"{"id":"x","metadata":{"a":{}}}"#,
        r#"{"id":"x","value":1,"value_base64":"AA=="}"#,
    ] {
        let space = Space::new();
        let lines = format!(
            "{}\n{}\n{bad}\n{}\n",
            r#"{"id":"a"}"#, r#"{"id":"b"}"#, "{}"
        );
        let problem = import(&space, lines).await.problem("invalid_request");
        let names_it = problem.detail.to_lowercase().contains("line 3");
        problem.answer.check(names_it, "the sentence names line 3");
    }
    let space = Space::new();
    let lines = "{\"id\":\"a\",\"vector\":[1,2]}\n{\"id\":\"b\",\"vector\":[1,2,3]}\n";
    let problem = import(&space, lines).await.problem("dimension_mismatch");
    assert!(
        problem.detail.to_lowercase().contains("line 2"),
        "{problem:?}"
    );
}

#[tokio::test]
async fn slices_before_a_bad_line_stay() {
    let space = Space::new();
    let mut lines: Vec<_> = (0..2500)
        .map(|i| format!(r#"{{"id":"r{i:04}"}}"#))
        .collect();
    lines[2400] = "broken".to_owned();
    let problem = import(&space, lines.join("\n"))
        .await
        .problem("invalid_request");
    assert!(
        problem.detail.to_lowercase().contains("line 2401"),
        "{problem:?}"
    );
    let ids = space.ids("records", "limit=1000").await;
    // Slices have up to a thousand lines: the last one, with the bad line, has left nothing.
    assert!((1401..=2400).contains(&ids.len()), "{} stayed", ids.len());
    let expected: Vec<_> = (0..ids.len()).map(|i| format!("r{i:04}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn an_import_may_be_longer_than_a_body() {
    let space = Space::new();
    let mut lines = String::with_capacity(36 << 20);
    for i in 0..35 {
        let record = format!("{{\"id\":\"r{i:02}\"}}");
        lines += &record;
        lines += &" ".repeat((1 << 20) - record.len());
        lines.push('\n');
    }
    assert!(lines.len() > 32 << 20);
    assert_eq!(import(&space, lines).await.ok()["imported"], 35);
    assert_eq!(space.describe().await["records"], 35);
}

#[tokio::test]
async fn what_has_expired_stays_gone() {
    let space = Space::new();
    let lines = "{\"id\":\"old\",\"version\":1,\"expires_at\":1000}\n{\"id\":\"new\"}\n";
    import(&space, lines).await.expect(200);
    assert_eq!(space.ids("records", "").await, ["new"]);
    assert_eq!(space.describe().await["records"], 1);
}
