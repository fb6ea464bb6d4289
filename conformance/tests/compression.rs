//! Compressed bodies, both ways, and what a small one may grow to.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use quartz_conformance::{Call, Space};
use serde_json::json;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("room");
    encoder.finish().expect("room")
}

fn gzipped(call: Call) -> Call {
    call.header("content-encoding", "gzip")
}

#[tokio::test]
async fn request_bodies_may_be_gzip() {
    let space = Space::new();
    let upsert = gzip(
        json!({"records": [{"id": "a", "value": 1}]})
            .to_string()
            .as_bytes(),
    );
    gzipped(space.post_text("upsert", upsert)).await.expect(200);
    let value = gzip(b"the value");
    let put = space.kv("PUT", "k").body("text/plain", value);
    gzipped(put).await.expect(201);
    let get = space.kv("GET", "k").await.expect(200);
    assert_eq!(get.body, b"the value");
    assert_eq!(get.header_if_any("content-encoding"), None);
    let lines = gzip(b"{\"id\":\"b\"}\n{\"id\":\"c\"}\n");
    let import = space.api.call("POST", space.path("/import"));
    let import = gzipped(import.body("application/x-ndjson", lines)).await;
    assert_eq!(import.ok()["imported"], 2);
    assert_eq!(space.ids("records", "").await, ["a", "b", "c", "k"]);
}

#[tokio::test]
async fn a_bomb_is_limited() {
    let space = Space::new();
    let mut bomb = vec![b' '; 64 << 20];
    let end = bomb.len();
    bomb.splice(end.., *b"{\"records\":[{\"id\":\"a\"}]}");
    let bomb = gzip(&bomb);
    assert!(bomb.len() < 1 << 20);
    gzipped(space.post_text("upsert", bomb.clone()))
        .await
        .problem("body_too_large");
    let put = space.kv("PUT", "k").body("text/plain", bomb.clone());
    gzipped(put)
        .await
        .problem_among(&["body_too_large", "limit_exceeded"]);
    let import = space.api.call("POST", space.path("/import"));
    gzipped(import.body("application/x-ndjson", bomb))
        .await
        .problem("limit_exceeded");
    space.get("").await.problem("namespace_not_found");
}

#[tokio::test]
async fn bodies_that_are_not_what_they_say() {
    let space = Space::new();
    let body = json!({"records": [{"id": "a"}]}).to_string();
    let whole = gzip(body.as_bytes());
    let mut damaged = whole.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    for broken in [
        body.clone().into_bytes(),
        whole[..whole.len() - 9].to_vec(),
        damaged,
        vec![],
    ] {
        gzipped(space.post_text("upsert", broken))
            .await
            .problem("invalid_request");
    }
    for encoding in ["br2", "compress", "gzip2"] {
        let call = space.post_text("upsert", body.clone());
        call.header("content-encoding", encoding)
            .await
            .problem("unsupported_media_type");
    }
    space.get("").await.problem("namespace_not_found");
    let call = space.post_text("upsert", body);
    call.header("content-encoding", "identity")
        .await
        .expect(200);
}

#[tokio::test]
async fn answers_are_gzip_for_those_who_ask() {
    let space = Space::new();
    let records: Vec<_> = (0..500)
        .map(|i| json!({"id": format!("record number {i:04}"), "value": "x"}))
        .collect();
    space.upsert(&json!(records)).await;
    let list = || space.get("/records?limit=500");
    let plain = list().await.expect(200);
    assert_eq!(plain.header_if_any("content-encoding"), None);
    let packed = list().header("accept-encoding", "gzip").await.expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == plain.body, "the same answer");
    let refused = list().header("accept-encoding", "identity").await;
    assert_eq!(refused.header_if_any("content-encoding"), None);
}
