//! What the exports write, the imports read.

use std::{fs::File, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quartz_client::{Record, StoredRecord};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{npy, parquet};
use crate::cli::{
    format,
    import::{Format, read_all},
};

fn stored(json: Value) -> StoredRecord {
    serde_json::from_value(json).unwrap()
}

/// The record that an import should make of a stored one: values travel as bytes.
fn wanted(id: &str, value: Option<&[u8]>, content_type: Option<&str>) -> Value {
    let mut wanted = json!({"id": id});
    if let (Some(value), Some(content_type)) = (value, content_type) {
        wanted["value_base64"] = STANDARD.encode(value).into();
        wanted["content_type"] = content_type.into();
    }
    wanted
}

fn import(path: &Path, format: Format) -> Vec<Record> {
    read_all(path, format).unwrap()
}

#[test]
fn parquet_keeps_every_part() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("all.parquet");
    let mut sink = parquet::Sink::new(File::create(&path).unwrap()).unwrap();
    let soon = format::now() + 90_000;
    for record in [
        json!({"id": "bare", "version": 1}),
        json!({"id": "text", "version": 1, "text": "wörds", "metadata": {"n": 1.5, "l": ["a", "b"]}}),
        json!({"id": "json", "version": 1, "value": "\"quoted\"", "content_type": "text/plain"}),
        json!({"id": "object", "version": 1, "value": {"a": 1}, "content_type": "application/json"}),
        json!({"id": "bytes", "version": 1, "value_base64": "/w==", "content_type": "image/x"}),
        json!({"id": "vector", "version": 1, "vector": [1.5, -2.0, 0.25]}),
        json!({"id": "soon", "version": 1, "expires_at": soon}),
        json!({"id": "late", "version": 1, "expires_at": 1000}),
    ] {
        sink.write(stored(record)).unwrap();
    }
    sink.finish().unwrap();
    let mut records = import(&path, Format::Parquet);
    let soon = records.pop().unwrap();
    assert_eq!(soon.id, "soon", "the expired record is left out");
    assert!((80..=90).contains(&soon.ttl.unwrap()));
    let mut vector = wanted("vector", None, None);
    vector["vector"] = json!([1.5, -2.0, 0.25]);
    let mut text = wanted("text", None, None);
    text["text"] = "wörds".into();
    text["metadata"] = json!({"n": 1.5, "l": ["a", "b"]});
    assert_eq!(
        serde_json::to_value(&records).unwrap(),
        json!([
            wanted("bare", None, None),
            text,
            wanted("json", Some(b"\"quoted\""), Some("text/plain")),
            wanted("object", Some(b"{\"a\":1}"), Some("application/json")),
            wanted("bytes", Some(&[0xff]), Some("image/x")),
            vector,
        ])
    );
}

#[test]
fn parquet_of_many_groups_and_blocks_keeps_its_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("many.parquet");
    let mut sink = parquet::Sink::new(File::create(&path).unwrap()).unwrap();
    let count = 20_500_u32;
    for n in 0..count {
        let mut record = json!({"id": n.to_string(), "version": 1});
        if n % 3 != 0 {
            record["vector"] = json!([n, n + 1]);
        }
        sink.write(stored(record)).unwrap();
    }
    sink.finish().unwrap();
    let records = import(&path, Format::Parquet);
    assert_eq!(records.len(), count as usize);
    for (n, record) in (0..count).zip(&records) {
        assert_eq!(record.id, n.to_string());
        let wanted = (n % 3 != 0).then(|| vec![n as f32, n as f32 + 1.0]);
        assert_eq!(
            record.vector.clone().map(quartz_client::Vector::into_vec),
            wanted
        );
    }
}

#[test]
fn numpy_keeps_vectors_and_metadata() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.npy");
    let file = |name: &str| File::create(folder.path().join(name)).unwrap();
    let mut sink = npy::Sink::new(file("v.npy"), file("v.jsonl"));
    for record in [
        json!({"id": "a", "version": 1, "vector": [1.5, 2.5], "metadata": {"n": 1}}),
        json!({"id": "none", "version": 1}),
        json!({"id": "b", "version": 1, "vector": [-1.0, 0.0], "text": "left out"}),
    ] {
        sink.write(stored(record)).unwrap();
    }
    let note = sink.finish().unwrap().unwrap();
    assert!(
        note.contains("1 records without a vector, text or value of 1"),
        "{note}"
    );
    let records = import(&path, Format::Npy);
    assert_eq!(
        serde_json::to_value(&records).unwrap(),
        json!([
            {"id": "a", "vector": [1.5, 2.5], "metadata": {"n": 1}},
            {"id": "b", "vector": [-1.0, 0.0], "metadata": {}},
        ])
    );
}

#[test]
fn garbage_is_not_parquet() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    for bytes in [
        &b""[..],
        b"PAR1",
        b"PAR1\xff\xff\xff\xff\xff\xffPAR1",
        &[7; 4000],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = read_all(&path, Format::Parquet).unwrap_err();
        assert!(
            format!("{error:#}").contains("is not a Parquet file"),
            "{error:#}"
        );
    }
}
