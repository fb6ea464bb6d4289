//! What probes and scrapers read.

use quartz_conformance::{Api, METRICS, Space};

#[tokio::test]
async fn probes_say_yes() {
    let api = Api::from_env();
    for path in ["/livez", "/readyz", "/healthz"] {
        let answer = api.get(path).unsigned().await;
        answer.expect(200);
    }
}

#[tokio::test]
async fn metrics_are_in_the_prometheus_format() {
    let space = Space::new();
    space.put("k", "x").await.expect(201);
    let answer = space.api.get(METRICS).unsigned().await;
    if answer.status == 404 {
        answer.problem("route_not_found");
        return;
    }
    let answer = answer.expect(200);
    assert!(answer.header("content-type").starts_with("text/plain"));
    let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
    let mut samples = 0;
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let value = line.rsplit(' ').next().unwrap_or_default();
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        answer.check(
            named && (value.parse::<f64>().is_ok() || value == "+Inf"),
            format_args!("{line:?} is a sample"),
        );
        samples += 1;
    }
    answer.check(samples > 0, "there are samples");
    answer.check(
        !text.contains(&space.name),
        "names of namespaces are not public",
    );
    answer.check(!text.contains(space.api.key()), "the key is not public");
}
