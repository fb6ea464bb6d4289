use tempfile::TempDir;

use super::*;

/// A file as `numpy.save` writes it.
fn array(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let padded = format!("{dict:<117}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
    bytes.extend(padded.as_bytes());
    bytes.extend(data);
    bytes
}

fn read(array: &[u8], sidecar: Option<&str>, skip: u64) -> anyhow::Result<Vec<Record>> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.f16.npy");
    std::fs::write(&path, array).unwrap();
    if let Some(lines) = sidecar {
        std::fs::write(folder.path().join("v.jsonl"), lines).unwrap();
    }
    let options = Options {
        text_field: Some("body".into()),
        ignore: vec!["secret".into()],
        ..Options::default()
    };
    let source = open(&path, &options, skip)?;
    source.records.map(|record| Ok(record?.unwrap())).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn vectors(records: &[Record]) -> Vec<&[f32]> {
    let vectors = records.iter().map(|r| r.vector.as_ref().unwrap());
    vectors.map(quartz_client::Vector::as_slice).collect()
}

#[test]
fn all_float_widths_are_read() {
    let values = [1.0, -2.5, 0.25, 65504.0];
    let wanted = [&values[..2], &values[2..]];
    let halves: Vec<u8> = values
        .iter()
        .flat_map(|v| f16::from_f32(*v).to_le_bytes())
        .collect();
    let doubles: Vec<u8> = values
        .iter()
        .flat_map(|v| f64::from(*v).to_le_bytes())
        .collect();
    for (descr, data) in [("<f2", halves), ("<f4", floats(&values)), ("<f8", doubles)] {
        let records = read(&array(descr, "False", "(2, 2)", &data), None, 0).unwrap();
        assert_eq!(vectors(&records), wanted, "{descr}");
        assert_eq!([&records[0].id, &records[1].id], ["0", "1"]);
    }
}

#[test]
fn the_sidecar_names_records() {
    let bytes = array("<f4", "False", "(2, 1)", &floats(&[1.0, 2.0]));
    let lines = "{\"id\": 7, \"n\": 1, \"body\": \"hi\", \"gone\": null, \"secret\": \"x\"}\n{\"id\": \"b\"}\n";
    let records = read(&bytes, Some(lines), 0).unwrap();
    assert_eq!([&records[0].id, &records[1].id], ["7", "b"]);
    assert_eq!(records[0].text.as_deref(), Some("hi"));
    let metadata = serde_json::to_string(&records[0].metadata).unwrap();
    assert_eq!(metadata, "{\"n\":1}");
    let rest = read(&bytes, Some(lines), 1).unwrap();
    assert_eq!((rest.len(), rest[0].id.as_str()), (1, "b"));
    assert_eq!(vectors(&rest), [&[2.0]]);
}

#[test]
fn sidecar_and_array_must_agree() {
    let bytes = array("<f4", "False", "(2, 1)", &floats(&[1.0, 2.0]));
    for (lines, fault) in [
        (
            "{\"id\": 1}\n",
            "ends after 1 records, the array has 2 rows",
        ),
        (
            "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n",
            "more records than the array has rows (2)",
        ),
        ("{\"id\":1}\n{\"n\":2}\n", "record 2: there is no field id"),
        ("{\"id\":1}\n{\"id\":2.5}\n", "record 2: id is neither"),
        ("{\"id\":1}\n{\"id\":[}\n", "v.jsonl line 2, column 8"),
    ] {
        let error = read(&bytes, Some(lines), 0).unwrap_err();
        assert!(format!("{error:#}").contains(fault), "{error:#}");
    }
}

#[test]
fn other_arrays_are_refused_with_advice() {
    let data = floats(&[1.0, 2.0]);
    for (bytes, fault) in [
        (array("<i4", "False", "(2, 1)", &data), "a.astype('<f4')"),
        (array(">f4", "False", "(2, 1)", &data), "a.astype('<f4')"),
        (array("<f4", "True", "(2, 1)", &data), "ascontiguousarray"),
        (
            array("<f4", "False", "(2,)", &data),
            "not [records, dimension]",
        ),
        (array("<f4", "False", "(2, 0)", &[]), "0 components"),
        (
            array("<f4", "False", "(3, 1)", &data),
            "3 rows of 4 bytes, but 8 bytes follow",
        ),
        (
            array("<f4", "False", "(18446744073709551615, 2)", &data),
            "damaged",
        ),
    ] {
        let error = format!("{:#}", read(&bytes, None, 0).unwrap_err());
        assert!(error.contains(fault), "{error}");
    }
}
