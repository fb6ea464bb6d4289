//! The key-value face.

use serde_json::json;

use crate::support::Api;

const K: &str = "/v1/namespaces/ns/kv/k";

#[test]
fn put_get_head_delete() {
    let api = Api::new();
    assert_eq!(api.get(K).expect(404).code(), "namespace_not_found");
    let text = [("content-type", "text/plain; charset=utf-8")];
    let put = api.call("PUT", K, &text, "one").expect(201);
    assert_eq!(
        (put.header("etag"), put.header("quartz-version")),
        ("\"1\"", "1")
    );
    let put = api.call("PUT", K, &text, "two").expect(200);
    assert_eq!(put.header("etag"), "\"2\"");
    let get = api.get(K).expect(200);
    assert_eq!(get.body, "two");
    assert_eq!(get.header("content-type"), "text/plain; charset=utf-8");
    let head = api.call("HEAD", K, &[], "").expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, "3"));
    for name in ["etag", "content-type", "quartz-version", "content-length"] {
        assert_eq!(head.header(name), get.header(name));
    }
    assert_eq!(
        api.call("HEAD", "/v1/namespaces/ns/kv/x", &[], "")
            .expect(404)
            .body,
        ""
    );
    api.call("GET", K, &[("if-none-match", "\"2\"")], "")
        .expect(304);
    api.call("GET", K, &[("if-none-match", "\"1\"")], "")
        .expect(200);
    let delete = api.call("DELETE", K, &[], "").expect(204);
    assert_eq!(delete.header("quartz-version"), "3");
    assert_eq!(
        api.call("DELETE", K, &[], "")
            .expect(204)
            .header("quartz-version"),
        "3"
    );
    let gone = api.get(K).expect(404);
    assert_eq!(
        (gone.code().as_str(), gone.header("quartz-version")),
        ("record_not_found", "3")
    );
}

#[test]
fn conditions_idempotency_and_versions() {
    let api = Api::new();
    let put = |headers: &[(&str, &str)], body: &'static str| api.call("PUT", K, headers, body);
    put(&[("if-none-match", "*")], "a").expect(201);
    assert_eq!(
        put(&[("if-none-match", "*")], "b").expect(412).code(),
        "precondition_failed"
    );
    put(&[("if-match", "\"7\"")], "b").expect(412);
    put(&[("if-match", "\"1\""), ("idempotency-key", "x")], "b").expect(200);
    let again = put(&[("if-match", "\"1\""), ("idempotency-key", "x")], "b").expect(200);
    assert_eq!(
        (again.header("idempotency-replayed"), again.header("etag")),
        ("true", "\"2\"")
    );
    let other = put(&[("idempotency-key", "x")], "c").expect(422);
    assert_eq!(other.code(), "idempotency_key_reused");
    put(&[("quartz-durability", "memory")], "c").expect(200);
    assert_eq!(
        put(&[("quartz-durability", "none")], "d")
            .expect(400)
            .code(),
        "invalid_request"
    );
    api.call("GET", K, &[("quartz-min-version", "3")], "")
        .expect(200);
    let early = api
        .call("GET", K, &[("quartz-min-version", "4")], "")
        .expect(412);
    assert_eq!(early.code(), "version_not_reached");
}

#[test]
fn ttl() {
    let api = Api::new();
    for (ttl, code) in [
        ("0", "invalid_request"),
        ("x", "invalid_request"),
        ("999999999", "limit_exceeded"),
    ] {
        let answer = api
            .call("PUT", &format!("{K}?ttl={ttl}"), &[], "x")
            .expect(400);
        assert_eq!(answer.code(), code, "{ttl}");
    }
    assert_eq!(
        api.call("PUT", &format!("{K}?tll=1"), &[], "x").code(),
        "invalid_request"
    );
    api.call("PUT", &format!("{K}?ttl=5"), &[], "x").expect(201);
    let keys = api.get("/v1/namespaces/ns/kv").ok();
    assert_eq!(keys["records"][0]["expires_at"], 1_005_000);
}

#[test]
fn keys_may_look_like_anything() {
    let api = Api::new();
    let put = |key: &str, value: &'static str| {
        api.call("PUT", &format!("/v1/namespaces/ns/kv/{key}"), &[], value)
    };
    put("a/b", "raw").expect(201);
    put("a%2Fb", "encoded").expect(200);
    put("a/../b", "dots").expect(201);
    put("%00", "nul").expect(201);
    put("%C3%A9", "accent").expect(201);
    put("/", "slash").expect(201);
    assert_eq!(api.get("/v1/namespaces/ns/kv/a/b").body, "encoded");
    assert_eq!(put("%FF", "x").expect(400).code(), "invalid_request");
    assert_eq!(
        put(&"x".repeat(513), "x").expect(400).code(),
        "limit_exceeded"
    );
    let keys = api.get("/v1/namespaces/ns/kv?limit=1000").ok();
    let ids: Vec<_> = keys["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["id"])
        .collect();
    assert_eq!(
        ids,
        [
            &json!("\0"),
            &json!("/"),
            &json!("a/../b"),
            &json!("a/b"),
            &json!("é")
        ]
    );
    let bad = api
        .call("PUT", "/v1/namespaces/-ns/kv/k", &[], "x")
        .expect(400);
    assert_eq!(
        bad.problem(),
        ("invalid_request".into(), "namespace".into())
    );
}

#[test]
fn lists_go_on_where_they_stopped() {
    let api = Api::new();
    for i in 0..7 {
        api.call("PUT", &format!("/v1/namespaces/ns/kv/a{i}"), &[], "x")
            .expect(201);
    }
    let first = api.get("/v1/namespaces/ns/kv?prefix=a&limit=3").ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api
        .get(&format!(
            "/v1/namespaces/ns/kv?prefix=a&limit=3&cursor={cursor}"
        ))
        .ok();
    assert_eq!(second["records"][0]["id"], "a3");
    for path in [
        format!("/v1/namespaces/ns/kv?cursor={cursor}"),
        format!("/v1/namespaces/ns/records?prefix=a&cursor={cursor}"),
        format!("/v1/namespaces?prefix=a&cursor={cursor}"),
        "/v1/namespaces/ns/kv?cursor=x".to_owned(),
    ] {
        assert_eq!(
            api.get(&path).expect(400).problem(),
            ("cursor_invalid".into(), "cursor".into())
        );
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "include=value",
        "prefx=a",
    ] {
        api.get(&format!("/v1/namespaces/ns/kv?{bad}")).expect(400);
    }
}
