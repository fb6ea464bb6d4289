//! The OpenAPI document and its pages.

use serde_json::Value;

use crate::support::Api;

fn document() -> Value {
    Api::new().get("/openapi.json").ok()
}

#[test]
fn the_document_is_complete() {
    let document = document();
    assert_eq!(
        document["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
    let written: Value = serde_json::from_str(&quartz_http::openapi_document()).unwrap();
    assert_eq!(written, document);
    let paths = document["paths"].as_object().unwrap();
    assert!(
        paths.contains_key("/v1/namespaces/{ns}/kv/{key}"),
        "{:?}",
        paths.keys()
    );
    assert_eq!(paths.len(), 54);
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            for member in ["summary", "operationId", "tags"] {
                assert!(!operation[member].is_null(), "{name} has no {member}");
            }
            let responses = operation["responses"].as_object().unwrap();
            if !path.starts_with("/v1") {
                continue;
            }
            for status in ["401", "403", "429", "500", "503"] {
                assert!(
                    responses.contains_key(status),
                    "{name} does not tell of {status}"
                );
            }
            for parameter in path
                .split('{')
                .skip(1)
                .map(|part| part.split('}').next().unwrap())
            {
                let told = operation["parameters"].as_array().unwrap();
                assert!(
                    told.iter().any(|told| told["name"] == parameter),
                    "{name}: {parameter}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some(), "{reference} leads nowhere");
                }
                members.values().for_each(|value| walk(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn schemas_say_what_is_sent() {
    let document = document();
    let namespace = &document["components"]["schemas"]["Namespace"];
    assert_eq!(namespace["type"], "object");
    for name in [
        "name",
        "dimension",
        "metric",
        "indexed_fields",
        "records",
        "created_at",
    ] {
        assert!(namespace["properties"].get(name).is_some(), "{name}");
    }
    let value = &document["paths"]["/v1/namespaces/{ns}/kv/{key}"];
    let body = &value["put"]["requestBody"]["content"]["application/octet-stream"]["schema"];
    assert_eq!(
        (&body["type"], &body["format"]),
        (&"string".into(), &"binary".into())
    );
    for parameter in value["put"]["parameters"].as_array().unwrap() {
        assert!(
            !parameter["schema"].to_string().contains("null"),
            "{parameter}"
        );
    }
    let config = &document["paths"]["/v1/namespaces/{ns}"]["put"]["requestBody"];
    assert_eq!(
        config["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/NamespaceConfig"
    );
    assert_ne!(config["required"], true);
    let codes = document["components"]["schemas"]["ErrorCode"]["enum"]
        .as_array()
        .unwrap();
    assert_eq!(codes.len(), quartz_api::ErrorCode::ALL.len());
    assert_eq!(codes[0], "account_not_found");
}

#[test]
fn pages_run_only_what_comes_from_here() {
    let api = Api::new();
    let page = api.get("/docs").expect(200);
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self';")
    );
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("http"), "{text}");
    let packed = api.call(
        "GET",
        "/docs/swagger-ui-bundle.js",
        &[("accept-encoding", "gzip")],
        "",
    );
    assert_eq!(packed.header("content-encoding"), "gzip");
    let plain = api.get("/docs/swagger-ui-bundle.js").expect(200);
    assert!(plain.body.len() > packed.body.len());
    assert_eq!(
        api.get("/docs/nothing.js").expect(404).code(),
        "route_not_found"
    );
}
