//! Filters: every operator on every type, and random filters against a second, plain evaluation.

use std::collections::BTreeSet;

use quartz_conformance::Space;
use serde_json::{Map, Value, json};

/// What the documentation says a filter means.
fn holds(filter: &Value, metadata: &Map<String, Value>) -> bool {
    let Value::Object(members) = filter else {
        panic!("a filter is an object: {filter}");
    };
    let all = |filters: &Value| filters.as_array().expect("a list").clone();
    members.iter().all(|(name, operand)| match name.as_str() {
        "$and" => all(operand).iter().all(|part| holds(part, metadata)),
        "$or" => all(operand).iter().any(|part| holds(part, metadata)),
        "$not" => !holds(operand, metadata),
        field => match operand {
            Value::Object(operators) => operators
                .iter()
                .all(|(operator, value)| compare(operator, metadata.get(field), value)),
            bare => compare("$eq", metadata.get(field), bare),
        },
    })
}

fn compare(operator: &str, stored: Option<&Value>, operand: &Value) -> bool {
    let equal = |operand: &Value| match (stored, operand) {
        (None, _) => false,
        (Some(Value::Array(items)), operand) => items.contains(operand),
        (Some(Value::Number(a)), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Some(stored), operand) => stored == operand,
    };
    let order = |accept: fn(f64, f64) -> bool| {
        let numbers = (stored.and_then(Value::as_f64), operand.as_f64());
        matches!(numbers, (Some(a), Some(b)) if accept(a, b))
    };
    let any = || operand.as_array().expect("a list").iter().any(equal);
    match operator {
        "$eq" => equal(operand),
        "$ne" => !equal(operand),
        "$in" => any(),
        "$nin" => !any(),
        "$gt" => order(|a, b| a > b),
        "$gte" => order(|a, b| a >= b),
        "$lt" => order(|a, b| a < b),
        "$lte" => order(|a, b| a <= b),
        "$exists" => stored.is_some() == operand.as_bool().expect("a boolean"),
        other => panic!("no such operator {other}"),
    }
}

fn pick<T: Clone>(rng: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())].clone()
}

fn number(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(..6) {
        0 => json!(rng.i32(-3..4)),
        1 => json!(f64::from(rng.i32(-6..7)) / 2.0),
        2 => json!(-0.0),
        3 => json!(1e300),
        4 => json!(9007199254740992_i64),
        _ => json!(rng.i32(0..5)),
    }
}

fn word(rng: &mut fastrand::Rng) -> Value {
    pick(
        rng,
        &["red", "Red", "green", "blau", "", "1", "true", "żółty 🦀"],
    )
    .into()
}

fn scalar(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(..5) {
        0 | 1 => number(rng),
        2 | 3 => word(rng),
        _ => json!(rng.bool()),
    }
}

fn words(rng: &mut fastrand::Rng) -> Value {
    (0..rng.usize(..4)).map(|_| word(rng)).collect()
}

const FIELDS: [&str; 6] = ["color", "price", "active", "tags", "mixed", "a.b é"];

fn metadata(rng: &mut fastrand::Rng) -> Map<String, Value> {
    let mut fields = Map::new();
    for field in FIELDS {
        if rng.u8(..4) == 0 {
            continue;
        }
        let value = match field {
            "color" => word(rng),
            "price" => number(rng),
            "active" => json!(rng.bool()),
            "tags" => words(rng),
            _ if rng.u8(..4) == 0 => words(rng),
            _ => scalar(rng),
        };
        fields.insert(field.to_owned(), value);
    }
    fields
}

fn filter(rng: &mut fastrand::Rng, depth: usize) -> Value {
    let parts = |rng: &mut fastrand::Rng| -> Value {
        (0..rng.usize(1..4))
            .map(|_| filter(rng, depth - 1))
            .collect()
    };
    if depth > 0 {
        match rng.u8(..8) {
            0 | 1 => return json!({"$and": parts(rng)}),
            2 | 3 => return json!({"$or": parts(rng)}),
            4 => return json!({"$not": filter(rng, depth - 1)}),
            _ => {}
        }
    }
    let mut members = Map::new();
    for _ in 0..rng.usize(1..3) {
        let condition = match rng.u8(..12) {
            0 => scalar(rng),
            1 => json!({"$eq": scalar(rng)}),
            2 => json!({"$ne": scalar(rng)}),
            3 => json!({"$gt": number(rng)}),
            4 => json!({"$gte": number(rng)}),
            5 => json!({"$lt": number(rng)}),
            6 => json!({"$lte": number(rng)}),
            7 => json!({"$in": [scalar(rng), word(rng), number(rng)]}),
            8 => json!({"$nin": [scalar(rng), word(rng)]}),
            9 => json!({"$exists": rng.bool()}),
            10 => json!({"$gt": number(rng), "$lte": number(rng)}),
            _ => json!({"$ne": scalar(rng), "$exists": true}),
        };
        members.insert(pick(rng, &FIELDS).to_owned(), condition);
    }
    Value::Object(members)
}

#[tokio::test]
async fn random_filters_agree_with_a_plain_evaluation() {
    let mut rng = fastrand::Rng::with_seed(42);
    let space = Space::new();
    let mut data = Vec::new();
    for i in 0..400 {
        let id = format!("r{i:03}");
        let mut record = json!({"id": id});
        let fields = match rng.u8(..10) {
            0 => Map::new(),
            _ => metadata(&mut rng),
        };
        if !fields.is_empty() {
            record["metadata"] = Value::Object(fields.clone());
        }
        let vector = [rng.f32() + 0.1, rng.f32(), rng.f32()];
        let has_vector = rng.u8(..5) > 0;
        if has_vector {
            record["vector"] = json!(vector);
        }
        data.push((id, fields, has_vector, record));
    }
    let records: Vec<_> = data.iter().map(|(_, _, _, record)| record).collect();
    space.upsert(&json!(records)).await;
    let (mut none, mut some) = (0, 0);
    for round in 0..150 {
        let filter = filter(&mut rng, round % 4);
        let matching: Vec<_> = data
            .iter()
            .filter(|(_, fields, _, _)| holds(&filter, fields))
            .collect();
        match matching.len() {
            0 => none += 1,
            _ => some += 1,
        }
        let count = space.count(&filter).await;
        assert_eq!(count, matching.len() as u64, "{filter}");
        let ask = json!({
            "vector": [1, 1, 1], "filter": filter, "top_k": 1000, "exact": round % 2 == 0,
        });
        let body = space.post("query", &ask).await.ok();
        let found: BTreeSet<_> = body["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["id"].as_str().unwrap())
            .collect();
        let expected: BTreeSet<_> = matching
            .iter()
            .filter(|(_, _, has_vector, _)| *has_vector)
            .map(|(id, ..)| id.as_str())
            .collect();
        assert_eq!(found, expected, "{filter}");
        // If k matches exist, k come back.
        let ask = json!({"vector": [1, 1, 1], "filter": filter, "top_k": 5});
        let body = space.post("query", &ask).await.ok();
        let matches = body["matches"].as_array().unwrap();
        assert_eq!(matches.len(), expected.len().min(5), "{filter}");
    }
    assert!(none > 5 && some > 50, "the filters are a fair mix");
}

#[tokio::test]
async fn every_operator_on_every_type() {
    let space = Space::new();
    let stored = [
        ("absent", None),
        ("bool", Some(json!(true))),
        ("false", Some(json!(false))),
        ("list", Some(json!(["x", "1"]))),
        ("nothing", Some(json!([]))),
        ("number", Some(json!(1))),
        ("half", Some(json!(0.5))),
        ("zero", Some(json!(-0.0))),
        ("string", Some(json!("x"))),
        ("digits", Some(json!("1"))),
        ("empty", Some(json!(""))),
    ];
    let mut records = Vec::new();
    for (id, value) in &stored {
        let metadata = match value {
            Some(value) => json!({"f": value, "other": 1}),
            None => json!({"other": 1}),
        };
        records.push(json!({"id": id, "metadata": metadata, "vector": [1, 2]}));
    }
    space.upsert(&json!(records)).await;
    let mut filters = vec![
        json!({}),
        json!({"f": {"$exists": true}}),
        json!({"f": {"$exists": false}}),
        json!({"gone": {"$exists": true}}),
        json!({"gone": {"$exists": false}}),
        json!({"other": 1}),
        json!({"other": 2}),
    ];
    for operand in [
        json!(true),
        json!(1),
        json!(1.0),
        json!(0),
        json!("x"),
        json!("1"),
        json!(""),
    ] {
        filters.extend([
            json!({"f": operand}),
            json!({"f": {"$eq": operand}}),
            json!({"f": {"$ne": operand}}),
            json!({"f": {"$in": [operand]}}),
            json!({"f": {"$nin": [operand]}}),
            json!({"f": {"$in": [operand, "x", 0.5]}}),
            json!({"f": {"$nin": [operand, false]}}),
            json!({"$not": {"f": operand}}),
            json!({"$not": {"$not": {"f": operand}}}),
            json!({"f": {"$ne": operand, "$exists": true}}),
        ]);
    }
    for operand in [json!(-1), json!(0), json!(0.5), json!(1), json!(1e300)] {
        for operator in ["$gt", "$gte", "$lt", "$lte"] {
            filters.push(json!({"f": {operator: operand}}));
            filters.push(json!({"$not": {"f": {operator: operand}}}));
        }
    }
    for filter in filters {
        let mut expected: Vec<_> = records
            .iter()
            .filter(|record| holds(&filter, record["metadata"].as_object().unwrap()))
            .map(|record| record["id"].as_str().unwrap())
            .collect();
        expected.sort_unstable();
        let ask = json!({"vector": [1, 2], "filter": filter, "top_k": 100});
        let body = space.post("query", &ask).await.ok();
        let found: Vec<_> = body["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["id"].as_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(
            space.count(&filter).await,
            expected.len() as u64,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn empty_lists_match_nothing() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": "x"}}, {"id": "b"}]))
        .await;
    assert_eq!(space.count(&json!({"f": {"$in": []}})).await, 0);
    assert_eq!(space.count(&json!({"f": {"$nin": []}})).await, 2);
}

#[tokio::test]
async fn the_filter_follows_every_write() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": 1}}, {"id": "b", "metadata": {"f": 1}}]))
        .await;
    space
        .upsert(&json!([{"id": "a", "metadata": {"f": 2}}]))
        .await;
    assert_eq!(space.count(&json!({"f": 1})).await, 1);
    let patch = json!({"id": "b", "metadata": {"f": "two"}});
    space.post("update", &patch).await.expect(200);
    assert_eq!(space.count(&json!({"f": 1})).await, 0);
    assert_eq!(space.count(&json!({"f": {"$gt": 0}})).await, 1);
    space.kv("DELETE", "a").await.expect(204);
    assert_eq!(space.count(&json!({"f": {"$gt": 0}})).await, 0);
    space.upsert(&json!([{"id": "b"}])).await;
    assert_eq!(space.count(&json!({"f": {"$exists": true}})).await, 0);
    assert_eq!(space.count(&json!({"f": {"$exists": false}})).await, 1);
}

#[tokio::test]
async fn a_faulty_filter_is_refused_with_its_place() {
    let space = Space::new();
    space
        .upsert(&json!([{"id": "a", "metadata": {"price": 1}, "vector": [1, 2]}]))
        .await;
    let faulty = [
        (json!([]), "filter"),
        (json!("price"), "filter"),
        (json!(7), "filter"),
        (json!(true), "filter"),
        (json!({"price": {"$near": 1}}), "filter.price"),
        (json!({"price": {"$GT": 1}}), "filter.price"),
        (json!({"price": {"gt": 1}}), "filter.price"),
        (json!({"price": {"$gt": "1"}}), "filter.price"),
        (json!({"price": {"$gte": true}}), "filter.price"),
        (json!({"price": {"$lt": [1]}}), "filter.price"),
        (json!({"price": {"$lte": null}}), "filter.price"),
        (json!({"price": {"$exists": 1}}), "filter.price"),
        (json!({"price": {"$exists": "true"}}), "filter.price"),
        (json!({"price": {"$in": 1}}), "filter.price"),
        (json!({"price": {"$in": {"$gt": 1}}}), "filter.price"),
        (json!({"price": {"$in": [[1]]}}), "filter.price"),
        (json!({"price": {"$nin": "x"}}), "filter.price"),
        (json!({"price": {"$eq": {"a": 1}}}), "filter.price"),
        (json!({"price": {"$gt": 1, "$foo": 2}}), "filter.price"),
        (json!({"price": null}), "filter.price"),
        (json!({"$near": 1}), "filter.$near"),
        (json!({"$and": {"price": 1}}), "filter.$and"),
        (json!({"$and": [1]}), "filter.$and[0]"),
        (json!({"$or": "x"}), "filter.$or"),
        (json!({"$or": [{"price": 1}, []]}), "filter.$or[1]"),
        (json!({"$not": [1]}), "filter.$not"),
        (
            json!({"$not": {"price": {"$gt": "x"}}}),
            "filter.$not.price",
        ),
        (
            json!({"$and": [{"ok": 1}, {"price": {"$gt": "x"}}]}),
            "filter.$and[1].price",
        ),
        (
            json!({"$or": [{"ok": 1}, {"$not": {"$and": [{"price": {"$no": 1}}]}}]}),
            "filter.$or[1].$not.$and[0].price",
        ),
    ];
    for (filter, place) in faulty {
        for (endpoint, body) in [
            ("query", json!({"vector": [1, 2], "filter": filter})),
            ("delete", json!({"filter": filter})),
            ("update", json!({"filter": filter, "metadata": {"x": 1}})),
        ] {
            space
                .post(endpoint, &body)
                .await
                .problem("filter_invalid")
                .at(place);
        }
    }
    assert_eq!(space.describe().await["version"], 1);
}

#[tokio::test]
async fn only_indexed_fields_can_be_filtered() {
    let space = Space::with(&json!({"indexed_fields": ["a", "tags"]})).await;
    space
        .upsert(&json!([
            {"id": "1", "metadata": {"a": 1, "b": 1, "tags": ["x"]}, "vector": [1, 2]},
            {"id": "2", "metadata": {"a": 2, "b": 1}, "vector": [1, 2]},
        ]))
        .await;
    assert_eq!(space.count(&json!({"a": 1})).await, 1);
    assert_eq!(space.count(&json!({"tags": "x", "a": {"$lt": 2}})).await, 1);
    assert_eq!(space.count(&json!({})).await, 2);
    assert_eq!(
        space.record("1").await["metadata"]["b"],
        1,
        "kept, not indexed"
    );
    for (filter, place) in [
        (json!({"b": 1}), "filter.b"),
        (json!({"b": {"$exists": false}}), "filter.b"),
        (json!({"$or": [{"a": 1}, {"b": 1}]}), "filter.$or[1].b"),
    ] {
        for (endpoint, body) in [
            ("query", json!({"vector": [1, 2], "filter": filter})),
            ("delete", json!({"filter": filter})),
            ("update", json!({"filter": filter, "metadata": {"x": 1}})),
        ] {
            space
                .post(endpoint, &body)
                .await
                .problem("field_not_indexed")
                .at(place);
        }
    }
    let upsert = json!({"records": [{"id": "1"}], "condition": {"b": 1}});
    space
        .post("upsert", &upsert)
        .await
        .problem("field_not_indexed")
        .at("condition.b");
    assert_eq!(space.describe().await["records"], 2);

    let nothing = Space::with(&json!({"indexed_fields": []})).await;
    nothing
        .upsert(&json!([{"id": "1", "metadata": {"a": 1}}]))
        .await;
    assert_eq!(nothing.count(&json!({})).await, 1);
    let delete = json!({"filter": {"a": 1}});
    nothing
        .post("delete", &delete)
        .await
        .problem("field_not_indexed")
        .at("filter.a");
}
