//! Approximate search over HTTP: what it aims at, what it says of itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quartz_conformance::Space;
use serde_json::{Value, json};

fn vectors(rng: &mut fastrand::Rng, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    let mut component = || rng.f32() * 2.0 - 1.0;
    (0..count)
        .map(|_| (0..dimension).map(|_| component()).collect())
        .collect()
}

/// Enough vectors that no plan compares them all.
#[tokio::test]
async fn an_approximate_answer_finds_what_it_aims_at_and_says_how() {
    let space = Space::new();
    let mut rng = fastrand::Rng::with_seed(11);
    let (count, dimension) = (8_500, 128);
    let centres = vectors(&mut rng, 40, dimension);
    let mut near = |centre: &[f32]| -> Vec<f32> {
        centre
            .iter()
            .map(|c| c + 0.6 * (rng.f32() * 2.0 - 1.0))
            .collect()
    };
    let data: Vec<Vec<f32>> = (0..count).map(|at| near(&centres[at % 40])).collect();
    let queries: Vec<Vec<f32>> = (0..20).map(|at| near(&centres[at])).collect();
    for (slice, vectors) in data.chunks(1000).enumerate() {
        let record = |(at, vector): (usize, &Vec<f32>)| {
            let id = slice * 1000 + at;
            json!({"id": id.to_string(), "vector": packed(vector), "metadata": {"tenth": id % 10}})
        };
        let records: Vec<Value> = vectors.iter().enumerate().map(record).collect();
        space.upsert(&json!(records)).await;
    }
    let ids = |answer: &Value| -> Vec<String> {
        let matches = answer["matches"].as_array().expect("matches");
        matches
            .iter()
            .map(|found| found["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    for filter in [json!({}), json!({"tenth": 3})] {
        let (mut hits, mut wanted) = (0, 0);
        for query in &queries {
            let ask = |more: Value| {
                let mut ask = json!({"vector": packed(query), "filter": filter, "explain": true});
                ask.as_object_mut()
                    .expect("an object")
                    .extend(more.as_object().cloned().unwrap_or_default());
                ask
            };
            let truth = space.post("query", &ask(json!({"exact": true}))).await.ok();
            let found = space
                .post("query", &ask(json!({"recall": 0.99})))
                .await
                .ok();
            assert_eq!(
                (
                    truth["plan"]["exact"].as_bool(),
                    truth["plan"].get("recall")
                ),
                (Some(true), None)
            );
            let explain = &found["explain"];
            for number in [
                "calibration",
                "clusters",
                "probes",
                "scanned",
                "refined",
                "reranked",
                "micros",
            ] {
                assert!(explain[number].is_u64(), "{number} in {explain}");
            }
            let (truth, found) = (ids(&truth), ids(&found));
            assert_eq!(found.len(), truth.len(), "if k match, k come back");
            wanted += truth.len();
            hits += truth.iter().filter(|id| found.contains(id)).count();
        }
        assert!(
            hits * 100 >= wanted * 96,
            "{hits} of {wanted} with {filter}"
        );
    }
    let answer = space
        .post("query", &json!({"vector": packed(&queries[0])}))
        .await
        .ok();
    let plan = &answer["plan"];
    assert_eq!(
        (&plan["kind"], &plan["exact"]),
        (&json!("clusters"), &json!(false))
    );
    assert!(plan["recall"].is_f64() && answer.get("explain").is_none());
    let all = json!({"vector": packed(&queries[0]), "probes": 100_000, "explain": true});
    let answer = space.post("query", &all).await.ok();
    assert_eq!(answer["explain"]["probes"], answer["explain"]["clusters"]);
    let both = json!({"vector": packed(&queries[0]), "exact": true, "recall": 0.95});
    space.post("query", &both).await.problem("invalid_request");
}

fn packed(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|component| component.to_le_bytes())
        .collect();
    STANDARD.encode(bytes).into()
}
