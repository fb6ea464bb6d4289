//! The audit log: what was done, in order, chained.

use std::time::{Duration, Instant};

use quartz_conformance::Tenant;
use serde_json::{Value, json};

#[tokio::test]
async fn control_actions_are_logged_in_order() {
    let tenant = Tenant::new().await;
    let (id, api) = tenant.key(&json!({"name": "k", "role": "reader"})).await;
    tenant
        .api
        .call("DELETE", format!("/v1/keys/{id}"))
        .await
        .expect(204);
    let mut entries: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = tenant
            .api
            .get(format!("/v1/audit?limit=1{cursor}"))
            .await
            .ok();
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(pages >= 4, "{pages}");
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["account.create", "key.create", "key.create", "key.revoke"]
    );
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry["sequence"], at + 1);
        assert_eq!(entry["outcome"], "done");
        assert_eq!(entry["previous"].as_str().unwrap().len(), 64);
    }
    assert_eq!(entries[0]["previous"], "0".repeat(64));
    assert_eq!(entries[3]["target"], format!("key:{id}"));
    let all = json!(entries).to_string();
    for secret in [api.key(), tenant.api.key()] {
        assert!(
            !all.contains(&secret[secret.len() - 49..]),
            "a secret stands in the log"
        );
    }
}

#[tokio::test]
async fn the_log_is_the_accounts_own() {
    let (one, two) = (Tenant::new().await, Tenant::new().await);
    one.key(&json!({"name": "only one's", "role": "reader"}))
        .await;
    let log = two.api.get("/v1/audit?limit=1000").await.ok().to_string();
    assert!(!log.contains("only one's"));
}

/// Until denials are in the log: where they happen they are gathered for some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_refused_anywhere_is_in_the_log() {
    let tenant = Tenant::new().await;
    let (id, reader) = tenant.key(&json!({"name": "k", "role": "reader"})).await;
    let value = "/v1/namespaces/n/kv/k";
    let put = reader.call("PUT", value).body("text/plain", "x");
    put.await.problem("permission_denied");
    // What the account answers, and what whoever lists the accounts does.
    for path in ["/v1/keys", "/v1/accounts"] {
        reader.get(path).await.problem("permission_denied");
    }
    let wanted = [
        "PUT /v1/namespaces/{ns}/kv/{*key}",
        "GET /v1/keys",
        "GET /v1/accounts",
    ];
    let began = Instant::now();
    loop {
        let log = tenant.api.get("/v1/audit?limit=1000").await.ok();
        let entries = log["entries"].as_array().unwrap();
        let refused: Vec<_> = entries
            .iter()
            .filter(|entry| entry["outcome"] == "permission_denied")
            .collect();
        for entry in &refused {
            let actor = entry["actor"].as_str().unwrap();
            assert!(actor.ends_with(&format!("/key:{id}")), "{entry}");
        }
        if wanted
            .iter()
            .all(|action| refused.iter().any(|entry| entry["action"] == *action))
        {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{entries:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
