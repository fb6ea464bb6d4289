use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{connection::Connection, server::Server};

/// The one record of each account's one namespace.
pub(super) const RECORD: &str = "/v1/namespaces/notes/kv/first";
const VALUE_BYTES: usize = 100;
/// Connections that create and touch.
const CONNECTIONS: usize = 16;

/// The keys of accounts, one each.
#[derive(Clone, Default)]
pub(super) struct Population(pub(super) Vec<Arc<str>>);

impl Population {
    /// Lets it grow, over the API: an account with its owner's key, and the record.
    pub(super) async fn grow_to(&mut self, accounts: usize, server: &Server) -> anyhow::Result<()> {
        let turns = Arc::new(AtomicUsize::new(self.0.len()));
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(&server.url).await?;
            let (turns, root) = (Arc::clone(&turns), server.api_key.clone());
            tasks.spawn(async move {
                let mut keys = Vec::new();
                loop {
                    let number = turns.fetch_add(1, Ordering::Relaxed);
                    if number >= accounts {
                        return anyhow::Ok(keys);
                    }
                    let name = format!("account {number}");
                    let key = account(&mut connection, &root, &json!({"name": name})).await?;
                    keys.push(Arc::from(key));
                }
            });
        }
        while let Some(keys) = tasks.join_next().await {
            self.0.extend(keys??);
        }
        Ok(())
    }

    /// The first half and the second.
    pub(super) fn halves(&self) -> (Self, Self) {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        (Self(first.to_vec()), Self(second.to_vec()))
    }

    /// Reads every account's record.
    pub(super) async fn touch(&self, server: &Server) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for keys in self.0.chunks(self.0.len().div_ceil(CONNECTIONS).max(1)) {
            let mut connection = Connection::open(&server.url).await?;
            let keys = keys.to_vec();
            tasks.spawn(async move {
                for key in keys {
                    connection.done(Method::GET, RECORD, &key, "").await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// Creates an account with its record and gives its key.
pub(super) async fn account(
    connection: &mut Connection,
    root: &str,
    wanted: &Value,
) -> anyhow::Result<String> {
    let created = connection.done(Method::POST, "/v1/accounts", root, wanted.to_string());
    let created: Value = serde_json::from_slice(&created.await?)?;
    let key = created["key"]["key"].as_str().context("no key")?.to_owned();
    let value = vec![b'x'; VALUE_BYTES];
    connection.done(Method::PUT, RECORD, &key, value).await?;
    Ok(key)
}
