//! Webhooks: made, listed, tried, logged, deleted. What comes out at the other end is not seen from here.

use quartz_conformance::{Tenant, unique};
use serde_json::{Value, json};

/// A place that no name server knows.
fn nowhere() -> String {
    format!("https://{}.invalid/hook", unique())
}

async fn create(tenant: &Tenant, body: &Value) -> Value {
    tenant.post("/v1/webhooks", body).await.expect(201).json()
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let tenant = Tenant::new().await;
    let url = nowhere();
    let wanted = json!({"url": url, "events": ["budget.80"], "description": "spending"});
    let created = create(&tenant, &wanted).await;
    let secret = created["secret"].as_str().expect("a text").to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let one = tenant.api.get("/v1/webhooks/1").await.ok();
    for (name, value) in [
        ("id", &json!(1)),
        ("url", &json!(url)),
        ("events", &wanted["events"]),
        ("description", &wanted["description"]),
    ] {
        assert_eq!(one[name], *value, "{name}");
    }
    let list = tenant.api.get("/v1/webhooks").await.ok();
    assert_eq!(list["webhooks"], json!([one]));
    let rotate = json!({"grace_seconds": 60});
    let rotated = tenant.post("/v1/webhooks/1/rotate", &rotate).await.ok();
    assert_ne!(rotated["secret"], *secret);
    assert!(rotated["former_until"].is_number());
    let log = tenant.api.get("/v1/audit").await.ok();
    for text in [list.to_string(), log.to_string()] {
        assert!(!text.contains("whsec_"), "{text}");
    }
}

#[tokio::test]
async fn events_are_in_the_log_of_those_that_want_them() {
    let tenant = Tenant::new().await;
    create(&tenant, &json!({"url": nowhere()})).await;
    create(&tenant, &json!({"url": nowhere(), "events": ["budget.80"]})).await;
    let (number, _) = tenant.key(&json!({"name": "k", "role": "reader"})).await;
    let log = tenant.api.get("/v1/webhooks/1/deliveries").await.ok();
    let entries = log["deliveries"].as_array().expect("a list");
    assert_eq!(entries.len(), 1);
    let event = &entries[0]["event"];
    assert_eq!(event["type"], "key.created");
    assert_eq!(
        (&event["data"]["key"], &event["account"]),
        (&json!(number), &json!(tenant.account))
    );
    assert_ne!(entries[0]["status"], "delivered");
    let other = tenant.api.get("/v1/webhooks/2/deliveries").await.ok();
    assert_eq!(other["deliveries"], json!([]));
    let test = tenant.post("/v1/webhooks/2/test", &Value::Null).await;
    let test = test.expect(202).json();
    assert_eq!(test["event"]["type"], "webhook.test");
    let path = format!("/v1/webhooks/2/deliveries/{}/replay", test["id"]);
    let on_its_way = tenant.post(&path, &Value::Null).await;
    on_its_way.problem("conflict");
    tenant
        .api
        .call("DELETE", "/v1/webhooks/1")
        .await
        .expect(204);
    let gone = tenant.api.get("/v1/webhooks/1/deliveries").await;
    gone.problem("webhook_not_found");
}

#[tokio::test]
async fn what_cannot_be_a_webhook() {
    let tenant = Tenant::new().await;
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for (body, code) in [
        (json!({"url": "ftp://example.com/"}), "invalid_request"),
        (
            json!({"url": "https://a:b@example.com/"}),
            "invalid_request",
        ),
        (json!({"url": long}), "limit_exceeded"),
        (
            json!({"url": nowhere(), "events": ["no.such"]}),
            "invalid_request",
        ),
        (json!({"events": []}), "invalid_request"),
    ] {
        tenant.post("/v1/webhooks", &body).await.problem(code);
    }
}
