//! Records in, nearest neighbours out, against brute force in 64-bit floats.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quartz_conformance::{Answer, Space};
use serde_json::{Value, json};

const METRICS: [&str; 3] = ["cosine", "dot", "euclidean"];

fn vectors(rng: &mut fastrand::Rng, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    let mut component = || rng.f32() * 2.0 - 1.0;
    (0..count)
        .map(|_| (0..dimension).map(|_| component()).collect())
        .collect()
}

fn score(metric: &str, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    let length = |v: &[f32]| v.iter().map(|c| f64::from(*c).powi(2)).sum::<f64>().sqrt();
    match metric {
        "cosine" => dot / (length(a) * length(b)),
        "dot" => dot,
        _ => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
    }
}

/// Whether the first score comes before the second by more than rounding explains.
fn beats(metric: &str, first: f64, second: f64) -> bool {
    let margin = 1e-5 * (1.0 + first.abs().max(second.abs()));
    match metric {
        "euclidean" => first < second - margin,
        _ => first > second + margin,
    }
}

/// The answer holds the nearest of `data`, best first, with true scores, ties by id.
#[track_caller]
fn check_nearest(
    answer: &Answer,
    metric: &str,
    query: &[f32],
    data: &[(String, Vec<f32>)],
    top_k: usize,
) {
    let body = answer.clone().ok();
    answer.check_eq(body["version"].as_u64(), Some(answer.version()), "version");
    let matches = body["matches"].as_array().expect("matches");
    answer.check_eq(matches.len(), top_k.min(data.len()), "number of matches");
    let mut truth: Vec<f64> = data
        .iter()
        .map(|(_, vector)| score(metric, query, vector))
        .collect();
    truth.sort_by(|a, b| match metric {
        "euclidean" => a.total_cmp(b),
        _ => b.total_cmp(a),
    });
    let mut seen = std::collections::BTreeSet::new();
    for (place, found) in matches.iter().enumerate() {
        let id = found["id"].as_str().expect("an id");
        answer.check(seen.insert(id), format_args!("{id} is there twice"));
        let claimed = found["score"].as_f64().expect("a score");
        let Some((_, vector)) = data.iter().find(|(name, _)| name == id) else {
            answer.fail(format_args!("{id} is not a candidate"));
        };
        let exact = score(metric, query, vector);
        answer.check(
            (claimed - exact).abs() <= 1e-4 * (1.0 + exact.abs()),
            format_args!("score of {id} is {exact}, not {claimed}"),
        );
        answer.check(
            !beats(metric, truth[place], exact),
            format_args!("place {place} should have score {}", truth[place]),
        );
    }
    for pair in matches.windows(2) {
        let [a, b] = [&pair[0], &pair[1]].map(|m| m["score"].as_f64().expect("a score"));
        let ids = [&pair[0], &pair[1]].map(|m| m["id"].as_str().expect("an id"));
        let ordered = match metric {
            "euclidean" => a <= b,
            _ => a >= b,
        };
        answer.check(ordered, format_args!("{ids:?} are not best first"));
        answer.check(a != b || ids[0] < ids[1], "equal scores ascend by id");
    }
}

async fn filled(metric: &str, data: &[(String, Vec<f32>)]) -> Space {
    let space = Space::with(&json!({"metric": metric})).await;
    for chunk in data.chunks(1000) {
        let records: Vec<_> = chunk
            .iter()
            .map(|(id, vector)| json!({"id": id, "vector": vector}))
            .collect();
        space.upsert(&json!(records)).await;
    }
    space
}

#[tokio::test]
async fn nearest_neighbours_equal_brute_force() {
    for (metric, dimension, count) in [
        ("cosine", 1, 40),
        ("cosine", 33, 300),
        ("dot", 3, 300),
        ("dot", 128, 200),
        ("euclidean", 2, 300),
        ("euclidean", 100, 200),
    ] {
        let mut rng = fastrand::Rng::with_seed(dimension as u64);
        let data: Vec<_> = vectors(&mut rng, count, dimension)
            .into_iter()
            .enumerate()
            .map(|(i, vector)| (format!("r{i}"), vector))
            .collect();
        let space = filled(metric, &data).await;
        for query in vectors(&mut rng, 4, dimension) {
            for top_k in [1, 7, count, 10_000] {
                let ask = json!({"vector": query, "top_k": top_k, "exact": true});
                let answer = space.post("query", &ask).await;
                check_nearest(&answer, metric, &query, &data, top_k);
                assert_eq!(answer.json()["plan"]["exact"], true);
            }
            // A plan may be inexact, but it may not say it is exact when it is not.
            let answer = space
                .post("query", &json!({"vector": query, "top_k": 20}))
                .await;
            if answer.json()["plan"]["exact"] == true {
                check_nearest(&answer, metric, &query, &data, 20);
            }
        }
    }
}

#[tokio::test]
async fn top_k_is_ten_if_absent() {
    let mut rng = fastrand::Rng::with_seed(1);
    let data: Vec<_> = vectors(&mut rng, 25, 4)
        .into_iter()
        .enumerate()
        .map(|(i, vector)| (format!("r{i:02}"), vector))
        .collect();
    let space = filled("cosine", &data).await;
    let answer = space.post("query", &json!({"vector": data[3].1})).await;
    check_nearest(&answer, "cosine", &data[3].1, &data, 10);
    assert_eq!(answer.json()["matches"][0]["id"], "r03");
}

#[tokio::test]
async fn ties_are_broken_by_the_bytes_of_the_id() {
    for metric in METRICS {
        let mut ids = vec!["b", "a", "B", "é", "aa", "🦀", "10", "9", "Z", "z"];
        let data: Vec<_> = ids
            .iter()
            .map(|id| ((*id).to_owned(), vec![0.5, -0.25, 0.125]))
            .collect();
        let space = filled(metric, &data).await;
        ids.sort_unstable();
        for top_k in 1..=ids.len() {
            let ask = json!({"vector": [1, 2, 3], "top_k": top_k, "exact": true});
            let body = space.post("query", &ask).await.ok();
            let found: Vec<_> = body["matches"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["id"].as_str().unwrap())
                .collect();
            assert_eq!(found, ids[..top_k], "{metric}, top_k {top_k}");
        }
    }
}

#[tokio::test]
async fn metrics_answer_the_textbook_scores() {
    for (metric, same, other) in [
        ("cosine", 1.0, 0.0),
        ("dot", 25.0, 0.0),
        ("euclidean", 0.0, 50f64.sqrt()),
    ] {
        let space = Space::with(&json!({"metric": metric, "dimension": 2})).await;
        space
            .upsert(&json!([{"id": "a", "vector": [3, 4]}, {"id": "b", "vector": [-4, 3]}]))
            .await;
        let body = space.post("query", &json!({"vector": [3, 4]})).await.ok();
        for (place, id, expected) in [(0, "a", same), (1, "b", other)] {
            let found = &body["matches"][place];
            assert_eq!(found["id"], id, "{metric}");
            let score = found["score"].as_f64().unwrap();
            assert!((score - expected).abs() < 1e-5, "{metric} {id}: {score}");
        }
    }
}

#[tokio::test]
async fn extreme_but_finite_vectors_have_scores() {
    for metric in METRICS {
        let space = Space::with(&json!({"metric": metric, "dimension": 2})).await;
        let records = json!({"records": [
            {"id": "huge", "vector": [1e30, 1e30]},
            {"id": "tiny", "vector": [1e-30, 1e-30]},
            {"id": "mixed", "vector": [3e38, -1e-40]},
        ]});
        let answer = space.post("upsert", &records).await;
        if metric != "cosine" {
            // Their products and distances are beyond any 32-bit float.
            answer.expect(400).problem("vector_invalid");
            continue;
        }
        answer.expect(200);
        for query in [
            json!([1e30, 1e30]),
            json!([1e-30, 1e-30]),
            json!([-3e38, 3e38]),
        ] {
            let answer = space.post("query", &json!({"vector": query})).await;
            let body = answer.clone().ok();
            for found in body["matches"].as_array().unwrap() {
                answer.check(found["score"].is_number(), "every score is a number");
            }
        }
        for query in [json!([1e30, 1e30]), json!([1e-30, 1e-30])] {
            let body = space.post("query", &json!({"vector": query})).await.ok();
            for place in [0, 1] {
                let found = &body["matches"][place];
                assert!(found["id"] == "huge" || found["id"] == "tiny", "{body}");
                assert!((found["score"].as_f64().unwrap() - 1.0).abs() < 1e-5);
            }
        }
    }
}

#[tokio::test]
async fn vectors_may_be_base64_and_come_back_as_numbers() {
    let space = Space::new();
    let vector = [0.1f32, -2.5, 3e-20, 1.0];
    let bytes: Vec<u8> = vector.iter().flat_map(|c| c.to_le_bytes()).collect();
    let packed = STANDARD.encode(bytes);
    space
        .upsert(&json!([{"id": "numbers", "vector": vector}, {"id": "packed", "vector": packed}]))
        .await;
    for id in ["numbers", "packed"] {
        let record = space.record(id).await;
        let back: Vec<_> = record["vector"]
            .as_array()
            .expect("an array of numbers")
            .iter()
            .map(|c| c.as_f64().unwrap() as f32)
            .collect();
        assert_eq!(back, vector, "as it was sent");
    }
    let body = space.post("query", &json!({"vector": packed})).await.ok();
    assert_eq!(body["matches"][0]["id"], "numbers");
    assert_eq!(body["matches"][1]["id"], "packed");
    for broken in ["!!!!", "AAAA", "AAAAAAA=", "AACAPw"] {
        space
            .post("query", &json!({"vector": broken}))
            .await
            .problem("invalid_request")
            .at("vector");
    }
}

#[tokio::test]
async fn query_by_id_leaves_the_record_out() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut data: Vec<_> = vectors(&mut rng, 30, 8)
        .into_iter()
        .enumerate()
        .map(|(i, vector)| (format!("r{i}"), vector))
        .collect();
    let space = filled("euclidean", &data).await;
    space
        .upsert(&json!([{"id": "no vector", "value": 1}]))
        .await;
    let (_, query) = data.remove(4);
    for top_k in [1, 5, 100] {
        let ask = json!({"id": "r4", "top_k": top_k, "exact": true});
        let answer = space.post("query", &ask).await;
        check_nearest(&answer, "euclidean", &query, &data, top_k);
    }
    space
        .post("query", &json!({"id": "gone"}))
        .await
        .problem("record_not_found");
    let answer = space.post("query", &json!({"id": "no vector"})).await;
    answer.problem("vector_missing");
}

#[tokio::test]
async fn include_decides_what_comes_along() {
    let space = Space::new();
    space
        .upsert(&json!([{
            "id": "a", "vector": [1, 2], "metadata": {"m": 1}, "text": "t", "value": {"v": [1]},
        }]))
        .await;
    let parts = [
        ("metadata", "metadata", json!({"m": 1})),
        ("text", "text", json!("t")),
        ("value", "value", json!({"v": [1]})),
        ("vector", "vector", json!([1.0, 2.0])),
        ("value", "content_type", json!("application/json")),
    ];
    for include in [
        vec![],
        vec!["metadata"],
        vec!["text"],
        vec!["value"],
        vec!["vector"],
        vec!["vector", "metadata", "value", "text"],
    ] {
        let ask = json!({"vector": [1, 2], "include": include});
        let queried = space.post("query", &ask).await.ok()["matches"][0].clone();
        let fetched = space.fetch("a", &include).await.unwrap();
        let listed = space
            .list("records", &format!("include={}", include.join(",")))
            .await
            .remove(0);
        for (part, member, expected) in &parts {
            let expected = match include.contains(part) {
                true => expected.clone(),
                false => Value::Null,
            };
            assert_eq!(queried[member], expected, "query, include {include:?}");
            assert_eq!(fetched[member], expected, "fetch, include {include:?}");
            if !include.is_empty() {
                assert_eq!(listed[member], expected, "list, include {include:?}");
            }
        }
        assert_eq!(queried.get("version"), None);
    }
    // Without `include`: nothing in a query, metadata in a fetch and a list.
    let queried = space.post("query", &json!({"vector": [1, 2]})).await.ok();
    let members: Vec<_> = queried["matches"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "score"]);
    let stored = json!({"id": "a", "version": 1, "metadata": {"m": 1}});
    let fetched = space.post("fetch", &json!({"ids": ["a"]})).await.ok();
    assert_eq!(fetched["records"][0], stored);
    assert_eq!(space.list("records", "").await, [stored]);
    for endpoint in ["query", "fetch"] {
        let ask = match endpoint {
            "query" => json!({"vector": [1, 2], "include": ["score"]}),
            _ => json!({"ids": ["a"], "include": ["metadata", "everything"]}),
        };
        let answer = space.post(endpoint, &ask).await;
        answer.problem("invalid_request").at("include");
    }
}

#[tokio::test]
async fn a_query_has_a_vector_or_an_id() {
    let space = Space::new();
    space.upsert(&json!([{"id": "a", "vector": [1, 2]}])).await;
    for ask in [
        json!({}),
        json!({"top_k": 3}),
        json!({"vector": [1, 2], "id": "a"}),
    ] {
        space.post("query", &ask).await.problem("invalid_request");
    }
}

#[tokio::test]
async fn a_query_finds_nothing_where_there_are_no_vectors() {
    let space = Space::new();
    space
        .post("query", &json!({"vector": [1, 2]}))
        .await
        .problem("namespace_not_found");
    space.put("k", "x").await.expect(201);
    let body = space.post("query", &json!({"vector": [1, 2]})).await.ok();
    assert_eq!(body["matches"], json!([]));
    let plan = &body["plan"];
    assert!(plan["kind"].is_string() && plan["exact"].is_boolean() && plan["scanned"].is_u64());
}

#[tokio::test]
async fn the_dimension_is_fixed_by_the_configuration_or_the_first_vector() {
    let configured = Space::with(&json!({"dimension": 3})).await;
    let first = Space::new();
    first
        .upsert(&json!([{"id": "a", "vector": [1, 2, 3]}]))
        .await;
    for space in [configured, first] {
        for wrong in [json!([1, 2]), json!([1, 2, 3, 4])] {
            let records = json!([{"id": "ok", "vector": [1, 2, 3]}, {"id": "b", "vector": wrong}]);
            space
                .post("upsert", &json!({"records": records}))
                .await
                .problem("dimension_mismatch")
                .at("records[1].vector");
            space
                .post("query", &json!({"vector": wrong}))
                .await
                .problem("dimension_mismatch")
                .at("vector");
            let operations = json!([{"op": "upsert", "id": "b", "vector": wrong}]);
            space
                .post("batch", &json!({"operations": operations}))
                .await
                .problem("dimension_mismatch")
                .at("operations[0].vector");
        }
        assert_eq!(space.fetch("ok", &[]).await, None, "all or nothing");
        assert_eq!(space.describe().await["dimension"], 3);
    }
    // Two vectors of one request that disagree, where nothing was known before.
    let space = Space::new();
    let records = json!([{"id": "a", "vector": [1, 2]}, {"id": "b", "vector": [1]}]);
    space
        .post("upsert", &json!({"records": records}))
        .await
        .problem("dimension_mismatch");
    space.get("").await.problem("namespace_not_found");
}

#[tokio::test]
async fn vectors_that_cannot_be_compared_are_refused() {
    for metric in METRICS {
        let space = Space::with(&json!({"metric": metric, "dimension": 2})).await;
        let base64 = |a: f32, b: f32| {
            let bytes: Vec<u8> = [a, b].iter().flat_map(|c| c.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        };
        let mut bad = vec![
            base64(f32::NAN, 1.0),
            base64(1.0, f32::INFINITY),
            base64(f32::NEG_INFINITY, 1.0),
            json!([1e39, 1]),
            json!([1, -1e300]),
        ];
        if metric == "cosine" {
            bad.extend([json!([0, 0]), json!([-0.0, 0.0]), base64(0.0, -0.0)]);
        }
        for vector in &bad {
            let record = json!({"id": "a", "vector": vector});
            space
                .post("upsert", &json!({"records": [{"id": "ok"}, record]}))
                .await
                .problem("vector_invalid")
                .at("records[1].vector");
            space
                .post("query", &json!({"vector": vector}))
                .await
                .problem("vector_invalid")
                .at("vector");
        }
        for vector in [json!([]), json!("")] {
            let record = json!({"id": "a", "vector": vector});
            space
                .post("upsert", &json!({"records": [record]}))
                .await
                .problem_among(&["vector_invalid", "dimension_mismatch", "invalid_request"])
                .at("records[0].vector");
        }
        for vector in [
            json!(["1", "2"]),
            json!([[1, 2]]),
            json!([1, null]),
            json!({"0": 1}),
        ] {
            let record = json!({"id": "a", "vector": vector});
            space
                .post("upsert", &json!({"records": [record]}))
                .await
                .problem("invalid_request")
                .at("records[0].vector");
        }
        assert_eq!(space.describe().await["records"], 0);
        if metric != "cosine" {
            space
                .upsert(&json!([{"id": "zero", "vector": [0, 0]}]))
                .await;
            let body = space.post("query", &json!({"vector": [0, 0]})).await.ok();
            assert_eq!(body["matches"][0]["score"], 0.0);
        }
    }
}

#[tokio::test]
async fn queries_follow_replacements_and_deletions() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut data: Vec<_> = vectors(&mut rng, 60, 6)
        .into_iter()
        .enumerate()
        .map(|(i, vector)| (format!("r{i:02}"), vector))
        .collect();
    let space = filled("dot", &data).await;
    for (place, vector) in vectors(&mut rng, 20, 6).into_iter().enumerate() {
        data[place * 3].1.clone_from(&vector);
        let id = &data[place * 3].0;
        match place % 2 {
            0 => {
                space.upsert(&json!([{"id": id, "vector": vector}])).await;
            }
            _ => {
                let update = json!({"id": id, "vector": vector});
                space.post("update", &update).await.expect(200);
            }
        }
    }
    let gone: Vec<_> = data.drain(10..20).map(|(id, _)| id).collect();
    space
        .post("delete", &json!({"ids": gone}))
        .await
        .expect(200);
    // Replaced as a whole, without a vector.
    let (bare, _) = data.remove(0);
    space
        .upsert(&json!([{"id": bare, "value": "no vector"}]))
        .await;
    for query in vectors(&mut rng, 5, 6) {
        let ask = json!({"vector": query, "top_k": 100, "exact": true});
        let answer = space.post("query", &ask).await;
        check_nearest(&answer, "dot", &query, &data, 100);
    }
    let described = space.describe().await;
    assert_eq!(described["vectors"], data.len());
    assert_eq!(described["records"], data.len() + 1);
}

#[tokio::test]
async fn vectors_are_what_was_stored_of_them() {
    let sent = [0.1, -3.3, 7.777, 1e-3];
    for (precision, finest, bytes) in [("f32", 0.0, 16), ("f16", 0.004, 8), ("int8", 0.031, 4)] {
        let space = Space::with(&json!({"metric": "dot", "store_vectors": precision})).await;
        let described = space.describe().await;
        let told = described.get("store_vectors").and_then(Value::as_str);
        assert_eq!(told.unwrap_or("f32"), precision);
        let record = json!({"id": "a", "vector": sent});
        space.upsert(&json!([record])).await;
        assert_eq!(space.describe().await["bytes"], 1 + bytes, "{precision}");
        let include = json!({"ids": ["a"], "include": ["vector"]});
        let read = space.post("fetch", &include).await.ok();
        let read: Vec<f32> =
            serde_json::from_value(read["records"][0]["vector"].clone()).expect("components");
        for (read, sent) in read.iter().zip(sent) {
            assert!(
                (f64::from(*read) - sent).abs() <= finest + 1e-6,
                "{precision}: {read} {sent}"
            );
        }
        let ask = json!({"vector": [1.0, 2.0, 3.0, 4.0], "exact": true});
        let found = space.post("query", &ask).await.ok();
        let score = found["matches"][0]["score"].as_f64().expect("a score");
        assert!((score - self::score("dot", &[1.0, 2.0, 3.0, 4.0], &read)).abs() < 1e-4);
    }
}

#[tokio::test]
async fn a_precision_that_cannot_hold_a_vector_refuses_it() {
    let space = Space::with(&json!({"store_vectors": "f16"})).await;
    for vector in [json!([1e30, 1.0]), json!([1e-20, 1e-20])] {
        let records = json!({"records": [{"id": "a", "vector": vector}]});
        let refused = space.post("upsert", &records).await;
        refused.problem("vector_invalid");
    }
    space
        .upsert(&json!([{"id": "a", "vector": [65504.0, 1.0]}]))
        .await;
    let other = space.configure(&json!({"store_vectors": "int8"})).await;
    other.problem("namespace_conflict");
}
