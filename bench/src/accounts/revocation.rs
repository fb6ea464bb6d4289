use std::{sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::population::{RECORD, account};
use crate::{connection::Connection, record::Record, server::Server};

const CONNECTIONS: usize = 8;
const KEYS: usize = 20;
/// What the API promises.
const BAR_MILLIS: f64 = 5000.0;

/// Keys that are in use on many connections are revoked on another one.
pub(super) async fn run(server: &Server, record: &mut Record) -> anyhow::Result<()> {
    let mut revoker = Connection::open(&server.url).await?;
    let wanted = json!({"name": "busy", "plan": "enterprise"});
    let owner = &account(&mut revoker, &server.api_key, &wanted).await?;
    let mut millis = Vec::new();
    for _ in 0..KEYS {
        let new = r#"{"name": "short-lived", "role": "reader"}"#;
        let created = revoker.done(Method::POST, "/v1/keys", owner, new).await?;
        let created: Value = serde_json::from_slice(&created)?;
        let key: Arc<str> = created["key"].as_str().context("no key")?.into();
        let mut users = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(&server.url).await?;
            // Each has been let in before.
            connection.done(Method::GET, RECORD, &key, "").await?;
            let key = Arc::clone(&key);
            users.spawn(async move { refused(&mut connection, &key).await });
        }
        let path = format!("/v1/keys/{}", created["id"]);
        revoker.done(Method::DELETE, &path, owner, "").await?;
        let revoked = Instant::now();
        while let Some(refused) = users.join_next().await {
            let after = refused??.saturating_duration_since(revoked);
            millis.push(after.as_secs_f64() * 1e3);
        }
    }
    millis.sort_by(f64::total_cmp);
    let (middle, worst) = (millis[millis.len() / 2], millis[millis.len() - 1]);
    for (what, millis) in [("median", middle), ("worst", worst)] {
        let what =
            format!("from a revocation's answer to a refusal, {CONNECTIONS} connections, {what}");
        record.add_bar(&what, millis, "ms", "≤ 5 s", millis <= BAR_MILLIS);
    }
    Ok(())
}

/// When the first refusal came. The key does not open again.
async fn refused(connection: &mut Connection, key: &str) -> anyhow::Result<Instant> {
    loop {
        let (status, _) = connection.send(Method::GET, RECORD, key, "").await?;
        if status == StatusCode::UNAUTHORIZED {
            let refused = Instant::now();
            for _ in 0..10 {
                let (status, _) = connection.send(Method::GET, RECORD, key, "").await?;
                ensure!(status == StatusCode::UNAUTHORIZED, "it opens again");
            }
            return Ok(refused);
        }
        ensure!(status == StatusCode::OK, "{status} before the revocation");
    }
}
