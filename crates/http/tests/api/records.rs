//! Whole records: upsert, query, fetch, update, delete, batch, list.

use serde_json::{Value, json};

use crate::support::{Answer, Api};

const NS: &str = "/v1/namespaces/ns";

fn post(api: &Api, endpoint: &str, body: &Value) -> Answer {
    api.post(&format!("{NS}/{endpoint}"), body)
}

#[test]
fn what_is_stored_is_found_and_fetched() {
    let api = Api::new();
    let records = json!({"records": [
        {"id": "a", "vector": [1, 0], "metadata": {"n": 1, "tags": ["x", "y"]}, "value": {"b": 1.50}},
        {"id": "b", "vector": [0, 1], "metadata": {"n": 2}, "text": "hello", "value": "plain"},
        {"id": "c", "value_base64": "/wA="},
    ]});
    let answer = post(&api, "upsert", &records);
    assert_eq!(
        answer.ok(),
        json!({"upserted": 3, "skipped": 0, "version": 1})
    );
    let ask = json!({"vector": [1, 0.1], "filter": {"n": {"$gte": 1}}, "include": ["metadata"]});
    let found = post(&api, "query", &ask).ok();
    assert_eq!(found["matches"][0]["id"], "a");
    assert_eq!(
        found["matches"][0]["metadata"],
        json!({"n": 1, "tags": ["x", "y"]})
    );
    assert_eq!(found["matches"].as_array().unwrap().len(), 2);
    let near = post(&api, "query", &json!({"id": "a"})).ok();
    assert_eq!(near["matches"].as_array().unwrap().len(), 1);
    let ask = json!({"ids": ["c", "x", "b"], "include": ["value", "text", "vector"]});
    assert_eq!(
        post(&api, "fetch", &ask).ok(),
        json!({
            "records": [
                {"id": "c", "version": 1, "value_base64": "/wA=", "content_type": "application/octet-stream"},
                {"id": "b", "version": 1, "vector": [0.0, 1.0], "text": "hello", "value": "plain", "content_type": "text/plain"},
            ],
            "missing": ["x"],
            "version": 1,
        })
    );
    let value = api.get(&format!("{NS}/kv/a")).expect(200);
    assert_eq!(
        (value.body.as_ref(), value.header("content-type")),
        (&b"{\"b\":1.5}"[..], "application/json")
    );
    let listed = api.get(&format!("{NS}/records?include=metadata,text")).ok();
    assert_eq!(
        listed["records"][1],
        json!({"id": "b", "version": 1, "metadata": {"n": 2}, "text": "hello"})
    );
    let described = api.get(NS).ok();
    assert_eq!(
        (
            &described["records"],
            &described["vectors"],
            &described["dimension"]
        ),
        (&json!(3), &json!(2), &json!(2))
    );
}

#[test]
fn faults_name_their_place() {
    let api = Api::new();
    post(
        &api,
        "upsert",
        &json!({"records": [{"id": "a", "vector": [1, 2]}]}),
    )
    .expect(200);
    let upsert = |record: Value| ("upsert", json!({"records": [{"id": "ok"}, record]}));
    for ((endpoint, body), code, path) in [
        (
            upsert(json!({"id": ""})),
            "invalid_request",
            "records[1].id",
        ),
        (
            upsert(json!({"id": "b", "vector": [1]})),
            "dimension_mismatch",
            "records[1].vector",
        ),
        (
            upsert(json!({"id": "b", "vector": [0, 0]})),
            "vector_invalid",
            "records[1].vector",
        ),
        (
            upsert(json!({"id": "b", "vector": []})),
            "vector_invalid",
            "records[1].vector",
        ),
        (
            upsert(json!({"id": "b", "vector": ["x"]})),
            "invalid_request",
            "records[1].vector[0]",
        ),
        (
            upsert(json!({"id": "b", "metadata": {"x": null}})),
            "invalid_request",
            "records[1].metadata.x",
        ),
        (
            upsert(json!({"id": "b", "metadata": {"$x": 1}})),
            "invalid_request",
            "records[1].metadata.$x",
        ),
        (
            upsert(json!({"id": "b", "ttl": 0})),
            "invalid_request",
            "records[1].ttl",
        ),
        (
            upsert(json!({"id": "b", "if_version": 3})),
            "precondition_failed",
            "records[1]",
        ),
        (
            upsert(json!({"id": "b", "vectr": [1]})),
            "invalid_request",
            "records[1].vectr",
        ),
        (
            upsert(json!({"id": "b", "text": "x".repeat((1 << 20) + 1)})),
            "limit_exceeded",
            "records[1].text",
        ),
        (
            (
                "upsert",
                json!({"records": [], "condition": {"a": {"$x": 1}}}),
            ),
            "filter_invalid",
            "condition.a.$x",
        ),
        (("query", json!({})), "invalid_request", ""),
        (
            ("query", json!({"vector": [1]})),
            "dimension_mismatch",
            "vector",
        ),
        (
            ("query", json!({"vector": [1, 2], "top_k": 0})),
            "invalid_request",
            "top_k",
        ),
        (
            ("query", json!({"vector": [1, 2], "top_k": 10_001})),
            "limit_exceeded",
            "top_k",
        ),
        (("query", json!({"id": "gone"})), "record_not_found", "id"),
        (
            (
                "query",
                json!({"vector": [1, 2], "filter": {"$and": [{"a": 1}, {"p": {"$gt": "x"}}]}}),
            ),
            "filter_invalid",
            "filter.$and[1].p.$gt",
        ),
        (
            ("fetch", json!({"ids": ["a", ""]})),
            "invalid_request",
            "ids[1]",
        ),
        (
            ("fetch", json!({"ids": vec!["a"; 1_001]})),
            "limit_exceeded",
            "ids",
        ),
        (
            ("update", json!({"id": "gone", "metadata": {}})),
            "record_not_found",
            "id",
        ),
        (
            ("batch", json!({"operations": [{"op": "put", "id": "x"}]})),
            "invalid_request",
            "operations[0].value",
        ),
        (
            (
                "batch",
                json!({"operations": [{"op": "delete", "id": "x", "ttl": 1}]}),
            ),
            "invalid_request",
            "operations[0].ttl",
        ),
        (
            (
                "batch",
                json!({"operations": [{"op": "upsert", "id": "x"}, {"op": "update", "id": "y", "text": "t"}]}),
            ),
            "record_not_found",
            "operations[1].id",
        ),
        (
            (
                "batch",
                json!({"operations": [{"op": "check", "id": "a", "if_absent": true}]}),
            ),
            "precondition_failed",
            "operations[0]",
        ),
    ] {
        let problem = post(&api, endpoint, &body).problem();
        let start: String = body.to_string().chars().take(200).collect();
        assert!(problem.1.starts_with(path), "{problem:?} {start}");
        assert_eq!(problem.0, code, "{start}");
    }
    assert_eq!(api.get(NS).ok()["version"], 1);
}

#[test]
fn updates_and_deletes() {
    let api = Api::new();
    let records: Vec<_> = (0..5)
        .map(|i| json!({"id": format!("{i}"), "metadata": {"n": i}}))
        .collect();
    post(&api, "upsert", &json!({"records": records})).expect(200);
    let one = json!({"id": "0", "metadata": {"n": null, "m": true}, "value": 1});
    assert_eq!(
        post(&api, "update", &one).ok(),
        json!({"updated": 1, "version": 2})
    );
    let some = json!({"filter": {"n": {"$gt": 2}}, "metadata": {"big": true}});
    assert_eq!(
        post(&api, "update", &some).ok(),
        json!({"updated": 2, "version": 3})
    );
    let count = json!({"filter": {"big": true}, "dry_run": true});
    assert_eq!(
        post(&api, "delete", &count).ok(),
        json!({"deleted": 2, "dry_run": true, "version": 3})
    );
    let ids = json!({"ids": ["0", "0", "gone"]});
    assert_eq!(
        post(&api, "delete", &ids).ok(),
        json!({"deleted": 1, "dry_run": false, "version": 4})
    );
    let filter = json!({"filter": {"big": true}});
    assert_eq!(
        post(&api, "delete", &filter).ok(),
        json!({"deleted": 2, "dry_run": false, "version": 5})
    );
    let all = json!({"all": true});
    assert_eq!(
        post(&api, "delete", &all).ok(),
        json!({"deleted": 2, "dry_run": false, "version": 6})
    );
    for bad in [
        json!({}),
        json!({"ids": [], "all": true}),
        json!({"all": false}),
    ] {
        assert_eq!(
            post(&api, "delete", &bad).expect(400).code(),
            "invalid_request"
        );
    }
    for bad in [
        json!({"id": "1"}),
        json!({"filter": {}, "text": "x"}),
        json!({"metadata": {}}),
    ] {
        assert_eq!(
            post(&api, "update", &bad).expect(400).code(),
            "invalid_request"
        );
    }
}

#[test]
fn repeats_of_a_delete_by_filter_are_recognised() {
    let api = Api::new();
    post(
        &api,
        "upsert",
        &json!({"records": [{"id": "a", "metadata": {"x": 1}}]}),
    )
    .expect(200);
    let delete = || {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "once"),
        ];
        api.call(
            "POST",
            &format!("{NS}/delete"),
            &headers,
            r#"{"filter":{"x":1}}"#,
        )
        .expect(200)
    };
    let first = delete();
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let second = delete();
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(first.body, second.body);
}

#[test]
fn batches_are_all_or_nothing() {
    let api = Api::new();
    let batch = json!({"operations": [
        {"op": "check", "id": "a", "if_absent": true},
        {"op": "put", "id": "a", "value": "v"},
        {"op": "update", "id": "a", "metadata": {"x": 1}},
        {"op": "upsert", "id": "b", "vector": [1]},
        {"op": "delete", "id": "b"},
        {"op": "delete", "id": "c"},
    ]});
    let answer = post(&api, "batch", &batch);
    assert_eq!(answer.header("quartz-version"), "1");
    assert_eq!(
        answer.ok(),
        json!({
            "results": ["checked", "created", "updated", "created", "deleted", "missing"],
            "version": 1,
        })
    );
    let answer = post(&api, "batch", &batch);
    assert_eq!(
        answer.problem(),
        ("precondition_failed".into(), "operations[0]".into())
    );
    assert_eq!(answer.header("quartz-version"), "1");
}

#[test]
fn namespaces_come_and_go() {
    let api = Api::new();
    assert_eq!(
        post(&api, "update", &json!({"id": "a", "text": "t"})).code(),
        "namespace_not_found"
    );
    let config = json!({"dimension": 2, "metric": "euclidean", "indexed_fields": ["b", "a"]});
    let put = |body: &str| {
        api.call(
            "PUT",
            NS,
            &[("content-type", "application/json")],
            body.to_owned(),
        )
    };
    let made = put(&config.to_string()).expect(201).json();
    assert_eq!(
        (&made["dimension"], &made["metric"]),
        (&json!(2), &json!("euclidean"))
    );
    assert_eq!(made["indexed_fields"], json!(["a", "b"]));
    put(&config.to_string()).expect(200);
    assert_eq!(put("{}").expect(409).code(), "namespace_conflict");
    assert_eq!(
        put(r#"{"dimension": 0}"#).expect(400).problem().1,
        "dimension"
    );
    assert_eq!(
        put(r#"{"dimensions": 3}"#).expect(400).problem().1,
        "dimensions"
    );
    assert_eq!(put("").expect(400).code(), "invalid_request");
    let ask = json!({"vector": [1, 2], "filter": {"c": 1}});
    assert_eq!(
        post(&api, "query", &ask).expect(400).problem(),
        ("field_not_indexed".into(), "filter.c".into())
    );
    api.call("PUT", "/v1/namespaces/other", &[], "").expect(201);
    let listed = api.get("/v1/namespaces?limit=1").ok();
    assert_eq!(listed["namespaces"][0]["name"], "ns");
    let cursor = listed["next_cursor"].as_str().unwrap();
    let listed = api.get(&format!("/v1/namespaces?cursor={cursor}")).ok();
    assert_eq!(listed["namespaces"][0]["name"], "other");
    api.call("DELETE", NS, &[], "").expect(204);
    assert_eq!(
        api.call("DELETE", NS, &[], "").expect(404).code(),
        "namespace_not_found"
    );
    assert_eq!(api.get(NS).expect(404).code(), "namespace_not_found");
    api.call("PUT", &format!("{NS}/kv/k"), &[], "x").expect(201);
}
