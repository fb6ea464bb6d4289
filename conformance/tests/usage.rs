//! Metering: what is reported is what a client counts, to the unit.

use std::{collections::BTreeMap, time::Duration};

use quartz_conformance::{Answer, Api, Tenant, unique};
use serde_json::{Value, json};

/// Adds an answer to what is counted.
fn count(sums: &mut BTreeMap<String, u64>, answer: &Answer) {
    *sums.entry("requests".into()).or_default() += 1;
    let Some(header) = answer.headers.get("quartz-usage") else {
        return;
    };
    for part in header.to_str().expect("ASCII").split(", ") {
        let (name, units) = part.split_once('=').expect("name=units");
        *sums.entry(name.into()).or_default() += units.parse::<u64>().expect("a number");
    }
}

/// How often a report is asked for until it is complete.
const ATTEMPTS: usize = 40;

async fn report(api: &Api, parameters: &str) -> Value {
    api.get(format!("/v1/usage?{parameters}")).await.ok()
}

/// A report of so many requests. Where namespaces are apart from their account it is complete within
/// seconds, and until then says less.
async fn complete(api: &Api, parameters: &str, requests: u64) -> Value {
    for _ in 0..ATTEMPTS {
        let report = report(api, parameters).await;
        let counted = report["total"]["requests"].as_u64().expect("a number");
        assert!(counted <= requests, "{counted} of {requests} requests");
        if counted == requests {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the report is not complete");
}

#[tokio::test]
async fn a_report_is_what_the_client_counted() {
    let tenant = Tenant::new().await;
    let (number, writer) = tenant.key(&json!({"name": "w", "role": "developer"})).await;
    let mut sums = BTreeMap::new();
    let names = [unique(), unique()];
    for name in &names {
        for size in [1, 1022, 1023, 5000] {
            let path = format!("/v1/namespaces/{name}/kv/k{size}");
            let put = writer
                .call("PUT", &path)
                .body("text/plain", "x".repeat(size));
            let put = put.await.expect(201);
            let bytes = size as u64 + format!("k{size}").len() as u64;
            let units = bytes.div_ceil(1024);
            assert_eq!(put.header("quartz-usage"), format!("write_units={units}"));
            count(&mut sums, &put);
            let get = writer.get(&path).await.expect(200);
            let units = (size as u64).div_ceil(4096);
            assert_eq!(get.header("quartz-usage"), format!("read_units={units}"));
            count(&mut sums, &get);
        }
    }
    let report = complete(&tenant.api, "split=namespace,key", sums["requests"]).await;
    for (meter, units) in &sums {
        assert_eq!(report["total"][meter], *units, "{meter}");
    }
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["key"], number);
        assert!(names.iter().any(|name| line["namespace"] == **name));
        assert_eq!(line["requests"], 8);
    }
}

#[tokio::test]
async fn accounts_are_counted_apart() {
    let (one, two) = (Tenant::new().await, Tenant::new().await);
    let path = format!("/v1/namespaces/{}/kv/k", unique());
    one.api
        .call("PUT", &path)
        .body("text/plain", "x")
        .await
        .expect(201);
    let counted = complete(&one.api, "", 1).await;
    assert_eq!(counted["total"]["write_units"], 1);
    assert_eq!(report(&two.api, "").await["total"]["requests"], 0);
    let bill = one.api.get("/v1/billing").await.ok();
    assert_eq!(bill["used"]["write_units"], 1);
    assert_eq!(bill["stored_bytes"], 2);
}

#[tokio::test]
async fn parameters_that_make_no_sense() {
    let tenant = Tenant::new().await;
    for parameters in [
        "by=week",
        "split=colour",
        "split=",
        "namespace=-",
        "split=key,key",
        "from=x",
        "to=9007199254740992",
        "key=-1",
        "what=1",
    ] {
        let answer = tenant.api.get(format!("/v1/usage?{parameters}")).await;
        answer.problem("invalid_request");
    }
}
