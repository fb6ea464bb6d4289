//! Forms a body comes in.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::support::Api;

const UPSERT: &str = "/v1/namespaces/ns/upsert";
const JSON: (&str, &str) = ("content-type", "application/json");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn json_is_announced() {
    let api = Api::new();
    for headers in [&[][..], &[("content-type", "text/plain")]] {
        let answer = api
            .call("POST", UPSERT, headers, r#"{"records":[]}"#)
            .expect(415);
        assert_eq!(answer.code(), "unsupported_media_type");
    }
    let answer = api
        .call("POST", UPSERT, &[JSON, ("content-encoding", "br")], "x")
        .expect(415);
    assert_eq!(answer.code(), "unsupported_media_type");
    for (body, word) in [
        ("", "empty"),
        ("{", "not valid JSON"),
        ("[]", "struct UpsertRequest"),
        ("{} x", "not valid JSON"),
    ] {
        let answer = api.call("POST", UPSERT, &[JSON], body).expect(400);
        assert_eq!(answer.code(), "invalid_request", "{body}");
        let _ = word;
    }
}

#[test]
fn bodies_may_be_compressed() {
    let api = Api::new();
    let packed = [JSON, ("content-encoding", "gzip")];
    let body = gzip(br#"{"records":[{"id":"a","value":1}]}"#);
    api.call("POST", UPSERT, &packed, body).expect(200);
    let bomb = gzip(&vec![b' '; 33 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(
        api.call("POST", UPSERT, &packed, bomb).expect(413).code(),
        "body_too_large"
    );
    let value = [("content-encoding", "gzip")];
    api.call("PUT", "/v1/namespaces/ns/kv/z", &value, gzip(b"plain"))
        .expect(201);
    assert_eq!(api.get("/v1/namespaces/ns/kv/z").body, "plain");
}

#[test]
fn bodies_have_a_limit() {
    let api = Api::new();
    let answer = api
        .call("POST", UPSERT, &[JSON], vec![b' '; (32 << 20) + 1])
        .expect(413);
    assert_eq!(answer.code(), "body_too_large");
    let announced = [JSON, ("content-length", "99999999999")];
    assert_eq!(
        api.call("POST", UPSERT, &announced, "{}")
            .expect(413)
            .code(),
        "body_too_large"
    );
}
