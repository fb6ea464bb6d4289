//! Requests nobody should send: refused with a sentence, never with a failure.

use quartz_conformance::{Answer, Space};
use serde_json::{Value, json};

/// Any success or any well-formed refusal.
#[track_caller]
fn survived(answer: Answer) {
    answer.check(answer.status < 500, "no request makes the server fail");
    if answer.status >= 400 {
        let code = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| body["code"].as_str().map(str::to_owned));
        match code {
            Some(code) => {
                answer.problem(&code);
            }
            None => answer.fail("an error has a code"),
        }
    }
}

fn valid_bodies() -> Vec<(&'static str, Value)> {
    vec![
        (
            "upsert",
            json!({
                "records": [
                    {"id": "a", "vector": [1, 2], "metadata": {"s": "x", "l": ["y"], "n": 1.5},
                     "text": "t", "value": {"v": 1}, "ttl": 100},
                    {"id": "b", "value_base64": "AA==", "content_type": "a/b", "if_absent": false},
                ],
                "condition": {"n": {"$gte": 0}},
            }),
        ),
        (
            "query",
            json!({
                "vector": [1, 2], "top_k": 5, "include": ["metadata", "value"], "exact": true,
                "filter": {"$and": [{"s": "x"}, {"$not": {"n": {"$in": [1, 2]}}}]},
            }),
        ),
        (
            "fetch",
            json!({"ids": ["a", "b"], "include": ["vector", "text"]}),
        ),
        (
            "update",
            json!({"id": "a", "metadata": {"n": 2, "s": null}, "vector": [2, 1], "ttl": 50}),
        ),
        (
            "update",
            json!({"filter": {"$or": [{"n": {"$lt": 5}}]}, "metadata": {"n": 3}}),
        ),
        (
            "delete",
            json!({"filter": {"n": {"$exists": true}}, "dry_run": true}),
        ),
        (
            "batch",
            json!({"operations": [
                {"op": "put", "id": "a", "value": "x", "ttl": 9},
                {"op": "update", "id": "a", "metadata": {"n": 7}},
                {"op": "upsert", "id": "c", "vector": [5, 6]},
                {"op": "delete", "id": "b", "if_version": 1},
                {"op": "check", "id": "z", "if_absent": true},
            ]}),
        ),
    ]
}

fn weird(rng: &mut fastrand::Rng) -> Value {
    let choices = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(-0.0),
        json!(1e308),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("\0"),
        json!("\u{10ffff}🦀"),
        json!("$eq"),
        json!("x".repeat(600)),
        json!([]),
        json!([[]]),
        json!([null]),
        json!([1, "x", {}]),
        json!({}),
        json!({"": ""}),
        json!({"$eq": {"$eq": 1}}),
        json!({"id": "a"}),
        json!({"$and": []}),
    ];
    choices[rng.usize(..choices.len())].clone()
}

/// Puts something weird in a random place, takes something away, or doubles it.
fn mutate(value: &mut Value, rng: &mut fastrand::Rng) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.u8(..5) > 0 => {
            let place = rng.usize(..members.len());
            let name = members.keys().nth(place).cloned().unwrap_or_default();
            match rng.u8(..8) {
                0 => {
                    members.remove(&name);
                }
                1 => {
                    let moved = members.remove(&name).unwrap_or_default();
                    members.insert(format!("{name}x"), moved);
                }
                _ => mutate(&mut members[&name], rng),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..5) > 0 => {
            let place = rng.usize(..items.len());
            match rng.u8(..8) {
                0 => {
                    items.remove(place);
                }
                1 => items.push(items[place].clone()),
                _ => mutate(&mut items[place], rng),
            }
        }
        _ => *value = weird(rng),
    }
}

#[tokio::test]
async fn mutated_bodies() {
    let space = Space::new();
    let mut rng = fastrand::Rng::with_seed(99);
    space
        .upsert(&json!([{"id": "a", "vector": [1, 2], "metadata": {"n": 1}}, {"id": "b"}]))
        .await;
    for _ in 0..60 {
        for (endpoint, mut body) in valid_bodies() {
            for _ in 0..rng.usize(1..4) {
                mutate(&mut body, &mut rng);
            }
            survived(space.post(endpoint, &body).await);
        }
    }
    // Whatever was accepted can be read.
    let records = space
        .list("records", "include=metadata,text,value,vector")
        .await;
    assert_eq!(space.describe().await["records"], records.len());
}

#[tokio::test]
async fn bodies_with_bytes_changed() {
    let space = Space::new();
    let mut rng = fastrand::Rng::with_seed(3);
    space.upsert(&json!([{"id": "a", "vector": [1, 2]}])).await;
    for _ in 0..25 {
        for (endpoint, body) in valid_bodies() {
            let mut bytes = body.to_string().into_bytes();
            for _ in 0..rng.usize(1..4) {
                let place = rng.usize(..bytes.len());
                match rng.u8(..3) {
                    0 => bytes[place] = rng.u8(..),
                    1 => bytes.truncate(place.max(1)),
                    _ => bytes.insert(place, b"{}[]\",:\\0-e."[rng.usize(..12)]),
                }
            }
            survived(space.post_text(endpoint, bytes).await);
        }
    }
    space.describe().await;
}

#[tokio::test]
async fn deep_nesting() {
    let space = Space::new();
    for depth in [100, 1_000, 100_000] {
        let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for nested in [&lists, &objects] {
            for (endpoint, body) in [
                ("upsert", nested.clone()),
                (
                    "upsert",
                    format!(r#"{{"records":[{{"id":"a","metadata":{{"m":{nested}}}}}]}}"#),
                ),
                (
                    "upsert",
                    format!(r#"{{"records":[{{"id":"a","vector":{nested}}}]}}"#),
                ),
                (
                    "upsert",
                    format!(r#"{{"records":[{{"id":"a","value":{nested}}}]}}"#),
                ),
                ("query", format!(r#"{{"vector":[1],"filter":{nested}}}"#)),
                (
                    "delete",
                    format!(r#"{{"filter":{{"a":{{"$in":{nested}}}}}}}"#),
                ),
            ] {
                survived(space.post_text(endpoint, body).await);
            }
        }
    }
    survived(space.get("/records?include=value").await);
}

#[tokio::test]
async fn numbers_at_the_edge_of_json() {
    let space = Space::new();
    space.upsert(&json!([{"id": "a", "vector": [1, 2]}])).await;
    let digits = "9".repeat(10_000);
    for number in [
        "1e400", "-1e400", "1e-400", "1E+2", "0.1e1", &digits, "01", "+1", ".5", "1.",
    ] {
        for body in [
            format!(r#"{{"records":[{{"id":"n","metadata":{{"n":{number}}}}}]}}"#),
            format!(r#"{{"records":[{{"id":"n","vector":[{number},1]}}]}}"#),
            format!(r#"{{"records":[{{"id":"n","value":{number}}}]}}"#),
            format!(r#"{{"records":[{{"id":"n","ttl":{number}}}]}}"#),
            format!(r#"{{"records":[{{"id":"n","if_version":{number}}}]}}"#),
        ] {
            survived(space.post_text("upsert", body).await);
        }
        let body = format!(r#"{{"vector":[1,2],"top_k":{number}}}"#);
        survived(space.post_text("query", body).await);
        let body = format!(r#"{{"vector":[1,2],"filter":{{"n":{{"$lt":{number}}}}}}}"#);
        survived(space.post_text("query", body).await);
    }
    survived(space.get("/records?include=metadata,vector,value").await);
}

#[tokio::test]
async fn repeated_members() {
    let space = Space::new();
    for body in [
        r#"{"records":[{"id":"a","id":"b"}]}"#,
        r#"{"records":[],"records":[{"id":"a"}]}"#,
        r#"{"records":[{"id":"a","metadata":{"x":1,"x":2}}]}"#,
    ] {
        let answer = space.post_text("upsert", body).await;
        answer.problem("invalid_request");
    }
}

#[tokio::test]
async fn empty_requests() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for (endpoint, body) in [
        ("upsert", json!({"records": []})),
        ("fetch", json!({"ids": []})),
        ("delete", json!({"ids": []})),
        ("batch", json!({"operations": []})),
        ("update", json!({"id": "k"})),
        ("update", json!({"id": "k", "metadata": {}})),
    ] {
        survived(space.post(endpoint, &body).await);
    }
    assert_eq!(space.kv("GET", "k").await.body, b"x");
}

#[tokio::test]
async fn an_upsert_that_names_an_id_twice() {
    let space = Space::new();
    let twice = json!({"records": [{"id": "a", "value": 1}, {"id": "b"}, {"id": "a", "value": 2}]});
    let answer = space.post("upsert", &twice).await;
    if answer.status == 200 {
        assert_eq!(space.record("a").await["value"], 2, "the last one stands");
        assert_eq!(space.describe().await["records"], 2);
    } else {
        answer.problem("invalid_request");
        space.get("").await.problem("namespace_not_found");
    }
}

#[tokio::test]
async fn a_fetch_that_names_an_id_twice() {
    let space = Space::new();
    space.put("a", "x").await.expect(201);
    let ask = json!({"ids": ["a", "gone", "a", "gone"]});
    survived(space.post("fetch", &ask).await);
}

#[tokio::test]
async fn odd_paths_and_parameters() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    for rest in [
        "/kv/",
        "/kv//",
        "/kv/k/",
        "//kv/k",
        "/kv?",
        "/kv?&&==",
        "/kv?limit=5&limit=6",
        "/kv?prefix=%FF",
        "/kv?prefix=%00",
        "/kv?prefix=%",
        "/kv?cursor=",
        "/kv?limit=99999999999999999999",
        "/kv/k?ttl=1",
        "/records?include=",
        "/records?include=,",
        "/records?include=value,value",
        "/kv/%zz",
        "/kv/%",
    ] {
        survived(space.get(rest).await);
    }
    let long = space.get(&format!("/kv/{}", "x".repeat(20_000))).await;
    long.check((400..500).contains(&long.status), "a long path is refused");
}

#[tokio::test]
async fn odd_headers() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let long = "x".repeat(4_000);
    let odd: [&[u8]; 6] = [
        b"",
        b"\xff\xfe",
        "🦀".as_bytes(),
        b"*/*;q=x",
        b",,,",
        long.as_bytes(),
    ];
    for name in [
        "accept",
        "accept-encoding",
        "if-match",
        "if-none-match",
        "user-agent",
        "idempotency-key",
        "quartz-min-version",
        "quartz-durability",
        "traceparent",
        "x-request-id",
        "x-forwarded-for",
    ] {
        for value in odd {
            survived(space.kv("GET", "k").header(name, value).await);
            survived(space.put("k", "x").header(name, value).await);
        }
    }
    for content_type in ["", "/", ";", "a/b; c", "\t"] {
        let put = space.kv("PUT", "k2").header("content-type", content_type);
        survived(put.untyped_body("x").await);
    }
    space.kv("GET", "k").await.expect(200);
}
