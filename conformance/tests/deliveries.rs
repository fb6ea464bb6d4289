//! Messages to webhooks at a receiver on this machine. A server that may not reach it says so in the log.

use std::time::{Duration, Instant};

use quartz_conformance::{Received, Receiver, Tenant};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const PATIENCE: Duration = Duration::from_secs(90);

/// A tenant whose webhook leads to a receiver, and the webhook's secret.
async fn tenant(receiver: &Receiver) -> (Tenant, String) {
    let tenant = Tenant::new().await;
    let hook = json!({"url": receiver.url, "events": ["key.created"]});
    let created = tenant.post("/v1/webhooks", &hook).await.expect(201).json();
    let secret = created["secret"].as_str().expect("a text").to_owned();
    tenant.key(&json!({"name": "k", "role": "reader"})).await;
    (tenant, secret)
}

async fn deliveries(tenant: &Tenant) -> Vec<Value> {
    let log = tenant.api.get("/v1/webhooks/1/deliveries").await.ok();
    log["deliveries"].as_array().expect("a list").clone()
}

/// The only delivery once it has ended; `None` from a server that does not reach this machine.
async fn ended(tenant: &Tenant) -> Option<Value> {
    let began = Instant::now();
    loop {
        let entries = deliveries(tenant).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        let entry = &entries[0];
        let answer = entry["answer"].as_str().unwrap_or_default();
        if answer.contains("webhook_networks") {
            return None;
        }
        if entry["status"] != "pending" {
            return Some(entry.clone());
        }
        assert!(began.elapsed() < PATIENCE, "{entry}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn verify(secret: &str, message: &Received) {
    let hook = Webhook::new(secret).expect("a secret");
    let signed = message.header("webhook-timestamp").parse().expect("a time");
    let signature = hook.sign(message.header("webhook-id"), signed, &message.body);
    let signature = signature.expect("a signature");
    assert_eq!(message.header("webhook-signature"), signature);
}

#[tokio::test]
async fn an_event_comes_signed() {
    let receiver = Receiver::start(&[]);
    let (tenant, secret) = tenant(&receiver).await;
    let Some(entry) = ended(&tenant).await else {
        assert!(receiver.messages().is_empty());
        return;
    };
    assert_eq!(entry["status"], "delivered");
    assert_eq!(
        (&entry["answer"], &entry["attempts"]),
        (&json!("204"), &json!(1))
    );
    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message.path, "/hook");
    assert_eq!(message.header("content-type"), "application/json");
    assert!(message.header("user-agent").starts_with("QuartzDB/"));
    verify(&secret, message);
    let event: Value = serde_json::from_slice(&message.body).expect("JSON");
    assert_eq!(event, entry["event"]);
}

#[tokio::test]
async fn what_is_not_taken_comes_again_under_the_same_id() {
    let receiver = Receiver::start(&["302 Found\r\nlocation: /other"]);
    let (tenant, secret) = tenant(&receiver).await;
    let Some(entry) = ended(&tenant).await else {
        return;
    };
    assert_eq!(entry["status"], "delivered");
    assert_eq!(entry["attempts"], 2);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 2);
    for message in &messages {
        // Where an answer redirects to, nobody goes.
        assert_eq!(message.path, "/hook");
        verify(&secret, message);
    }
    let id = |at: usize| messages[at].header("webhook-id");
    assert_eq!(id(0), id(1));
}
