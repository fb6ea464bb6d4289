//! The OpenAPI document and its page.

use std::collections::BTreeSet;

use quartz_conformance::{Api, METRICS, OPEN_ROUTES, ROUTES, unique};
use serde_json::Value;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "head", "patch", "options"];

async fn document(api: &Api) -> Value {
    api.get("/openapi.json").unsigned().await.ok()
}

/// A path with `{}` in the place of every named parameter.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for letter in path.chars() {
        inside = (inside || letter == '{') && letter != '}';
        if !inside || letter == '{' {
            shape.push(letter);
        }
    }
    shape
}

/// Every method and path of the document.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| {
                let operation = item.get(*method)?.clone();
                Some((method.to_uppercase(), path.clone(), operation))
            })
        })
        .collect()
}

#[tokio::test]
async fn the_document_lists_every_route() {
    let api = Api::from_env();
    let document = document(&api).await;
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3.1"))
    );
    for member in ["title", "version"] {
        assert!(document["info"][member].is_string(), "info.{member}");
    }
    let listed: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, shape(&path)))
        .collect();
    let mut expected: Vec<_> = ROUTES
        .iter()
        .chain(OPEN_ROUTES)
        .map(|route| (route.method.to_owned(), shape(route.path)))
        .collect();
    for open in ["/livez", "/readyz", "/healthz", "/metrics"] {
        expected.push(("GET".to_owned(), open.to_owned()));
    }
    for route in expected {
        assert!(listed.contains(&route), "{route:?} is not in {listed:#?}");
    }
}

#[tokio::test]
async fn what_the_document_lists_is_there() {
    let api = Api::from_env();
    let name = unique();
    for (method, path, _) in operations(&document(&api).await) {
        let is_open = |route: &quartz_conformance::Route| {
            (route.method, route.path) == (method.as_str(), path.as_str())
        };
        let open = OPEN_ROUTES.iter().any(is_open);
        let path = shape(&path).replacen("{}", &name, 1).replace("{}", "k");
        let answer = api.call(&method, path.clone()).unsigned().await;
        let expected = match (open, path.starts_with("/v1/")) {
            // Without a body.
            (true, _) if method == "POST" => 415,
            // Without an identity provider, and without what one sends along.
            (true, _) if path == "/v1/auth/sso" => 404,
            (true, _) if path == "/v1/auth/sso/callback" => 400,
            (false, true) => 401,
            _ => 200,
        };
        if path == METRICS && answer.status == 404 {
            answer.problem("route_not_found");
        } else {
            answer.check_eq(answer.status, expected, "status without a key");
        }
    }
}

#[tokio::test]
async fn operations_are_described() {
    let api = Api::from_env();
    let document = document(&api).await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty(), "{place} has no operationId");
        assert!(ids.insert(id.to_owned()), "{place}: {id} is used twice");
        let said = [&operation["summary"], &operation["description"]];
        assert!(
            said.iter().any(|text| text.is_string()),
            "{place} is not described"
        );
        let responses = operation["responses"].as_object().expect("responses");
        let success = |status: &String| status.starts_with(['2', '3']);
        assert!(responses.keys().any(success), "{place} has no success");
        if path.starts_with("/v1/") {
            let open = OPEN_ROUTES
                .iter()
                .any(|route| (route.method, route.path) == (method.as_str(), path.as_str()));
            let secured = |of: &Value| of["security"].as_array().is_some_and(|s| !s.is_empty());
            assert!(
                open || secured(&operation) || secured(&document),
                "{place} needs no key"
            );
        }
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let shared = document["paths"][&path]["parameters"].as_array().cloned();
        let parameters: Vec<_> = parameters
            .into_iter()
            .chain(shared.unwrap_or_default())
            .collect();
        for part in path.split('{').skip(1) {
            let name = part.split('}').next().unwrap_or_default();
            let found = parameters
                .iter()
                .any(|parameter| parameter["in"] == "path" && parameter["name"] == name);
            assert!(found, "{place} does not describe {{{name}}}");
        }
    }
}

#[tokio::test]
async fn references_lead_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a reference inside");
                    assert!(
                        document.pointer(pointer).is_some(),
                        "{reference} leads nowhere"
                    );
                }
                members.values().for_each(|member| check(member, document));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, document)),
            _ => {}
        }
    }
    let document = document(&Api::from_env()).await;
    check(&document, &document);
}

#[tokio::test]
async fn the_page_needs_no_other_host() {
    let api = Api::from_env();
    let answer = api.get("/docs").unsigned().await.expect(200);
    assert!(answer.header("content-type").starts_with("text/html"));
    let page = String::from_utf8(answer.body.clone()).expect("UTF-8");
    let attributes = [
        "src=",
        "href=",
        "action=",
        "data-url=",
        "url(",
        "@import ",
        "fetch(",
        "from ",
    ];
    let mut links = Vec::new();
    for attribute in attributes {
        for (start, _) in page.match_indices(attribute) {
            let rest = page[start + attribute.len()..].trim_start_matches(['"', '\'', '`', ' ']);
            let end = rest
                .find(['"', '\'', '`', '>', ')', ' '])
                .unwrap_or(rest.len());
            links.push((attribute, &rest[..end]));
        }
    }
    for (attribute, link) in links {
        let external = ["http:", "https:", "//", "ws:", "wss:"];
        answer.check(
            !external.iter().any(|start| link.starts_with(start)),
            format_args!("{attribute}{link} leads to another host"),
        );
        let path = match link {
            own if own.starts_with('/') => own.to_owned(),
            own if own.starts_with("./") => own[1..].to_owned(),
            _ => continue,
        };
        if attribute == "src=" || (attribute == "href=" && path.contains('.')) {
            api.get(path).unsigned().await.expect(200);
        }
    }
}
