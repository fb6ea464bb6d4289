//! A namespace in partitions that are elsewhere answers as one that is here.

use std::sync::Arc;

use axum::{Extension, Router, body::Body, extract::Request, response::Response};
use futures::executor::block_on;
use http::{HeaderMap, StatusCode};
use quartz_api::Metric;
use quartz_core::store::BoxFuture;
use quartz_http::{Partitioned, Partitions, gather, partition_of};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Answer, Api, KEY, Setup};

const COUNT: u16 = 5;

/// Routers of their own, each with the namespace.
struct Apart(Vec<Router>);

impl Partitions for Apart {
    fn call(&self, partition: u16, request: Request) -> BoxFuture<'static, Response> {
        assert!(!request.headers().contains_key("content-length"));
        let router = self.0[usize::from(partition)].clone();
        Box::pin(async move {
            let Ok(response) = router.oneshot(request).await;
            response
        })
    }
}

/// The same namespace twice: in one piece, and in partitions.
struct Twins {
    whole: Api,
    gather: Router,
    space: Partitioned,
}

impl Twins {
    fn new() -> Self {
        let config = json!({"dimension": 2, "partitions": COUNT});
        let create = |api: &Api| {
            let json = [("content-type", "application/json")];
            api.call("PUT", "/v1/namespaces/n", &json, config.to_string())
                .expect(201);
        };
        let whole = Api::new();
        create(&whole);
        let apart = (0..COUNT).map(|_| {
            let api = Api::new();
            create(&api);
            api.into_router()
        });
        let space = Partitioned {
            name: "n".to_owned(),
            count: COUNT,
            metric: Metric::Cosine,
            partitions: Arc::new(Apart(apart.collect())),
        };
        let app = Api::state(Setup::default()).share();
        let gather = gather(&[]).layer(Extension(app));
        Self {
            whole,
            gather,
            space,
        }
    }

    /// Sends a request to both; their statuses and, but for versions, bodies are the same.
    fn both(&self, method: &str, rest: &str, body: &str) -> Value {
        let [whole, apart] = [false, true].map(|apart| self.send(apart, method, rest, body));
        assert_eq!(
            apart.status, whole.status,
            "{method} {rest} {body}: {apart:?}"
        );
        let (whole, apart) = (comparable(&whole), comparable(&apart));
        assert_eq!(apart, whole, "{method} {rest} {body}");
        whole
    }

    fn send(&self, apart: bool, method: &str, rest: &str, body: &str) -> Answer {
        let is_lines = rest.starts_with("/import");
        let kind = if is_lines {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/namespaces/n{rest}"))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", kind)
            .header("x-request-id", "r")
            .body(Body::from(body.to_owned()))
            .unwrap();
        if !apart {
            return self.whole.send(request);
        }
        request.extensions_mut().insert(self.space.clone());
        let Ok(response) = block_on(self.gather.clone().oneshot(request));
        Answer::read(response)
    }
}

/// What must be equal: bodies without the numbers of writes and clusters, which each partition counts for itself,
/// without times, and the parts of a problem.
fn comparable(answer: &Answer) -> Value {
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line)))
        .collect();
    lines.iter_mut().for_each(strip);
    json!({"lines": lines, "type": header(&answer.headers, "content-type")})
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().unwrap().to_owned())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ["version", "created_at", "micros", "clusters"] {
                members.remove(name);
            }
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn record(number: usize) -> Value {
    let angle = number as f32;
    json!({
        "id": format!("r{number:03}"),
        "vector": [angle.cos(), angle.sin()],
        "metadata": {"even": number.is_multiple_of(2)},
        "value": number,
    })
}

fn filled() -> Twins {
    let twins = Twins::new();
    let records: Vec<_> = (0..100).map(record).collect();
    let upserted = twins.both("POST", "/upsert", &json!({"records": records}).to_string());
    assert_eq!(upserted["lines"][0]["upserted"], 100);
    twins
}

#[test]
fn reads_are_the_same() {
    let twins = filled();
    for query in [
        json!({"vector": [1, 0], "explain": true}),
        json!({"vector": [0, 1], "top_k": 33, "include": ["metadata", "vector", "value"]}),
        json!({"vector": [1, 1], "filter": {"even": true}, "top_k": 100}),
        json!({"id": "r042", "top_k": 7}),
        json!({"id": "nothing"}),
        json!({"vector": [1, 0, 0]}),
        json!({"vector": [1, 0], "filter": {"$odd": 1}}),
        json!({"top_k": 3}),
    ] {
        twins.both("POST", "/query", &query.to_string());
    }
    for fetch in [
        json!({"ids": ["r007", "missing", "r001", "r007", "r099", "", "x"]}),
        json!({"ids": ["r007", "missing", "r001", "r007", "r099"]}),
        json!({"ids": []}),
        json!({"ids": ["a", "b"], "include": ["nonsense"]}),
    ] {
        twins.both("POST", "/fetch", &fetch.to_string());
    }
    let described = twins.both("GET", "", "");
    assert_eq!(described["lines"][0]["records"], 100);
    assert_eq!(described["lines"][0]["partitions"], COUNT);
    let exported = twins.both("GET", "/export", "");
    assert_eq!(exported["lines"].as_array().unwrap().len(), 100);
}

#[test]
fn keys_go_to_their_partition() {
    let twins = Twins::new();
    for key in ["a", "a%2Fb", "a/b", "%C3%A4"] {
        let path = format!("/kv/{key}");
        twins.both("GET", &path, "");
        twins.both("PUT", &path, "\"value\"");
        twins.both("GET", &path, "");
        twins.both("HEAD", &path, "");
    }
    twins.both("DELETE", "/kv/a", "");
    twins.both("GET", "/kv/a", "");
    twins.both("GET", "/kv/%FF", "");
    twins.both("GET", "/kv", "");
}

#[test]
fn pages_hold_everything_once_in_order() {
    let twins = filled();
    for (list, limit) in [("kv", 7), ("records", 1), ("records", 100), ("kv", 99)] {
        let mut cursor = String::new();
        let mut seen = Vec::new();
        loop {
            let rest = format!("/{list}?limit={limit}&prefix=r{cursor}");
            let page = twins.both("GET", &rest, "");
            let page = &page["lines"][0];
            let records = page["records"].as_array().unwrap();
            seen.extend(
                records
                    .iter()
                    .map(|record| record["id"].as_str().unwrap().to_owned()),
            );
            match page["next_cursor"].as_str() {
                None => break,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
        let all: Vec<_> = (0..100).map(|number| format!("r{number:03}")).collect();
        assert_eq!(seen, all, "{list} {limit}");
    }
    for rest in [
        "/kv?limit=0",
        "/records?limit=1001",
        "/kv?cursor=x",
        "/kv?bogus=1",
    ] {
        twins.both("GET", rest, "");
    }
}

#[test]
fn writes_are_the_same() {
    let twins = filled();
    for (endpoint, body) in [
        ("update", json!({"id": "r001", "metadata": {"new": 1}})),
        (
            "update",
            json!({"filter": {"even": true}, "metadata": {"seen": true}}),
        ),
        ("update", json!({"id": "missing", "metadata": {"new": 1}})),
        ("update", json!({"metadata": {"new": 1}})),
        (
            "delete",
            json!({"ids": ["r001", "r002", "r003", "missing"], "dry_run": true}),
        ),
        (
            "delete",
            json!({"ids": ["r001", "r002", "r003", "missing"]}),
        ),
        ("delete", json!({"ids": ["r004", ""]})),
        ("delete", json!({"filter": {"even": false}})),
        ("delete", json!({"ids": ["a"], "all": true})),
        ("upsert", json!({"records": []})),
        (
            "upsert",
            json!({"records": [{"id": "a", "if_absent": true}]}),
        ),
        (
            "upsert",
            json!({"records": [{"id": "r006"}], "condition": {"even": false}}),
        ),
        ("upsert", json!({"records": [{"id": "a", "bogus": 1}]})),
        ("delete", json!({"all": true})),
        (
            "batch",
            json!({"operations": [{"op": "put", "id": "a", "value": 1}]}),
        ),
        ("nonsense", json!({})),
    ] {
        twins.both("POST", &format!("/{endpoint}"), &body.to_string());
    }
    twins.both("POST", "/upsert", "{");
    twins.both("POST", "/kv", "{}");
}

#[test]
fn a_refusal_names_the_place_in_the_whole() {
    let twins = filled();
    let mut records: Vec<_> = (0..20).map(record).collect();
    records[13]["vector"] = json!([1]);
    let body = json!({"records": records}).to_string();
    let answer = twins.send(true, "POST", "/upsert", &body);
    let place = (
        "dimension_mismatch".to_owned(),
        "records[13].vector".to_owned(),
    );
    assert_eq!(answer.problem(), place);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .ends_with("may be stored")
    );
}

#[test]
fn what_is_atomic_concerns_one_partition() {
    let twins = Twins::new();
    let in_partition = |wanted: u16| {
        let ids = (0..).map(|number| format!("id {number}"));
        ids.filter(move |id| partition_of(id, COUNT) == wanted)
    };
    let together: Vec<_> = in_partition(3).take(3).collect();
    let apart: Vec<_> = in_partition(1)
        .take(1)
        .chain(in_partition(2).take(1))
        .collect();
    for (ids, is_refused) in [(together, false), (apart, true)] {
        let operations: Vec<_> = ids
            .iter()
            .map(|id| json!({"op": "put", "id": id, "value": 1}))
            .collect();
        let records: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "if_version": 1}))
            .collect();
        let batch = json!({"operations": operations}).to_string();
        let upsert = json!({"records": records}).to_string();
        for (rest, body) in [("/batch", batch), ("/upsert", upsert)] {
            let answer = twins.both("POST", rest, &body);
            let code = answer["lines"][0]["code"].as_str();
            assert_eq!(code == Some("spans_partitions"), is_refused, "{answer}");
        }
    }
    assert_eq!(twins.both("GET", "", "")["lines"][0]["records"], 3);
}

#[test]
fn import_names_the_line() {
    let twins = Twins::new();
    let lines: Vec<_> = (0..40).map(|number| record(number).to_string()).collect();
    let good = lines.join("\n");
    assert_eq!(
        twins.both("POST", "/import", &good)["lines"][0]["imported"],
        40
    );
    for bad in ["{}", "nonsense", r#"{"id": "x", "vector": [1]}"#] {
        let mut lines = lines.clone();
        lines.insert(29, bad.to_owned());
        twins.both("POST", "/import", &lines.join("\n\n"));
    }
    twins.both("POST", "/import", "");
    twins.both("GET", "/export", "");
}

#[test]
fn versions_are_those_of_partitions() {
    let twins = filled();
    let request = Request::builder()
        .method("GET")
        .uri("/v1/namespaces/n/kv")
        .header("authorization", format!("Bearer {KEY}"))
        .header("quartz-min-version", "1")
        .extension(twins.space.clone())
        .body(Body::empty())
        .unwrap();
    let Ok(response) = block_on(twins.gather.clone().oneshot(request));
    let answer = Answer::read(response);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(comparable(&answer)["lines"][0]["code"], "spans_partitions");
}
