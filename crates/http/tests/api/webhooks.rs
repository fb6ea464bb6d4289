//! Webhooks through the router: made, tried, signed, logged, sent again.

use std::sync::Mutex;

use futures::executor::block_on;
use quartz_core::store::BoxFuture;
use quartz_http::deliver;
use quartz_service::{Courier, Parcel};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::{accounts::Tenant, support::Api};

/// Keeps what is sent and answers what it is told to.
struct Inbox {
    answer: Result<u16, String>,
    parcels: Mutex<Vec<Parcel>>,
}

impl Inbox {
    fn answering(answer: Result<u16, String>) -> Self {
        Self {
            answer,
            parcels: Mutex::default(),
        }
    }
}

impl Courier for Inbox {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<u16, String>> {
        self.parcels.lock().unwrap().push(parcel);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

/// Sends what is due and gives what was sent.
fn send(api: &Api, answer: Result<u16, String>) -> Vec<Parcel> {
    let courier = Inbox::answering(answer);
    for account in api.accounts.with_due_messages() {
        block_on(deliver(&account, &courier, api.accounts.now_millis(), 16)).unwrap();
    }
    courier.parcels.into_inner().unwrap()
}

fn header<'a>(parcel: &'a Parcel, name: &str) -> &'a str {
    let found = parcel.headers.iter().find(|(other, _)| *other == name);
    &found.unwrap().1
}

/// What a receiver that has the secret would expect as signature.
fn signature(secret: &str, parcel: &Parcel) -> String {
    let seconds = header(parcel, "webhook-timestamp").parse().unwrap();
    let hook = Webhook::new(secret).unwrap();
    hook.sign(header(parcel, "webhook-id"), seconds, &parcel.body)
        .unwrap()
}

fn create(tenant: &Tenant, body: &Value) -> Value {
    tenant.call("POST", "/v1/webhooks", body).expect(201).json()
}

#[test]
fn events_come_signed_and_their_log_says_so() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    let url = "https://example.com/hook?token=t";
    let created = create(&tenant, &json!({"url": url, "events": ["key.created"]}));
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!((&created["id"], &created["url"]), (&json!(1), &json!(url)));
    let list = tenant.call("GET", "/v1/webhooks", &Value::Null).ok();
    assert_eq!(list["webhooks"][0]["events"], json!(["key.created"]));
    assert!(!list.to_string().contains("whsec_"), "{list}");

    tenant.key(&json!({"name": "front", "role": "reader"}));
    let parcels = send(&tenant.api, Ok(204));
    let [parcel] = parcels.as_slice() else {
        panic!("{parcels:?}")
    };
    assert_eq!(parcel.url, url);
    assert_eq!(header(parcel, "content-type"), "application/json");
    assert_eq!(header(parcel, "webhook-timestamp"), "1000");
    assert_eq!(
        header(parcel, "webhook-signature"),
        signature(secret, parcel)
    );
    let body: Value = serde_json::from_slice(&parcel.body).unwrap();
    assert_eq!(body["type"], "key.created");
    assert_eq!(body["timestamp"], "1970-01-01T00:16:40.000Z");
    assert_eq!(body["account"], *tenant.account);
    assert_eq!(body["data"]["key"], 2);
    assert!(send(&tenant.api, Ok(204)).is_empty(), "once is enough");

    let path = "/v1/webhooks/1/deliveries";
    let log = tenant.call("GET", path, &Value::Null).ok();
    let entry = &log["deliveries"][0];
    assert_eq!(entry["status"], "delivered");
    assert_eq!(
        (&entry["attempts"], &entry["answer"]),
        (&json!(1), &json!("204"))
    );
    assert_eq!(entry["message_id"], header(parcel, "webhook-id"));
    assert_eq!(entry["event"], body);

    let again = tenant.call("POST", &format!("{path}/0/replay"), &Value::Null);
    assert_eq!(again.expect(202).json()["status"], "pending");
    let twice = tenant.call("POST", &format!("{path}/0/replay"), &Value::Null);
    assert_eq!(twice.expect(409).code(), "conflict");
    let parcels = send(&tenant.api, Ok(200));
    assert_eq!(
        header(&parcels[0], "webhook-id"),
        header(parcel, "webhook-id")
    );
    assert_eq!(parcels[0].body, parcel.body);
}

#[test]
fn a_receiver_that_is_down_is_tried_again() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    create(&tenant, &json!({"url": "https://example.com/"}));
    let test = tenant.call("POST", "/v1/webhooks/1/test", &Value::Null);
    assert_eq!(test.expect(202).json()["event"]["type"], "webhook.test");
    assert_eq!(send(&tenant.api, Err("no route".into())).len(), 1);
    assert!(send(&tenant.api, Ok(200)).is_empty(), "not at once");
    let log = |query: &str| {
        let path = format!("/v1/webhooks/1/deliveries{query}");
        tenant.call("GET", &path, &Value::Null).ok()
    };
    let entry = log("")["deliveries"][0].clone();
    assert_eq!(
        (&entry["status"], &entry["answer"]),
        (&json!("pending"), &json!("no route"))
    );
    tenant.api.advance(5_000);
    assert_eq!(send(&tenant.api, Ok(302)).len(), 1, "a redirect is no 2xx");
    tenant.api.advance(20_000);
    assert_eq!(send(&tenant.api, Ok(200)).len(), 1);
    assert_eq!(log("")["deliveries"][0]["status"], "delivered");
    // The log is read in pages.
    for _ in 0..4 {
        tenant
            .call("POST", "/v1/webhooks/1/test", &Value::Null)
            .expect(202);
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = log(&query);
        let entries = page["deliveries"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["id"].as_u64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn a_secret_is_rotated_with_both_signing_for_a_while() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    let created = create(&tenant, &json!({"url": "https://example.com/"}));
    let rotate = json!({"grace_seconds": 60});
    let rotated = tenant.call("POST", "/v1/webhooks/1/rotate", &rotate).ok();
    assert_eq!(rotated["former_until"], 1_060_000);
    let (old, new) = (&created["secret"], &rotated["secret"]);
    assert_ne!(old, new);
    let sent = |tenant: &Tenant| {
        tenant
            .call("POST", "/v1/webhooks/1/test", &Value::Null)
            .expect(202);
        send(&tenant.api, Ok(200)).remove(0)
    };
    let parcel = sent(&tenant);
    let of = |secret: &Value| signature(secret.as_str().unwrap(), &parcel);
    let both = format!("{} {}", of(new), of(old));
    assert_eq!(header(&parcel, "webhook-signature"), both);
    tenant.api.advance(60_000);
    let parcel = sent(&tenant);
    let new = signature(new.as_str().unwrap(), &parcel);
    assert_eq!(header(&parcel, "webhook-signature"), new);
    let long = json!({"grace_seconds": 2_592_001});
    let refused = tenant
        .call("POST", "/v1/webhooks/1/rotate", &long)
        .expect(400);
    assert_eq!(refused.code(), "limit_exceeded");
}

#[test]
fn what_cannot_be_a_webhook() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    for url in [
        "",
        "example.com",
        "/path",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "javascript:alert(1)",
    ] {
        let answer = tenant.call("POST", "/v1/webhooks", &json!({"url": url}));
        assert_eq!(answer.expect(400).problem().1, "url", "{url}");
    }
    let long = format!("https://example.com/{}", "x".repeat(2048));
    let answer = tenant.call("POST", "/v1/webhooks", &json!({"url": long}));
    assert_eq!(answer.expect(400).code(), "limit_exceeded");
    let unknown = json!({"url": "https://example.com/", "events": ["key.created", "moon.full"]});
    let answer = tenant.call("POST", "/v1/webhooks", &unknown).expect(400);
    assert_eq!(answer.problem().1, "events[1]");
    for path in [
        "/v1/webhooks/9",
        "/v1/webhooks/4294967295",
        "/v1/webhooks/4294967295/deliveries",
    ] {
        let answer = tenant.call("GET", path, &Value::Null).expect(404);
        assert_eq!(answer.code(), "webhook_not_found");
    }
    create(&tenant, &json!({"url": "https://example.com/"}));
    let path = "/v1/webhooks/1/deliveries/7/replay";
    let answer = tenant.call("POST", path, &Value::Null).expect(404);
    assert_eq!(answer.code(), "delivery_not_found");
    // Another account's is not there.
    let other = Tenant::of(&tenant.api, "Other");
    let answer = other.call("DELETE", "/v1/webhooks/1", &Value::Null);
    assert_eq!(answer.expect(404).code(), "webhook_not_found");
    tenant
        .call("DELETE", "/v1/webhooks/1", &Value::Null)
        .expect(204);
    tenant
        .call("GET", "/v1/webhooks/1", &Value::Null)
        .expect(404);
}
