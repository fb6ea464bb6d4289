use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use crate::{Api, Call};

/// A name that nobody else has: other tests, other processes, earlier runs.
#[must_use]
pub fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Two draws: the seed of a `RandomState` differs from another's of the process by one only.
    let draw = || RandomState::new().build_hasher().finish();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("conf-{:016x}{:016x}-{count}", draw(), draw())
}

/// Percent-encodes a key or a parameter: all but the unreserved characters.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A namespace of one test.
#[derive(Clone, Debug)]
pub struct Space {
    /// The server it is on.
    pub api: Api,
    /// Its name.
    pub name: String,
}

impl Space {
    /// A fresh name; the first write creates the namespace.
    #[must_use]
    pub fn new() -> Self {
        Self {
            api: Api::from_env(),
            name: unique(),
        }
    }

    /// A namespace created with a configuration.
    pub async fn with(config: &Value) -> Self {
        let space = Self::new();
        space.configure(config).await.expect(201);
        space
    }

    /// Another namespace on the same server.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self {
            api: self.api.clone(),
            name: unique(),
        }
    }

    /// Path in the namespace; `rest` is empty or begins with a slash.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/namespaces/{}{rest}", self.name)
    }

    /// `PUT` of the configuration.
    pub fn configure(&self, config: &Value) -> Call {
        self.api.call("PUT", self.path("")).json(config)
    }

    /// `GET` of something in the namespace.
    pub fn get(&self, rest: &str) -> Call {
        self.api.get(self.path(rest))
    }

    /// `POST` of a JSON body.
    pub fn post(&self, endpoint: &str, body: &Value) -> Call {
        self.post_text(endpoint, body.to_string())
    }

    /// `POST` of a body that is said to be JSON.
    pub fn post_text(&self, endpoint: &str, body: impl Into<Vec<u8>>) -> Call {
        self.api
            .call("POST", self.path(&format!("/{endpoint}")))
            .body("application/json", body)
    }

    /// A key-value request; the key is percent-encoded.
    pub fn kv(&self, method: &str, key: &str) -> Call {
        self.api
            .call(method, self.path(&format!("/kv/{}", encode(key))))
    }

    /// `PUT` of a text value.
    pub fn put(&self, key: &str, value: &str) -> Call {
        self.kv("PUT", key).body("text/plain", value)
    }

    /// Upserts records; answers their version.
    pub async fn upsert(&self, records: &Value) -> u64 {
        let answer = self.post("upsert", &json!({"records": records})).await;
        let body = answer.clone().ok();
        answer.check_eq(body["version"].as_u64(), Some(answer.version()), "version");
        answer.version()
    }

    /// The description of the namespace.
    pub async fn describe(&self) -> Value {
        self.get("").await.ok()
    }

    /// One record with these parts, or `None`.
    pub async fn fetch(&self, id: &str, include: &[&str]) -> Option<Value> {
        let body = json!({"ids": [id], "include": include});
        let answer = self.post("fetch", &body).await;
        let mut body = answer.clone().ok();
        match body["records"].as_array_mut().and_then(Vec::pop) {
            Some(record) => Some(record),
            None => {
                answer.check_eq(&body["missing"], &json!([id]), "missing");
                None
            }
        }
    }

    /// One record with all its parts, which must be there.
    pub async fn record(&self, id: &str) -> Value {
        self.fetch(id, &["metadata", "text", "value", "vector"])
            .await
            .unwrap_or_else(|| panic!("the record {id:?} is not there"))
    }

    /// All entries of `kv` or `records`, page by page.
    pub async fn list(&self, endpoint: &str, parameters: &str) -> Vec<Value> {
        let path = self.path(&format!("/{endpoint}"));
        walk(&self.api, &path, parameters, "records").await
    }

    /// All ids of `kv` or `records`.
    pub async fn ids(&self, endpoint: &str, parameters: &str) -> Vec<String> {
        let entries = self.list(endpoint, parameters).await;
        entries
            .iter()
            .map(|entry| entry["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// How many records match a filter.
    pub async fn count(&self, filter: &Value) -> u64 {
        let body = json!({"filter": filter, "dry_run": true});
        let answer = self.post("delete", &body).await;
        let body = answer.clone().ok();
        answer.check_eq(&body["dry_run"], &json!(true), "dry_run");
        body["deleted"].as_u64().expect("a count")
    }
}

impl Default for Space {
    fn default() -> Self {
        Self::new()
    }
}

impl Api {
    /// All namespaces whose name has the prefix, page by page.
    pub async fn namespaces(&self, prefix: &str, limit: usize) -> Vec<Value> {
        let parameters = format!("prefix={}&limit={limit}", encode(prefix));
        walk(self, "/v1/namespaces", &parameters, "namespaces").await
    }
}

async fn walk(api: &Api, path: &str, parameters: &str, member: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    for _ in 0..10_000 {
        let answer = api.get(format!("{path}?{parameters}{cursor}")).await;
        let mut page = answer.clone().ok();
        let Some(items) = page[member].as_array_mut() else {
            answer.fail(format_args!("no list `{member}`"));
        };
        entries.append(items);
        match &page["next_cursor"] {
            Value::Null => return entries,
            Value::String(next) => cursor = format!("&cursor={}", encode(next)),
            _ => answer.fail("next_cursor is not a string"),
        }
    }
    panic!("the list of {path} does not end");
}
