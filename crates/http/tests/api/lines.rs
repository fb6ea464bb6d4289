//! Export and import.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Answer, Api, Setup};

const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

fn import(api: &Api, body: impl Into<axum::body::Body>) -> Answer {
    api.call("POST", "/v1/namespaces/to/import", &[LINES], body)
}

#[test]
fn what_is_exported_can_be_imported() {
    let api = Api::new();
    let records = json!({"records": [
        {"id": "a", "vector": [1, 0.25], "metadata": {"n": 1.5, "l": ["x"]}, "text": "t", "value": [1], "ttl": 60},
        {"id": "b", "value": "line\nbreak"},
        {"id": "c", "value_base64": "/w=="},
        {"id": "d"},
    ]});
    api.post("/v1/namespaces/from/upsert", &records).expect(200);
    api.call(
        "PUT",
        "/v1/namespaces/from/kv/e",
        &[("content-type", "application/json")],
        "{\n}\n",
    )
    .expect(201);
    let export = api.get("/v1/namespaces/from/export").expect(200);
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    assert_eq!(export.body.iter().filter(|byte| **byte == b'\n').count(), 5);
    assert_eq!(
        import(&api, export.body.clone()).ok(),
        json!({"imported": 5, "version": 1})
    );
    let strip = |body: &[u8]| -> Vec<Value> {
        let lines = body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let mut record: Value = serde_json::from_slice(line).unwrap();
                record.as_object_mut().unwrap().remove("version");
                record
            })
            .collect()
    };
    let copy = api.get("/v1/namespaces/to/export").expect(200);
    assert_eq!(strip(&copy.body), strip(&export.body));
    assert_eq!(api.get("/v1/namespaces/to/kv/e").body, "{\n}\n");
}

#[test]
fn the_first_bad_line_ends_an_import() {
    let api = Api::new();
    let mut lines = String::new();
    for i in 0..1_500 {
        writeln!(lines, "{{\"id\":\"{i}\",\"vector\":[1,2]}}").unwrap();
    }
    lines.push_str("\n{\"id\":\"x\",\"vector\":[1,2,3]}");
    let answer = import(&api, lines.clone()).expect(400);
    assert_eq!(
        answer.problem(),
        ("dimension_mismatch".into(), "vector".into())
    );
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("line 1502: ")
    );
    assert_eq!(api.get("/v1/namespaces/to").ok()["records"], 1_000);
    for (line, path) in [
        ("{\"id\":1}", "id"),
        ("nonsense", ""),
        ("{\"id\":\"a\",\"ttl\":0}", "ttl"),
    ] {
        let answer = import(&api, format!("{{\"id\":\"ok\"}}\n{line}\n")).expect(400);
        assert_eq!(answer.problem(), ("invalid_request".into(), path.into()));
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .starts_with("line 2: "),
            "{line}"
        );
    }
    assert_eq!(api.get("/v1/namespaces/to").ok()["records"], 1_000);
    assert_eq!(
        api.call("POST", "/v1/namespaces/to/import", &[], "")
            .expect(415)
            .code(),
        "unsupported_media_type"
    );
}

#[test]
fn lines_have_a_limit_and_may_come_in_any_pieces() {
    let limits = quartz_api::Limits {
        import_line_bytes: 40,
        ..Default::default()
    };
    let api = Api::with(Setup {
        limits,
        ..Setup::default()
    });
    let text = b"{\"id\":\"a\"}\r\n\n{\"id\":\"b\",\"text\":\"123\"}\n{\"id\":\"c\"}";
    let pieces: Vec<_> = text
        .chunks(3)
        .map(|p| Ok::<_, std::io::Error>(p.to_vec()))
        .collect();
    let body = axum::body::Body::from_stream(futures::stream::iter(pieces));
    assert_eq!(import(&api, body).ok()["imported"], 3);
    let long = format!("{{\"id\":\"d\"}}\n{{\"id\":\"{}\"}}\n", "x".repeat(40));
    let answer = import(&api, long).expect(400);
    assert_eq!(answer.code(), "limit_exceeded");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("line 2: ")
    );
    assert_eq!(import(&api, "").ok()["imported"], 0);
}

#[test]
fn a_line_may_not_unpack_without_end() {
    use std::io::Write as _;
    let api = Api::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![b' '; 48 << 20]).unwrap();
    let packed = [LINES, ("content-encoding", "gzip")];
    let bomb = encoder.finish().unwrap();
    let answer = api
        .call("POST", "/v1/namespaces/to/import", &packed, bomb)
        .expect(400);
    assert_eq!(answer.code(), "limit_exceeded");
}
