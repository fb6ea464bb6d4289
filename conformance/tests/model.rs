//! A long random mix of writes against a plain map, compared as a whole again and again.

use std::collections::BTreeMap;

use quartz_conformance::{Answer, Space};
use serde_json::{Map, Value, json};

/// What a record should be, in the form an answer has it.
type Model = BTreeMap<String, Map<String, Value>>;

const PARTS: &str = "include=metadata,text,value,vector&limit=7";

struct Mix {
    rng: fastrand::Rng,
    model: Model,
    version: u64,
    /// Grows, so that no write repeats what is stored.
    fresh: u64,
}

impl Mix {
    fn id(&mut self) -> String {
        format!("id {}", self.rng.u8(..24))
    }

    fn fresh(&mut self) -> u64 {
        self.fresh += 1;
        self.fresh
    }

    fn parts(&mut self) -> Map<String, Value> {
        let n = self.fresh();
        let mut parts = Map::new();
        parts.insert("metadata".into(), json!({"n": n, "kind": n % 3}));
        if self.rng.bool() {
            parts.insert("vector".into(), json!([n as f64, 1.0]));
        }
        if self.rng.bool() {
            parts.insert("text".into(), json!(format!("text {n}")));
        }
        if self.rng.bool() {
            parts.insert("value".into(), json!(n));
            parts.insert("content_type".into(), json!("application/json"));
        }
        parts
    }

    fn store(&mut self, id: &str, mut parts: Map<String, Value>) {
        parts.insert("id".into(), json!(id));
        parts.insert("version".into(), json!(self.version));
        self.model.insert(id.to_owned(), parts);
    }

    fn put(&mut self, id: &str, value: u64, content_type: &str) {
        let mut parts = self.model.get(id).cloned().unwrap_or_default();
        parts.insert("value".into(), json!(value));
        parts.insert("content_type".into(), json!(content_type));
        self.store(id, parts);
    }

    fn patch(&mut self, id: &str, n: u64) {
        let mut parts = self.model[id].clone();
        let metadata = parts.entry("metadata").or_insert_with(|| json!({}));
        metadata["patched"] = json!(n);
        self.store(id, parts);
    }

    fn of_kind(&self, kind: u64) -> Vec<String> {
        let matches = |record: &&Map<String, Value>| {
            record
                .get("metadata")
                .is_some_and(|metadata| metadata["kind"] == kind)
        };
        let records = self.model.values().filter(matches);
        records
            .map(|record| record["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    async fn step(&mut self, space: &Space) -> Answer {
        match self.rng.u8(..12) {
            0..=2 => {
                let (id, n) = (self.id(), self.fresh());
                self.version += 1;
                self.put(&id, n, "application/json");
                let put = space.kv("PUT", &id);
                put.body("application/json", n.to_string()).await
            }
            3..=5 => {
                self.version += 1;
                let mut records = BTreeMap::new();
                for _ in 0..self.rng.usize(1..5) {
                    let (id, parts) = (self.id(), self.parts());
                    self.store(&id, parts.clone());
                    let mut record = parts;
                    record.insert("id".into(), json!(id));
                    records.insert(id, record);
                }
                let records: Vec<_> = records.into_values().collect();
                space.post("upsert", &json!({"records": records})).await
            }
            6 => {
                let (id, n) = (self.id(), self.fresh());
                let patch = json!({"id": id, "metadata": {"patched": n}});
                if self.model.contains_key(&id) {
                    self.version += 1;
                    self.patch(&id, n);
                }
                space.post("update", &patch).await
            }
            7 => {
                let (kind, n) = (self.rng.u64(..3), self.fresh());
                let ids = self.of_kind(kind);
                self.version += u64::from(!ids.is_empty());
                for id in &ids {
                    self.patch(id, n);
                }
                let update = json!({"filter": {"kind": kind}, "metadata": {"patched": n}});
                let answer = space.post("update", &update).await;
                assert_eq!(answer.json()["updated"], ids.len());
                answer
            }
            8 => {
                let id = self.id();
                self.version += u64::from(self.model.remove(&id).is_some());
                space.kv("DELETE", &id).await
            }
            9 => {
                let ids: Vec<_> = (0..4).map(|_| self.id()).collect();
                let mut gone = 0;
                for id in &ids {
                    gone += u64::from(self.model.remove(id).is_some());
                }
                self.version += u64::from(gone > 0);
                let answer = space.post("delete", &json!({"ids": ids})).await;
                assert_eq!(answer.json()["deleted"], gone);
                answer
            }
            10 if self.rng.u8(..3) == 0 => {
                let kind = self.rng.u64(..3);
                let ids = self.of_kind(kind);
                self.version += u64::from(!ids.is_empty());
                for id in &ids {
                    self.model.remove(id);
                }
                let delete = json!({"filter": {"kind": kind}});
                let answer = space.post("delete", &delete).await;
                assert_eq!(answer.json()["deleted"], ids.len());
                answer
            }
            _ => {
                self.version += 1;
                let (put, deleted, upserted) = (self.id(), self.id(), self.id());
                let n = self.fresh();
                let mut operations = vec![
                    json!({"op": "put", "id": put, "value": n}),
                    json!({"op": "delete", "id": deleted}),
                ];
                self.put(&put, n, "application/json");
                self.model.remove(&deleted);
                let parts = self.parts();
                let mut operation = parts.clone();
                operation.insert("op".into(), json!("upsert"));
                operation.insert("id".into(), json!(upserted));
                operations.push(Value::Object(operation));
                self.store(&upserted, parts);
                let batch = json!({"operations": operations});
                space.post("batch", &batch).await
            }
        }
    }

    async fn compare(&self, space: &Space) {
        let mut listed = space.list("records", PARTS).await;
        for record in &mut listed {
            if record["metadata"] == json!({}) || record["metadata"].is_null() {
                record
                    .as_object_mut()
                    .expect("an object")
                    .remove("metadata");
            }
        }
        let expected: Vec<_> = self.model.values().cloned().map(Value::Object).collect();
        assert_eq!(listed, expected);
        let with = |part: &str| self.model.values().filter(|r| r.contains_key(part)).count();
        let described = space.describe().await;
        assert_eq!(described["records"], self.model.len());
        assert_eq!(described["vectors"], with("vector"));
        assert_eq!(described["values"], with("value"));
        assert_eq!(described["version"], self.version);
        for kind in 0..3 {
            let count = space.count(&json!({"kind": kind})).await;
            assert_eq!(count, self.of_kind(kind).len() as u64);
        }
        if with("vector") > 0 {
            let ask = json!({"vector": [1, 1], "top_k": 100});
            let body = space.post("query", &ask).await.ok();
            assert_eq!(
                body["matches"].as_array().map(Vec::len),
                Some(with("vector"))
            );
        }
    }
}

async fn run(seed: u64) {
    let space = Space::new();
    space.configure(&json!({})).await.expect(201);
    let mut mix = Mix {
        rng: fastrand::Rng::with_seed(seed),
        model: Model::new(),
        version: 0,
        fresh: 0,
    };
    for step in 0..240 {
        let answer = mix.step(&space).await;
        let refused = answer.status == 404;
        answer.check(answer.status < 300 || refused, "the write succeeds");
        answer.check_eq(answer.version(), mix.version, "Quartz-Version");
        if step % 8 == 0 {
            mix.compare(&space).await;
        }
    }
    mix.compare(&space).await;
}

#[tokio::test]
async fn a_random_mix_equals_a_map_1() {
    run(1).await;
}

#[tokio::test]
async fn a_random_mix_equals_a_map_2() {
    run(2).await;
}

#[tokio::test]
async fn a_random_mix_equals_a_map_3() {
    run(3).await;
}
