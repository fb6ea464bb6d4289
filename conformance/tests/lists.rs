//! Lists: order, pages, prefixes, cursors, and a walk while the data move.

use std::collections::BTreeSet;

use std::collections::BTreeMap;

use quartz_conformance::{Space, encode, unique};
use serde_json::{Value, json};

async fn numbered(count: usize) -> (Space, Vec<String>) {
    let space = Space::new();
    let ids: Vec<_> = (0..count).map(|i| format!("k{i:04}")).collect();
    for chunk in ids.chunks(1000) {
        let records: Vec<_> = chunk
            .iter()
            .map(|id| json!({"id": id, "value": id}))
            .collect();
        space.upsert(&json!(records)).await;
    }
    (space, ids)
}

#[tokio::test]
async fn pages_hold_everything_once_in_order() {
    let (space, ids) = numbered(250).await;
    for endpoint in ["kv", "records"] {
        for limit in [1, 7, 100, 249, 250, 251, 1000] {
            if limit == 1 && endpoint == "kv" {
                continue;
            }
            let listed = space.ids(endpoint, &format!("limit={limit}")).await;
            assert_eq!(listed, ids, "{endpoint}, limit {limit}");
        }
        let answer = space.get(&format!("/{endpoint}")).await;
        let page = answer.clone().ok();
        assert!(
            page["records"].as_array().unwrap().len() <= 100,
            "100 if absent"
        );
        assert!(page["next_cursor"].is_string());
        assert_eq!(answer.version(), 1);
        let page = space.get(&format!("/{endpoint}?limit=3")).await.ok();
        assert!(page["records"].as_array().unwrap().len() <= 3);
    }
}

#[tokio::test]
async fn an_empty_list_has_no_cursor() {
    let space = Space::new();
    for endpoint in ["kv", "records"] {
        space
            .get(&format!("/{endpoint}"))
            .await
            .problem("namespace_not_found");
    }
    space.configure(&json!({})).await.expect(201);
    for endpoint in ["kv", "records"] {
        let page = space.get(&format!("/{endpoint}")).await.ok();
        assert_eq!(page, json!({"records": []}));
    }
}

#[tokio::test]
async fn keys_are_listed_with_their_facts() {
    let space = Space::new();
    space
        .kv("PUT", "a")
        .body("text/html; x=y", "żółw")
        .await
        .expect(201);
    space
        .upsert(&json!([{"id": "no value", "vector": [1, 2]}]))
        .await;
    space.put("z", "").await.expect(201);
    let entries = space.list("kv", "").await;
    assert_eq!(
        entries,
        [
            json!({"id": "a", "version": 1, "size": 7, "content_type": "text/html; x=y"}),
            json!({"id": "z", "version": 3, "size": 0, "content_type": "text/plain"}),
        ]
    );
}

#[tokio::test]
async fn prefixes() {
    let space = Space::new();
    let mut ids = [
        "a",
        "a/",
        "a/1",
        "a/2",
        "a0",
        "b",
        "ä",
        "é",
        "\u{10ffff}",
        "~",
        "A",
    ];
    for id in ids {
        space.put(id, "x").await.expect(201);
    }
    ids.sort_unstable();
    for prefix in [
        "",
        "a",
        "a/",
        "a/1",
        "a/1/",
        "b",
        "c",
        "é",
        "\u{10ffff}",
        "~",
    ] {
        let expected: Vec<_> = ids.iter().filter(|id| id.starts_with(prefix)).collect();
        for endpoint in ["kv", "records"] {
            for limit in [1, 2, 100] {
                let parameters = format!("prefix={}&limit={limit}", encode(prefix));
                let listed = space.ids(endpoint, &parameters).await;
                assert_eq!(
                    listed.iter().collect::<Vec<_>>(),
                    expected,
                    "prefix {prefix:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_stays_is_listed_once_while_the_rest_moves() {
    let (space, ids) = numbered(200).await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut path = "/records?limit=9".to_owned();
    for round in 0.. {
        assert!(round < 1000, "the walk ends");
        let page = space.get(&path).await.ok();
        for record in page["records"].as_array().unwrap() {
            *seen
                .entry(record["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/records?limit=9&cursor={}", encode(cursor));
        // Behind, around and before the cursor: new ones, removed ones, replaced ones.
        let last = page["records"][0]["id"].as_str().unwrap_or("k0000");
        let records = json!([
            {"id": format!("k0000-{round}")},
            {"id": format!("{last}+{round}")},
            {"id": format!("z{round}")},
            {"id": "k0100", "value": round},
            {"id": "k0007", "value": round},
        ]);
        space.upsert(&records).await;
        let gone = json!({"ids": [ids[20 + round % 130], ids[150 + round % 20]]});
        space.post("delete", &gone).await.expect(200);
    }
    for (id, times) in &seen {
        assert_eq!(*times, 1, "{id}");
    }
    for id in ids.iter().take(20).chain(&ids[170..]) {
        assert_eq!(seen.get(id), Some(&1), "{id} was there all the time");
    }
}

#[tokio::test]
async fn a_walk_survives_the_deletion_of_the_record_at_its_cursor() {
    let (space, ids) = numbered(30).await;
    let page = space.get("/records?limit=10").await.ok();
    let cursor = encode(page["next_cursor"].as_str().unwrap());
    let first: Vec<_> = page["records"].as_array().unwrap().clone();
    space
        .post("delete", &json!({"ids": ids[..20]}))
        .await
        .expect(200);
    let rest = space.ids("records", &format!("cursor={cursor}")).await;
    assert_eq!(rest, ids[20..], "after {} records", first.len());
}

async fn cursor_of(space: &Space, path: &str) -> String {
    let page = space.get(path).await.ok();
    page["next_cursor"].as_str().expect("a cursor").to_owned()
}

#[tokio::test]
async fn a_cursor_belongs_to_its_endpoint_and_prefix() {
    let (space, _) = numbered(20).await;
    let keys = cursor_of(&space, "/kv?limit=2").await;
    let records = cursor_of(&space, "/records?limit=2").await;
    let prefixed = cursor_of(&space, "/records?limit=2&prefix=k").await;
    for (path, cursor) in [
        ("/records?limit=2", &keys),
        ("/kv?limit=2", &records),
        ("/records?limit=2&prefix=k", &records),
        ("/records?limit=2&prefix=k0", &prefixed),
        ("/records?limit=2", &prefixed),
        ("/kv?limit=2&prefix=k", &prefixed),
    ] {
        space
            .get(&format!("{path}&cursor={}", encode(cursor)))
            .await
            .problem("cursor_invalid");
    }
    let path = format!("/v1/namespaces?cursor={}", encode(&records));
    space.api.get(path).await.problem("cursor_invalid");
    // Another page size is no other list.
    let path = format!("/records?limit=5&cursor={}", encode(&records));
    space.get(&path).await.expect(200);
}

#[tokio::test]
async fn cursors_that_were_not_made_here_are_refused() {
    let (space, _) = numbered(20).await;
    let cursor = cursor_of(&space, "/records?limit=2").await;
    let garbage = [
        "x",
        "AAAA",
        "k0003",
        "🦀",
        "../..",
        "\0",
        "null",
        &"A".repeat(5000),
    ];
    for broken in garbage.map(str::to_owned).into_iter().chain([
        format!("{cursor}{cursor}"),
        format!("{cursor}!"),
        format!("~{cursor}"),
        cursor[..2].to_owned(),
    ]) {
        for endpoint in ["kv", "records"] {
            let path = format!("/{endpoint}?cursor={}", encode(&broken));
            space.get(&path).await.problem("cursor_invalid");
        }
    }
    // Any other change is refused or is a place in the list; it is never a failure.
    for place in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[place] = if bytes[place] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(bytes).unwrap();
        for changed in [&changed, &cursor[..place]] {
            let path = format!("/records?cursor={}", encode(changed));
            let answer = space.get(&path).await;
            if answer.status != 200 {
                answer.problem("cursor_invalid");
            }
        }
    }
}

#[tokio::test]
async fn parameters_are_checked() {
    let (space, _) = numbered(3).await;
    for endpoint in ["kv", "records"] {
        for parameters in [
            "limit=0",
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "limit=",
            "limt=5",
        ] {
            space
                .get(&format!("/{endpoint}?{parameters}"))
                .await
                .problem("invalid_request");
        }
    }
    for parameters in ["include=everything", "include=metadata,score"] {
        space
            .get(&format!("/records?{parameters}"))
            .await
            .problem("invalid_request");
    }
    for path in [
        space.path("/kv?include=value"),
        "/v1/namespaces?include=value".into(),
    ] {
        space.api.get(path).await.problem("invalid_request");
    }
    for parameters in ["limit=0", "limit=x", "limt=1"] {
        let path = format!("/v1/namespaces?{parameters}");
        space.api.get(path).await.problem("invalid_request");
    }
}

#[tokio::test]
async fn namespaces_are_listed_by_name() {
    let space = Space::new();
    let prefix = format!("{}-list", unique());
    let mut names: Vec<_> = ["", "-a", "-B", "-b", ".c", "_d", "0"]
        .iter()
        .map(|end| format!("{prefix}{end}"))
        .collect();
    for name in &names {
        let path = format!("/v1/namespaces/{name}");
        let call = space.api.call("PUT", path).json(&json!({}));
        call.await.expect(201);
    }
    names.sort();
    for limit in [1, 2, 100] {
        let listed = space.api.namespaces(&prefix, limit).await;
        let listed_names: Vec<_> = listed.iter().map(|entry| &entry["name"]).collect();
        assert_eq!(json!(listed_names), json!(names));
        for entry in &listed {
            assert!(
                entry["created_at"]
                    .as_u64()
                    .is_some_and(|at| at > 1_600_000_000_000)
            );
            let members: BTreeSet<_> = entry.as_object().unwrap().keys().collect();
            assert!(members.iter().eq(&["created_at", "name"]), "{members:?}");
        }
    }
    let longer = space.api.namespaces(&format!("{prefix}-"), 2).await;
    assert_eq!(longer.len(), 3);
    let path = format!("/v1/namespaces?limit=2&prefix={prefix}");
    let page: Value = space.api.get(path).await.ok();
    let cursor = encode(page["next_cursor"].as_str().unwrap());
    let path = format!("/v1/namespaces?limit=2&prefix=other&cursor={cursor}");
    space.api.get(path).await.problem("cursor_invalid");
}
