//! The client against a small server that records what it is sent.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use futures::{StreamExt, TryStreamExt};
use quartz_client::{
    Changed, Client, CreateWebhook, Durability, Error, ErrorCode, Include, Record,
};
use serde_json::{Value, json};

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    uri: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answer = fn(usize, &Seen) -> Response<Body>;

#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
}

/// A server that gives `answer` (told how many requests came before), and a client for it.
async fn serve(answer: Answer) -> (Server, Client) {
    async fn handle(
        State(server): State<Server>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        let seen = Seen {
            method,
            uri: uri.to_string(),
            headers,
            body,
        };
        let mut all = server.seen.lock().unwrap();
        all.push(seen.clone());
        (server.answer)(all.len() - 1, &seen)
    }
    let server = Server {
        seen: Arc::default(),
        answer,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(handle).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = Client::builder(&url).api_key("qz_test").build().unwrap();
    (server, client)
}

impl Server {
    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("etag", "\"7\"")
        .header("quartz-version", "7")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn problem(code: ErrorCode, retry_after: Option<u64>) -> Response<Body> {
    let body = json!({
        "type": "x", "title": code.title(), "status": code.status(), "code": code,
        "detail": "That went wrong.", "path": "records[0].vector", "request_id": "r1",
    });
    let mut response = answer(code.status(), &body);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

#[tokio::test]
async fn upserts_carry_key_idempotency_and_base64() {
    let (server, client) =
        serve(|_, _| answer(200, &json!({"upserted": 1, "skipped": 0, "version": 7}))).await;
    let record = Record {
        id: "a".into(),
        vector: Some(vec![1.0, -2.5].into()),
        ..Record::default()
    };
    let docs = client.namespace("docs");
    let done = docs
        .upsert([record])
        .condition(json!({"n": 1}))
        .durability(Durability::Memory)
        .await
        .unwrap();
    assert_eq!((done.upserted, done.version), (1, 7));
    let seen = &server.seen()[0];
    assert_eq!(seen.uri, "/v1/namespaces/docs/upsert");
    assert_eq!(seen.header("authorization"), "Bearer qz_test");
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("quartz-durability"), "memory");
    assert_eq!(seen.header("idempotency-key").len(), 36);
    assert_eq!(
        seen.json(),
        json!({"records": [{"id": "a", "vector": "AACAPwAAIMA="}], "condition": {"n": 1}})
    );
}

#[tokio::test]
async fn busy_servers_are_asked_again_with_the_same_idempotency_key() {
    let (server, client) = serve(|before, _| match before {
        0 => problem(ErrorCode::TooManyRequests, Some(1)),
        1 => problem(ErrorCode::StorageUnavailable, None),
        _ => answer(200, &json!({"deleted": 2, "dry_run": false, "version": 9})),
    })
    .await;
    let begun = Instant::now();
    let done = client.namespace("docs").delete(["a", "b"]).await.unwrap();
    assert_eq!(done.deleted, 2);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "Retry-After is kept"
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let keys: Vec<_> = seen.iter().map(|s| s.header("idempotency-key")).collect();
    assert!(!keys[0].is_empty() && keys[0] == keys[1] && keys[1] == keys[2]);
}

#[tokio::test]
async fn refusals_are_not_repeated_and_keep_their_code() {
    let (server, client) = serve(|_, _| problem(ErrorCode::DimensionMismatch, None)).await;
    let query = client.namespace("docs").query().vector(vec![1.0]).top_k(3);
    let error = query.await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DimensionMismatch));
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        "That went wrong. (at records[0].vector; dimension_mismatch)"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_asks_for_an_hour_is_not_waited_for() {
    let (server, client) = serve(|_, _| problem(ErrorCode::TooManyRequests, Some(3600))).await;
    let error = client.namespace("docs").describe().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_a_transport_error_with_its_cause() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder(&url).retries(1).build().unwrap();
    let error = client.namespace("docs").get("k").await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.is_retryable());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn foreign_answers_are_quoted() {
    let (_server, client) = serve(|_, _| {
        let mut response = Response::new(Body::from("<html>no</html>"));
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    })
    .await;
    let error = client.namespace("docs").describe().await.unwrap_err();
    assert_eq!(error.status(), Some(403));
    assert!(error.to_string().contains("<html>no</html>"), "{error}");
}

#[tokio::test]
async fn keys_are_escaped_and_impossible_ones_refused() {
    let (server, client) = serve(|_, _| answer(201, &json!(null))).await;
    let docs = client.namespace("docs");
    let put = docs.put("a/b c%?#ü", "x").content_type("text/plain");
    let written = put.ttl(Duration::from_secs(60)).if_absent().await.unwrap();
    assert!(written.created && written.version == 7);
    let seen = &server.seen()[0];
    assert_eq!(
        seen.uri,
        "/v1/namespaces/docs/kv/a%2Fb%20c%25%3F%23%C3%BC?ttl=60"
    );
    assert_eq!(seen.method, Method::PUT);
    assert_eq!(seen.header("if-none-match"), "*");
    assert_eq!(seen.header("content-type"), "text/plain");
    assert!(!seen.header("idempotency-key").is_empty());
    for key in ["", ".", ".."] {
        let error = docs.get(key).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{key:?}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn values_are_read_whole_in_part_or_not_at_all() {
    let (_server, client) = serve(|_, seen| {
        if seen.uri.ends_with("/none") {
            return problem(ErrorCode::RecordNotFound, None);
        }
        let mut response = answer(200, &json!({"n": 1}));
        let headers = response.headers_mut();
        headers.insert("content-type", "application/json".parse().unwrap());
        if seen.header("if-none-match") == "\"7\"" {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    })
    .await;
    let docs = client.namespace("docs");
    let value = docs.get("k").await.unwrap().unwrap();
    assert_eq!(value.json::<Value>().unwrap(), json!({"n": 1}));
    assert_eq!(value.version, 7);
    let info = docs.get("k").info().await.unwrap().unwrap();
    assert_eq!((info.size, info.version), (7, 7));
    assert_eq!(info.content_type, "application/json");
    assert_eq!(docs.get("k").unless_version(7).await.unwrap(), Changed::No);
    let changed = docs.get("k").unless_version(6).await.unwrap();
    assert_eq!(changed, Changed::Yes(value));
    assert_eq!(docs.get("none").await.unwrap(), None);
    assert_eq!(docs.get("none").info().await.unwrap(), None);
}

#[tokio::test]
async fn lists_follow_cursors() {
    let (server, client) = serve(|before, _| {
        let next = ["two", "three"].get(before);
        let records = json!([{"id": format!("r{before}"), "version": 1}]);
        match next {
            Some(cursor) => answer(200, &json!({"records": records, "next_cursor": cursor})),
            None => answer(200, &json!({"records": records})),
        }
    })
    .await;
    let docs = client.namespace("docs");
    let list = docs.records().prefix("r&").page_size(1);
    let list = list.include([Include::Text, Include::Value]).cursor("one");
    let ids: Vec<_> = list.stream().map_ok(|r| r.id).try_collect().await.unwrap();
    assert_eq!(ids, ["r0", "r1", "r2"]);
    let uris: Vec<_> = server.seen().into_iter().map(|seen| seen.uri).collect();
    let base = "/v1/namespaces/docs/records?prefix=r%26&limit=1&include=text%2Cvalue&cursor=";
    assert_eq!(uris, ["one", "two", "three"].map(|c| format!("{base}{c}")));
}

#[tokio::test]
async fn exports_arrive_record_by_record() {
    let (_server, client) = serve(|_, _| {
        let chunks = [
            "{\"id\":\"a\",\"ver",
            "sion\":1}\n\n{\"id\":\"b\",\"version\":2}\n",
            "{\"id\":\"c\",\"version\":3}",
        ];
        let chunks = futures::stream::iter(chunks.map(Ok::<_, std::io::Error>));
        Response::new(Body::from_stream(chunks))
    })
    .await;
    let docs = client.namespace("docs");
    let records: Vec<_> = docs.export().try_collect().await.unwrap();
    let ids: Vec<_> = records.iter().map(|r| (r.id.as_str(), r.version)).collect();
    assert_eq!(ids, [("a", 1), ("b", 2), ("c", 3)]);
}

#[tokio::test]
async fn a_broken_export_ends_with_an_error() {
    let (_server, client) = serve(|_, _| {
        let chunks = [
            Ok("{\"id\":\"a\",\"version\":1}\n{\"id"),
            Err(std::io::Error::other("gone")),
        ];
        let chunks = futures::stream::iter(chunks).then(|chunk| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            chunk
        });
        Response::new(Body::from_stream(chunks))
    })
    .await;
    let docs = client.namespace("docs");
    let records: Vec<_> = docs.export().collect().await;
    assert_eq!(records.len(), 2);
    assert!(records[0].is_ok());
    assert!(matches!(records[1], Err(Error::Transport { .. })));
}

#[tokio::test]
async fn imports_are_one_streamed_request() {
    let (server, client) = serve(|_, _| answer(200, &json!({"imported": 2, "version": 7}))).await;
    let records = ["a", "b"].map(|id| Record {
        id: id.into(),
        vector: Some(vec![1.0].into()),
        ..Record::default()
    });
    let docs = client.namespace("docs");
    let done = docs.import(futures::stream::iter(records)).await.unwrap();
    assert_eq!(done.imported, 2);
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-type"), "application/x-ndjson");
    assert_eq!(
        seen.body,
        "{\"id\":\"a\",\"vector\":\"AACAPw==\"}\n{\"id\":\"b\",\"vector\":\"AACAPw==\"}\n"
    );
}

#[tokio::test]
async fn webhooks_are_made_and_sent_off_once() {
    let (server, client) = serve(|before, _| match before {
        0 => problem(ErrorCode::StorageUnavailable, None),
        1 => problem(ErrorCode::TooManyRequests, None),
        2 => problem(ErrorCode::TooManyRequests, None),
        3 => Response::builder().status(204).body(Body::empty()).unwrap(),
        _ => answer(200, &json!({"deliveries": []})),
    })
    .await;
    let new = CreateWebhook {
        url: "https://example.com/".into(),
        events: vec!["budget.80".into()],
        description: String::new(),
    };
    let refused = client.create_webhook(&new).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::StorageUnavailable));
    client.replay_delivery(7, 42).await.unwrap_err();
    // What may be repeated is.
    client.delete_webhook(7).await.unwrap();
    let page = client.deliveries(7).page_size(10).page().await.unwrap();
    assert!(page.deliveries.is_empty());
    let seen = server.seen();
    let asked: Vec<_> = seen
        .iter()
        .map(|one| (one.method.as_str(), &*one.uri))
        .collect();
    assert_eq!(
        asked,
        [
            ("POST", "/v1/webhooks"),
            ("POST", "/v1/webhooks/7/deliveries/42/replay"),
            ("DELETE", "/v1/webhooks/7"),
            ("DELETE", "/v1/webhooks/7"),
            ("GET", "/v1/webhooks/7/deliveries?limit=10"),
        ]
    );
    assert_eq!(seen[0].json()["events"], json!(["budget.80"]));
    assert!(seen[1].body.is_empty());
}

#[test]
fn unusable_settings_are_explained() {
    let error = Client::builder("localhost:6464").build().unwrap_err();
    assert!(
        error.to_string().contains("http://127.0.0.1:6464"),
        "{error}"
    );
    let error = Client::builder("http://x")
        .api_key("a\nb")
        .build()
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    Client::builder("https://example.com/base").build().unwrap();
}
