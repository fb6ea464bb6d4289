//! Many clients at once: nothing is lost, nothing is won twice, no read sees half a write.

use std::{
    collections::BTreeSet,
    future::IntoFuture,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::future::{join, join_all};
use quartz_conformance::Space;
use serde_json::{Value, json};

/// Reads, adds one, writes if nobody else has; from the start if somebody has.
async fn increment(space: &Space) {
    loop {
        let read = space.kv("GET", "counter").await.expect(200);
        let count: u64 = String::from_utf8_lossy(&read.body)
            .parse()
            .expect("a number");
        let write = space
            .put("counter", &(count + 1).to_string())
            .header("if-match", format!("\"{}\"", read.etag()))
            .await;
        match write.status {
            200 => return,
            _ => {
                write.problem("precondition_failed");
            }
        }
    }
}

#[tokio::test]
async fn a_counter_loses_no_increment() {
    let space = Space::new();
    space.put("counter", "0").await.expect(201);
    let workers = (0..16).map(|_| async {
        for _ in 0..50 {
            increment(&space).await;
        }
    });
    join_all(workers).await;
    let counter = space.kv("GET", "counter").await;
    assert_eq!(counter.body, b"800");
    assert_eq!(counter.etag(), 801, "one version an increment");
}

#[tokio::test]
async fn one_creator_wins() {
    let space = Space::new();
    for round in 0..10 {
        let key = format!("k{round}");
        let values: Vec<_> = (0..16).map(|i| i.to_string()).collect();
        let puts = values.iter().map(|value| {
            let put = space.put(&key, value).header("if-none-match", "*");
            put.into_future()
        });
        let answers = join_all(puts).await;
        let mut winners = Vec::new();
        for (value, answer) in values.iter().zip(answers) {
            match answer.status {
                201 => winners.push(value),
                _ => {
                    answer.problem("precondition_failed");
                }
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?} created {key}");
        assert_eq!(space.kv("GET", &key).await.body, winners[0].as_bytes());
    }
}

#[tokio::test]
async fn one_if_absent_batch_wins() {
    let space = Space::new();
    let batches: Vec<_> = (0..12)
        .map(|i| {
            let operations = json!([
                {"op": "put", "id": format!("mine {i}"), "value": i},
                {"op": "put", "id": "prize", "value": i, "if_absent": true},
            ]);
            space.post("batch", &json!({"operations": operations}))
        })
        .collect();
    let answers = join_all(batches.into_iter().map(IntoFuture::into_future)).await;
    let winners = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(winners, 1);
    let winner = space.record("prize").await["value"].clone();
    let expected = [format!("mine {winner}"), "prize".to_owned()];
    assert_eq!(space.ids("records", "").await, expected);
}

#[tokio::test]
async fn concurrent_writes_take_numbers_without_gaps() {
    let space = Space::new();
    let writes: Vec<_> = (0..60)
        .map(|i| match i % 3 {
            0 => space.put(&format!("k{i}"), "x"),
            1 => space.post("upsert", &json!({"records": [{"id": format!("k{i}")}]})),
            _ => {
                let operations = json!([{"op": "put", "id": format!("k{i}"), "value": 1}]);
                space.post("batch", &json!({"operations": operations}))
            }
        })
        .collect();
    let answers = join_all(writes.into_iter().map(IntoFuture::into_future)).await;
    let mut versions = BTreeSet::new();
    for answer in answers {
        answer.check(answer.status < 300, "the write succeeds");
        versions.insert(answer.version());
    }
    assert_eq!(versions, (1..=60).collect());
    let stored: BTreeSet<_> = space
        .list("records", "")
        .await
        .iter()
        .map(|record| record["version"].as_u64().unwrap())
        .collect();
    assert_eq!(stored, versions);
}

const ACCOUNTS: usize = 8;

fn balance(record: &Value) -> i64 {
    record["value"].as_i64().expect("a balance")
}

/// Moves money between two accounts if both are as they were read.
async fn transfer(space: &Space, rng: &mut fastrand::Rng) {
    loop {
        let from = rng.usize(..ACCOUNTS);
        let to = (from + rng.usize(1..ACCOUNTS)) % ACCOUNTS;
        let ids = [format!("account {from}"), format!("account {to}")];
        let ask = json!({"ids": ids, "include": ["value"]});
        let read = space.post("fetch", &ask).await.ok();
        let amount = rng.i64(1..50);
        let change = |place: usize, amount: i64| {
            let record = &read["records"][place];
            json!({
                "op": "put", "id": ids[place], "value": balance(record) + amount,
                "if_version": record["version"],
            })
        };
        let operations = json!([change(0, -amount), change(1, amount)]);
        let batch = space
            .post("batch", &json!({"operations": operations}))
            .await;
        match batch.status {
            200 => return,
            _ => {
                batch.problem("precondition_failed");
            }
        }
    }
}

#[tokio::test]
async fn money_is_never_made_nor_lost() {
    let space = Space::new();
    let ids: Vec<_> = (0..ACCOUNTS).map(|i| format!("account {i}")).collect();
    let records: Vec<_> = ids
        .iter()
        .map(|id| json!({"id": id, "value": 100}))
        .collect();
    space.upsert(&json!(records)).await;
    let done = AtomicBool::new(false);
    let writers = (0..6).map(|seed| {
        let space = &space;
        async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..25 {
                transfer(space, &mut rng).await;
            }
        }
    });
    let write = async {
        join_all(writers).await;
        done.store(true, Ordering::Relaxed);
    };
    let ask = json!({"ids": ids, "include": ["value"]});
    let read = async {
        let mut reads = 0;
        let mut last_version = 0;
        while !done.load(Ordering::Relaxed) {
            let list = space.get("/records?include=value&limit=100").into_future();
            let fetch = space.post("fetch", &ask).into_future();
            let export = space.get("/export").into_future();
            let (list, fetch, export) = futures::join!(list, fetch, export);
            let version = fetch.version();
            fetch.check(version >= last_version, "versions never go back");
            last_version = version;
            let text = String::from_utf8(export.expect(200).body).unwrap();
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            for answer in [list, fetch] {
                let body = answer.clone().ok();
                let records = body["records"].as_array().unwrap();
                let total: i64 = records.iter().map(balance).sum();
                answer.check_eq(total, 800, "sum of all accounts");
            }
            assert_eq!(lines.iter().map(balance).sum::<i64>(), 800, "in an export");
            reads += 1;
        }
        reads
    };
    let ((), reads) = join(write, read).await;
    assert!(reads > 0);
    assert_eq!(space.describe().await["version"], 151);
}

#[tokio::test]
async fn a_write_is_read_by_whoever_comes_after_it() {
    let space = Space::new();
    let workers = (0..8).map(|worker| {
        let space = &space;
        async move {
            let key = format!("k{worker}");
            for round in 0..20 {
                let value = format!("{worker} {round}");
                let put = space.put(&key, &value).await;
                put.check(put.status < 300, "the write succeeds");
                let read = space.kv("GET", &key).await.expect(200);
                read.check(read.version() >= put.version(), "versions never go back");
                assert_eq!(read.body, value.as_bytes());
            }
        }
    });
    join_all(workers).await;
    assert_eq!(space.describe().await["version"], 160);
}

#[tokio::test]
async fn vectors_and_values_of_a_record_change_together() {
    let space = Space::new();
    let state = |n: u64| json!([{"id": "a", "vector": [n, 1], "metadata": {"n": n}, "value": n, "text": n.to_string()}]);
    space.upsert(&state(1)).await;
    let done = AtomicBool::new(false);
    let write = async {
        for n in 2..60 {
            space.upsert(&state(n)).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let read = async {
        while !done.load(Ordering::Relaxed) {
            let parts = ["metadata", "text", "value", "vector"];
            let ask = json!({"vector": [1, 0], "include": parts});
            let answer = space.post("query", &ask).await;
            let found = answer.clone().ok()["matches"][0].clone();
            let n = found["value"].as_u64().unwrap();
            answer.check_eq(&found["vector"][0], &json!(n as f64), "vector");
            answer.check_eq(&found["metadata"]["n"], &json!(n), "metadata");
            answer.check_eq(&found["text"], &json!(n.to_string()), "text");
        }
    };
    join(write, read).await;
}
