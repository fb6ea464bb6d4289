//! Metering, plans, rates, budgets through the router: what is counted is what a client counts.

use std::{collections::BTreeMap, sync::Arc};

use quartz_service::{Catalogue, Plan, Prices, Units};
use serde_json::{Value, json};

use crate::{
    accounts::{Tenant, call},
    support::{Answer, Api, Setup, TestHost},
};

/// An API with one plan for new accounts.
fn with_plan(plan: Plan) -> Api {
    with_plan_on(plan, TestHost::default())
}

fn with_plan_on(plan: Plan, host: TestHost) -> Api {
    let mut plans = BTreeMap::from([("tested".to_owned(), plan)]);
    plans.insert(Catalogue::SELF_HOSTED.into(), Plan::default());
    let catalogue = Catalogue {
        default: "tested".into(),
        plans,
    };
    catalogue.check().unwrap();
    Api::with(Setup {
        plans: Arc::new(catalogue),
        host,
        ..Setup::default()
    })
}

/// Adds `Quartz-Usage` to what a client counts.
fn count(sums: &mut BTreeMap<String, u64>, answer: &Answer) {
    *sums.entry("requests".into()).or_default() += 1;
    let header = answer
        .headers
        .get("quartz-usage")
        .map(|value| value.to_str().unwrap());
    for part in header
        .unwrap_or_default()
        .split(", ")
        .filter(|part| !part.is_empty())
    {
        let (name, units) = part.split_once('=').unwrap();
        *sums.entry(name.into()).or_default() += units.parse::<u64>().unwrap();
    }
}

#[test]
fn the_report_says_what_the_client_counted() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    let mut sums = BTreeMap::new();
    let mut send = |method: &str, path: &str, body: Value| {
        let answer = tenant.call(method, &format!("/v1/namespaces/{path}"), &body);
        assert!(
            answer.status.is_success(),
            "{method} {path}: {:?}",
            answer.body
        );
        count(&mut sums, &answer);
        answer
            .headers
            .get("quartz-usage")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let used = |text: &str| Some(text.to_owned());
    // 3 bytes of key and 1,022 of JSON make 1,025: two units.
    assert_eq!(
        send("PUT", "a/kv/key", json!("x".repeat(1020))),
        used("write_units=2")
    );
    assert_eq!(
        send("PUT", "a/kv/key", json!("x".repeat(1019))),
        used("write_units=1")
    );
    assert_eq!(send("GET", "a/kv/key", Value::Null), used("read_units=1"));
    assert_eq!(send("HEAD", "a/kv/key", Value::Null), used("read_units=1"));
    let large = json!({"records": [
        {"id": "v", "vector": [1.0, 2.0]}, {"id": "w", "vector": [2.0, 2.0], "value": "y".repeat(9_000)},
    ]});
    assert_eq!(send("POST", "a/upsert", large), used("write_units=10"));
    let query = json!({"vector": [1.0, 1.0], "top_k": 101});
    assert_eq!(send("POST", "a/query", query), used("query_units=2"));
    let fetch = json!({"ids": ["w"], "include": ["value"]});
    assert_eq!(send("POST", "a/fetch", fetch), used("read_units=3"));
    assert_eq!(
        send("POST", "a/delete", json!({"all": true})),
        used("write_units=3")
    );
    // Nothing is changed, so nothing is paid but the request is counted.
    assert_eq!(send("POST", "a/delete", json!({"ids": ["none"]})), None);
    assert_eq!(send("PUT", "b/kv/k", json!(1)), used("write_units=1"));

    let report = tenant
        .call("GET", "/v1/usage?split=namespace,key", &Value::Null)
        .ok();
    let total = &report["total"];
    for (name, units) in &sums {
        assert_eq!(total[name], *units, "{name} of {total}");
    }
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["namespace"], &lines[0]["key"]),
        (&json!("a"), &json!(1))
    );
    assert_eq!(lines[1]["write_units"], 1);
    // Asked again, and after the namespace is deleted, it is the same.
    assert_eq!(
        tenant
            .call("GET", "/v1/usage?split=namespace,key", &Value::Null)
            .ok(),
        report
    );
    tenant
        .call("DELETE", "/v1/namespaces/a", &Value::Null)
        .expect(204);
    assert_eq!(
        tenant
            .call("GET", "/v1/usage?split=namespace,key", &Value::Null)
            .ok(),
        report
    );
    // Another one of the name begins at nothing of its own.
    tenant.api.advance(1);
    tenant
        .call("PUT", "/v1/namespaces/a/kv/k", &json!(1))
        .expect(201);
    let more = tenant.call("GET", "/v1/usage", &Value::Null).ok();
    assert_eq!(more["total"]["requests"], sums["requests"] + 1);
    let only = tenant
        .call("GET", "/v1/usage?namespace=b&key=1&by=hour", &Value::Null)
        .ok();
    assert_eq!(only["total"]["requests"], 1);
    let none = tenant.call("GET", "/v1/usage?key=7", &Value::Null).ok();
    assert_eq!(none["total"]["requests"], 0);
}

#[test]
fn repeats_and_refusals_are_not_paid() {
    let api = Api::new();
    let put = |headers: &[(&str, &str)]| api.call("PUT", "/v1/namespaces/a/kv/k", headers, "x");
    let first = put(&[("idempotency-key", "one")]).expect(201);
    assert_eq!(first.header("quartz-usage"), "write_units=1");
    let again = put(&[("idempotency-key", "one")]).expect(201);
    assert!(!again.headers.contains_key("quartz-usage"));
    put(&[("if-match", "\"77\"")]).expect(412);
    api.get("/v1/namespaces/a/kv/none").expect(404);
    let total = api.get("/v1/usage").ok()["total"].clone();
    assert_eq!(
        total,
        json!({"requests": 1, "write_units": 1, "read_units": 0, "query_units": 0})
    );
}

#[test]
fn a_rate_is_told_and_held() {
    let api = with_plan(Plan {
        requests_per_second: Some(1),
        burst: Some(3),
        ..Plan::default()
    });
    let tenant = Tenant::of(&api, "Acme");
    let first = tenant.call("GET", "/v1/whoami", &Value::Null).expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"account\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"account\";r=2;t=1");
    tenant
        .call("GET", "/v1/namespaces/none", &Value::Null)
        .expect(404);
    tenant.call("GET", "/v1/whoami", &Value::Null).expect(200);
    let limited = tenant.call("GET", "/v1/whoami", &Value::Null).expect(429);
    assert_eq!(limited.code(), "rate_limited");
    assert_eq!(limited.header("retry-after"), "1");
    assert_eq!(limited.header("ratelimit"), "\"account\";r=0;t=1");
    // Others are not slowed, and the server's own account has no rate.
    Tenant::of(&api, "Other")
        .call("GET", "/v1/whoami", &Value::Null)
        .expect(200);
    let own = api.get("/v1/whoami").expect(200);
    assert!(!own.headers.contains_key("ratelimit"));
}

#[test]
fn who_asks_again_and_again_waits_for_the_refusal() {
    let host = TestHost::default();
    let pauses = Arc::clone(&host.pauses);
    let plan = Plan {
        requests_per_second: Some(1),
        burst: Some(1),
        ..Plan::default()
    };
    let api = with_plan_on(plan, host);
    let loud = Tenant::of(&api, "Loud");
    let whoami = |tenant: &Tenant| tenant.call("GET", "/v1/whoami", &Value::Null);
    whoami(&loud).expect(200);
    for _ in 0..52 {
        whoami(&loud).expect(429);
    }
    // The first ones are answered at once, another account's as well.
    let quiet = Tenant::of(&api, "Quiet");
    whoami(&quiet).expect(200);
    whoami(&quiet).expect(429);
    assert_eq!(*pauses.lock().unwrap(), [5_000, 10_000]);
}

#[test]
fn a_key_has_a_rate_of_its_own() {
    let tenant = Tenant::of(&Api::new(), "Acme");
    let slow = tenant.key(&json!({"name": "slow", "role": "reader", "requests_per_second": 2}));
    let whoami = |key: &str| call(&tenant.api, key, "GET", "/v1/whoami", &Value::Null);
    whoami(&slow).expect(200);
    whoami(&slow).expect(200);
    let limited = whoami(&slow).expect(429);
    assert_eq!(limited.code(), "rate_limited");
    assert_eq!(limited.header("ratelimit-policy"), "\"key\";q=2;w=1");
    tenant.call("GET", "/v1/whoami", &Value::Null).expect(200);
    let none = json!({"name": "none", "role": "reader", "requests_per_second": 0});
    let answer = tenant.call("POST", "/v1/keys", &none).expect(400);
    assert_eq!(answer.problem().1, "requests_per_second");
}

#[test]
fn a_budget_stops_writes_and_queries_not_reads() {
    let api = with_plan(Plan {
        prices: Some(Prices {
            write: 1_000_000,
            read: 0,
            query: 1_000_000,
        }),
        ..Plan::default()
    });
    let tenant = Tenant::of(&api, "Acme");
    let budget = tenant
        .call("PUT", "/v1/billing", &json!({"budget_micros": 2}))
        .ok();
    assert_eq!(budget["budget_micros"], 2);
    for key in ["a", "b"] {
        tenant
            .call("PUT", &format!("/v1/namespaces/n/kv/{key}"), &json!(1))
            .expect(201);
    }
    let bill = tenant.call("GET", "/v1/billing", &Value::Null).ok();
    assert_eq!(
        (&bill["cost_micros"], &bill["stored_bytes"]),
        (&json!(2), &json!(4))
    );
    let put = tenant
        .call("PUT", "/v1/namespaces/n/kv/c", &json!(1))
        .expect(402);
    assert_eq!(put.code(), "budget_exceeded");
    let query = json!({"vector": [1.0]});
    tenant
        .call("POST", "/v1/namespaces/n/query", &query)
        .expect(402);
    tenant
        .call("GET", "/v1/namespaces/n/kv/a", &Value::Null)
        .expect(200);
    tenant
        .call("DELETE", "/v1/namespaces/n/kv/b", &Value::Null)
        .expect(204);
    tenant
        .call("PUT", "/v1/billing", &json!({"budget_micros": 100}))
        .expect(200);
    tenant
        .call("PUT", "/v1/namespaces/n/kv/c", &json!(1))
        .expect(201);
}

#[test]
fn quotas_and_what_a_plan_includes() {
    let api = with_plan(Plan {
        namespaces: Some(2),
        storage_bytes: Some(10),
        included: Units {
            write: 4,
            read: 100,
            query: 100,
        },
        ..Plan::default()
    });
    let tenant = Tenant::of(&api, "Acme");
    let put = |path: &str| tenant.call("PUT", &format!("/v1/namespaces/{path}"), &json!(1));
    put("a/kv/k").expect(201);
    put("b/kv/k").expect(201);
    assert_eq!(put("c/kv/k").expect(403).code(), "quota_exceeded");
    put("a/kv/k").expect(200);
    tenant.call("GET", "/v1/billing", &Value::Null).expect(200);
    put("a/kv/l").expect(201);
    tenant.call("GET", "/v1/billing", &Value::Null).expect(200);
    assert_eq!(put("a/kv/m").expect(402).code(), "budget_exceeded");
    let plan = json!({"plan": "self-hosted"});
    api.call(
        "PATCH",
        &format!("/v1/accounts/{}", tenant.account),
        &[("content-type", "application/json")],
        plan.to_string(),
    )
    .expect(200);
    put("a/kv/m").expect(201);
    let nowhere = json!({"plan": "none"});
    let answer = api.call(
        "PATCH",
        &format!("/v1/accounts/{}", tenant.account),
        &[("content-type", "application/json")],
        nowhere.to_string(),
    );
    assert_eq!(answer.expect(404).code(), "plan_not_found");
}

#[test]
fn storage_that_is_full_can_be_emptied() {
    let api = with_plan(Plan {
        storage_bytes: Some(10),
        ..Plan::default()
    });
    let tenant = Tenant::of(&api, "Acme");
    let path = "/v1/namespaces/a/kv/k";
    tenant.call("PUT", path, &json!("0123456789")).expect(201);
    tenant.call("GET", "/v1/billing", &Value::Null).expect(200);
    assert_eq!(
        tenant.call("PUT", path, &json!(1)).expect(403).code(),
        "quota_exceeded"
    );
    tenant.call("DELETE", path, &Value::Null).expect(204);
    tenant.call("GET", "/v1/billing", &Value::Null).expect(200);
    tenant.call("PUT", path, &json!(1)).expect(201);
}

#[test]
fn one_request_costs_so_much_at_most() {
    let api = with_plan(Plan {
        request_units: Some(3),
        ..Plan::default()
    });
    let tenant = Tenant::of(&api, "Acme");
    let refused = |method: &str, path: &str, body: &Value| {
        let answer = tenant.call(method, &format!("/v1/namespaces/a/{path}"), body);
        assert_eq!(
            answer.expect(403).code(),
            "quota_exceeded",
            "{method} {path}"
        );
    };
    let records = |count: usize| {
        let records =
            (0..count).map(|at| json!({"id": format!("r{at}"), "value": "v", "vector": [1]}));
        json!({"records": records.collect::<Vec<_>>()})
    };
    refused("POST", "upsert", &records(4));
    tenant
        .call("GET", "/v1/namespaces/a", &Value::Null)
        .expect(404);
    tenant
        .call("POST", "/v1/namespaces/a/upsert", &records(3))
        .expect(200);
    let large = json!("x".repeat(13_000));
    refused("PUT", "kv/large", &large);
    refused("POST", "query", &json!({"vector": [1], "top_k": 301}));
    tenant
        .call(
            "POST",
            "/v1/namespaces/a/query",
            &json!({"vector": [1], "top_k": 300}),
        )
        .expect(200);
    // What is many requests in one is not held to it, and neither is what makes room.
    let line = json!({"id": "large", "value": "x".repeat(13_000)}).to_string();
    let import = axum::http::Request::builder()
        .method("POST")
        .uri("/v1/namespaces/a/import")
        .header("authorization", format!("Bearer {}", tenant.text()))
        .header("content-type", "application/x-ndjson")
        .body(line.into())
        .unwrap();
    api.send(import).expect(200);
    refused("GET", "kv/large", &Value::Null);
    refused(
        "POST",
        "fetch",
        &json!({"ids": ["large"], "include": ["value"]}),
    );
    let all = json!({"all": true});
    let deleted = tenant.call("POST", "/v1/namespaces/a/delete", &all).ok();
    assert_eq!(deleted["deleted"], 4);
    // Only what was done is paid.
    let total = tenant.call("GET", "/v1/usage", &Value::Null).ok()["total"].clone();
    assert_eq!(
        total,
        json!({"requests": 4, "write_units": 3 + 13 + 4, "read_units": 0, "query_units": 3})
    );
}

#[test]
fn plans_are_replaced_while_the_server_runs() {
    let api = with_plan(Plan::default());
    let tenant = Tenant::of(&api, "Acme");
    let put = || tenant.call("PUT", "/v1/namespaces/a/kv/k", &json!(1));
    put().expect(201);
    let mut plans = Catalogue::clone(&api.accounts.plans());
    let tested = plans.plans.get_mut("tested").unwrap();
    tested.storage_bytes = Some(1);
    tested.requests_per_second = Some(7);
    futures::executor::block_on(api.accounts.set_plans(plans));
    tenant.call("GET", "/v1/billing", &Value::Null).expect(200);
    assert_eq!(put().expect(403).code(), "quota_exceeded");
    let whoami = tenant.call("GET", "/v1/whoami", &Value::Null).expect(200);
    assert_eq!(whoami.header("ratelimit-policy"), "\"account\";q=7;w=1");
    // The next account has it too.
    let other = Tenant::of(&api, "Other");
    let whoami = other.call("GET", "/v1/whoami", &Value::Null).expect(200);
    assert_eq!(whoami.header("ratelimit-policy"), "\"account\";q=7;w=1");
}
