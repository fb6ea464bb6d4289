//! Records of every kind, written in every way. Each writer has ids of its own, so it knows what
//! each of them must be, up to the one write that was in flight.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::zip,
    time::Duration,
};

use fastrand::Rng;
use futures::TryStreamExt;
use quartz_client::{
    BatchOperation, Client, Include, Metadata, MetadataValue, Namespace, OperationKind,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Answer, Round,
    content::{Content, LONG, State, fault},
    now_millis,
};

const NAMESPACE: &str = "records";
const KEYS: usize = 40;
const DIMENSION: usize = 16;
const EVERYTHING: [Include; 4] = [
    Include::Metadata,
    Include::Text,
    Include::Value,
    Include::Vector,
];

/// A write on its way, and what it makes of the keys it names.
struct InFlight {
    sent: u64,
    after: Vec<(usize, State)>,
}

/// One writer.
pub(super) struct Records {
    number: usize,
    rng: Rng,
    states: Vec<State>,
    in_flight: Option<InFlight>,
    serial: u64,
}

impl Records {
    pub(super) fn new(number: usize, rng: Rng) -> Self {
        Self {
            number,
            rng,
            states: vec![None; KEYS],
            in_flight: None,
            serial: 0,
        }
    }

    fn id(&self, key: usize) -> String {
        format!("{}/{key:03}", self.number)
    }

    fn value(&mut self) -> String {
        self.serial += 1;
        let times = match self.rng.u8(..10) {
            0 => self.rng.usize(500..2_000),
            _ => self.rng.usize(1..100),
        };
        format!("{:09}.", self.serial).repeat(times)
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut vector: Vec<_> = (0..DIMENSION)
            .map(|_| f32::from(self.rng.i8(-9..10)))
            .collect();
        vector[0] = 10.0;
        vector
    }

    fn metadata(&mut self) -> Metadata {
        self.serial += 1;
        let tags = [self.rng.u8(..5), 5 + self.rng.u8(..5)].map(|tag| format!("t{tag}"));
        let fields = json!({
            "writer": self.number, "serial": self.serial, "size": self.rng.u32(..1_000),
            "tags": tags, "even": self.serial.is_multiple_of(2),
        });
        serde_json::from_value(fields).unwrap()
    }

    fn ttl(&mut self) -> Option<u64> {
        match self.rng.u8(..8) {
            0 => Some(1),
            1 => Some(LONG),
            _ => None,
        }
    }

    fn content(&mut self) -> Content {
        Content {
            vector: (self.rng.u8(..5) > 0).then(|| self.vector()),
            metadata: self.metadata(),
            text: self.rng.bool().then(|| format!("text {}", self.serial)),
            value: self.rng.bool().then(|| self.value()),
            ttl: self.ttl(),
            ..Content::default()
        }
    }

    fn keys(&mut self, count: usize) -> Vec<usize> {
        self.rng.choose_multiple(0..KEYS, count)
    }

    pub(super) async fn run(&mut self, client: &Client, round: &Round) {
        let namespace = client.namespace(NAMESPACE);
        loop {
            let key = self.rng.usize(..KEYS);
            let short_lived = self.states[key]
                .as_ref()
                .is_some_and(Content::is_short_lived);
            // What depends on the record before must not depend on the time.
            let (after, answer) = match self.rng.u8(..10) {
                0..4 if !short_lived => self.put(&namespace, key, round).await,
                4 if !short_lived => self.update(&namespace, key, round).await,
                5 => self.delete(&namespace, round).await,
                6 => self.batch(&namespace, round).await,
                _ => self.upsert(&namespace, round).await,
            };
            let sent = self.in_flight.as_ref().map_or(0, |write| write.sent);
            let received = now_millis();
            match answer {
                Answer::Acknowledged(version) => {
                    for (key, mut state) in after {
                        if let Some(content) = &mut state {
                            content.version = Some(version);
                            content.settle_expiry(sent, received);
                        }
                        self.states[key] = state;
                    }
                }
                Answer::Refused => assert!(after.is_empty(), "{key} of {} is refused", self.number),
                Answer::Unknown => return,
            }
            self.in_flight = None;
        }
    }

    fn begin(&mut self, after: &[(usize, State)]) {
        self.in_flight = Some(InFlight {
            sent: now_millis(),
            after: after.to_vec(),
        });
    }

    /// A value; vector, metadata and text stay. With no condition, one that holds, or one that fails.
    async fn put(&mut self, namespace: &Namespace, key: usize, round: &Round) -> Step {
        let before = self.states[key].clone();
        let mut content = before.clone().unwrap_or_default();
        let value = self.value();
        content.ttl = self.ttl();
        content.expires = None;
        content.value = Some(value.clone());
        // What a JSON string without a content type becomes, too.
        let mut put = namespace.put(&self.id(key), value);
        put = put.content_type("text/plain");
        if let Some(ttl) = content.ttl {
            put = put.ttl(Duration::from_secs(ttl));
        }
        let mut after = vec![(key, Some(content))];
        let version = before.as_ref().and_then(|content| content.version);
        match (self.rng.u8(..6), version) {
            (0, Some(version)) => put = put.if_version(version),
            (0, None) => put = put.if_absent(),
            (1, Some(version)) => {
                put = put.if_version(version - 1);
                after.clear();
            }
            (1, None) => {
                put = put.if_exists();
                after.clear();
            }
            (2, Some(_)) => {
                put = put.if_absent();
                after.clear();
            }
            _ => {}
        }
        self.begin(&after);
        let answer = round.judge(put.await.map(|written| written.version));
        assert!(
            !(after.is_empty() && matches!(answer, Answer::Acknowledged(_))),
            "a put went through against its condition"
        );
        (after, answer)
    }

    /// A patch of the metadata, perhaps with a new vector.
    async fn update(&mut self, namespace: &Namespace, key: usize, round: &Round) -> Step {
        let Some(mut content) = self.states[key].clone() else {
            return self.upsert(namespace, round).await;
        };
        self.serial += 1;
        let patch: Metadata =
            serde_json::from_value(json!({"serial": self.serial, "even": null, "patched": true}))
                .unwrap();
        content.metadata.0.extend(patch.0.clone());
        content.metadata.0.remove("even");
        let mut update = namespace.update(self.id(key)).metadata(patch);
        if self.rng.bool() {
            let vector = self.vector();
            content.vector = Some(vector.clone());
            update = update.vector(vector);
        }
        let after = vec![(key, Some(content))];
        self.begin(&after);
        let answer = update.await.map(|updated| {
            assert_eq!(updated.updated, 1);
            updated.version
        });
        (after, round.judge(answer))
    }

    async fn delete(&mut self, namespace: &Namespace, round: &Round) -> Step {
        let count = self.rng.usize(1..4);
        let after: Vec<_> = self
            .keys(count)
            .into_iter()
            .map(|key| (key, None))
            .collect();
        self.begin(&after);
        let answer = if let [(key, None)] = after[..] {
            namespace.delete_key(&self.id(key)).await
        } else {
            let ids = after.iter().map(|(key, _)| self.id(*key));
            let deleted = namespace.delete(ids).await;
            deleted.map(|deleted| deleted.version)
        };
        // Nothing may have made the namespace yet.
        if matches!(&answer, Err(error) if error.status() == Some(404)) {
            return (after, Answer::Acknowledged(0));
        }
        (after, round.judge(answer))
    }

    /// Some whole records, some deletions, in one commit.
    async fn batch(&mut self, namespace: &Namespace, round: &Round) -> Step {
        let count = self.rng.usize(2..9);
        let mut after = Vec::new();
        for key in self.keys(count) {
            let content = (self.rng.u8(..4) > 0).then(|| self.content());
            after.push((key, content));
        }
        let operations = after.iter().map(|(key, state)| match state {
            Some(content) => content.operation(self.id(*key)),
            None => BatchOperation {
                op: OperationKind::Delete,
                id: self.id(*key),
                ..BatchOperation::default()
            },
        });
        let batch = namespace.batch(operations.collect::<Vec<_>>());
        self.begin(&after);
        let answer = batch.await.map(|batch| batch.version);
        (after, round.judge(answer))
    }

    async fn upsert(&mut self, namespace: &Namespace, round: &Round) -> Step {
        let count = if self.rng.bool() {
            1
        } else {
            self.rng.usize(2..12)
        };
        let keys = self.keys(count);
        let after: Vec<_> = keys
            .into_iter()
            .map(|key| (key, Some(self.content())))
            .collect();
        let records = after.iter().filter_map(|(key, state)| {
            let content = state.as_ref()?;
            Some(content.record(self.id(*key)))
        });
        let upsert = namespace.upsert(records.collect::<Vec<_>>());
        self.begin(&after);
        let answer = upsert.await.map(|upserted| upserted.version);
        (after, round.judge(answer))
    }

    /// Reads every id and settles the write that was in flight.
    async fn settle(&mut self, namespace: &Namespace) {
        let from = now_millis();
        let ids = (0..KEYS).map(|key| self.id(key));
        let fetched = namespace.fetch(ids).include(EVERYTHING).await.unwrap();
        let read = (from, now_millis());
        let found: BTreeMap<_, _> = fetched
            .records
            .iter()
            .map(|record| (record.id.as_str(), record))
            .collect();
        let found: Vec<_> = (0..KEYS)
            .map(|key| found.get(self.id(key).as_str()).copied())
            .collect();
        if let Some(mut write) = self.in_flight.take() {
            for (_, state) in &mut write.after {
                if let Some(content) = state {
                    content.version = None;
                    content.settle_expiry(write.sent, read.1);
                }
            }
            let after = write.after.iter();
            let undone = after
                .clone()
                .find_map(|(key, state)| fault(state, found[*key], read));
            if undone.is_none() {
                let versions: BTreeSet<_> = after
                    .filter_map(|(key, state)| Some((state.as_ref()?, found[*key]?.version)))
                    .map(|(_, version)| version)
                    .collect();
                assert!(versions.len() <= 1, "one write, versions {versions:?}");
                for (key, state) in write.after {
                    self.states[key] = state;
                }
            } else {
                let before = after
                    .map(|(key, _)| *key)
                    .find_map(|key| fault(&self.states[key], found[key], read));
                assert!(
                    before.is_none(),
                    "a write in flight is neither done nor undone: {undone:?}, {before:?}"
                );
            }
        }
        for (key, found) in found.into_iter().enumerate() {
            if let Some(fault) = fault(&self.states[key], found, read) {
                panic!("{}: {fault}", self.id(key));
            }
            match (found, &mut self.states[key]) {
                (Some(found), Some(content)) => {
                    content.version = Some(found.version);
                    content.expires = found.expires_at.map(|at| (at, at));
                }
                (_, state) => *state = None,
            }
        }
    }
}

type Step = (Vec<(usize, State)>, Answer<u64>);

/// Point reads settle what was in flight; then lists, counts, filters and queries must agree.
pub(super) async fn verify(writers: &mut [Records], client: &Client) {
    let namespace = client.namespace(NAMESPACE);
    match namespace.describe().await {
        Ok(_) => {}
        Err(error) if error.status() == Some(404) => {
            let mut states = writers.iter().flat_map(|writer| &writer.states);
            assert!(states.all(Option::is_none), "the namespace is lost");
            writers
                .iter_mut()
                .for_each(|writer| writer.in_flight = None);
            return;
        }
        Err(error) => panic!("{error}"),
    }
    for writer in writers.iter_mut() {
        writer.settle(&namespace).await;
    }
    wait_for_the_short_lived(writers).await;
    let mut expected = BTreeMap::new();
    for writer in writers.iter() {
        for (key, state) in writer.states.iter().enumerate() {
            if let Some(content) = state {
                expected.insert(writer.id(key), content);
            }
        }
    }
    check_lists(&namespace, &expected).await;
    check_counts(&namespace, &expected).await;
    for writer in writers.iter() {
        check_query(&namespace, &expected, Some(writer.number)).await;
    }
    check_query(&namespace, &expected, None).await;
}

async fn wait_for_the_short_lived(writers: &mut [Records]) {
    let states = writers.iter_mut().flat_map(|writer| &mut writer.states);
    let mut last = 0;
    for state in states {
        if let Some(content) = state
            && content.is_short_lived()
        {
            last = last.max(content.expires.map_or(0, |(_, to)| to));
            *state = None;
        }
    }
    let wait = (last + 1).saturating_sub(now_millis());
    if last > 0 {
        sleep(Duration::from_millis(wait)).await;
    }
}

async fn check_lists(namespace: &Namespace, expected: &BTreeMap<String, &Content>) {
    let list = namespace.records().include(EVERYTHING).page_size(70);
    let listed: Vec<_> = list.stream().try_collect().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|record| &record.id).collect();
    assert_eq!(ids, expected.keys().collect::<Vec<_>>(), "the list");
    for (record, content) in zip(&listed, expected.values()) {
        if let Some(difference) = content.differs(record) {
            panic!("listed {}: {difference}", record.id);
        }
    }
    let listed: Vec<_> = namespace.keys().stream().try_collect().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|e| (e.id, e.version)).collect();
    let valued = expected
        .iter()
        .filter(|(_, content)| content.value.is_some());
    let with_version = |(id, content): (&String, &&Content)| (id.clone(), content.version.unwrap());
    assert_eq!(listed, valued.clone().map(with_version).collect::<Vec<_>>());
    for (id, content) in valued {
        let read = namespace.get(id).await.unwrap().unwrap();
        assert_eq!(read.text().ok(), content.value.as_deref(), "{id}");
        assert_eq!(Some(read.version), content.version, "{id}");
    }
    let described = namespace.describe().await.unwrap();
    let count = |part: fn(&Content) -> bool| {
        expected.values().filter(|content| part(content)).count() as u64
    };
    assert_eq!(
        (described.records, described.vectors, described.values),
        (
            count(|_| true),
            count(|content| content.vector.is_some()),
            count(|content| content.value.is_some())
        )
    );
}

async fn check_counts(namespace: &Namespace, expected: &BTreeMap<String, &Content>) {
    type Rule = fn(&Content) -> bool;
    let rules: [(Value, Rule); 7] = [
        (json!({"writer": 3}), |c| c.number("writer") == Some(3.0)),
        (json!({"size": {"$gte": 250, "$lt": 600}}), |c| {
            c.number("size")
                .is_some_and(|size| (250.0..600.0).contains(&size))
        }),
        (json!({"tags": "t3"}), |c| c.has_tag("t3")),
        (json!({"tags": {"$in": ["t1", "t7"]}}), |c| {
            c.has_tag("t1") || c.has_tag("t7")
        }),
        (json!({"patched": {"$exists": true}}), |c| {
            c.metadata.0.contains_key("patched")
        }),
        (json!({"$not": {"writer": {"$lte": 2}}}), |c| {
            c.number("writer").is_none_or(|writer| writer > 2.0)
        }),
        (
            json!({"$or": [{"even": true}, {"size": {"$lt": 100}}]}),
            |c| {
                c.metadata.0.get("even") == Some(&MetadataValue::Bool(true))
                    || c.number("size").is_some_and(|size| size < 100.0)
            },
        ),
    ];
    for (filter, rule) in rules {
        let counted = namespace.delete_where(&filter).dry_run().await.unwrap();
        let right = expected.values().filter(|content| rule(content)).count();
        assert_eq!(counted.deleted, right as u64, "{filter}");
    }
}

/// Asks for more than there are: the right ids in the right order with the right scores.
async fn check_query(
    namespace: &Namespace,
    expected: &BTreeMap<String, &Content>,
    writer: Option<usize>,
) {
    let probe: Vec<f32> = (0..DIMENSION).map(|c| (c as f32).sin() + 0.1).collect();
    let mut right = BTreeMap::new();
    for (id, content) in expected {
        let theirs = writer.is_none_or(|writer| content.number("writer") == Some(writer as f64));
        if let Some(vector) = content.vector.as_ref().filter(|_| theirs) {
            right.insert(id.as_str(), cosine(vector, &probe));
        }
    }
    let filter = writer.map_or(json!({}), |writer| json!({"writer": writer}));
    let query = namespace.query().vector(probe).filter(filter);
    let found = query.top_k(right.len() + 5).await.unwrap().matches;
    let ids: BTreeSet<_> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, right.keys().copied().collect(), "the query");
    assert_eq!(ids.len(), found.len(), "a match comes twice");
    assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    for found in &found {
        let score = right[found.id.as_str()];
        assert!(
            (f64::from(found.score) - score).abs() < 1e-5,
            "{}: {} instead of {score}",
            found.id,
            found.score
        );
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        zip(a, b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
