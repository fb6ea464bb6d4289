//! The committed OpenAPI document is the one that the handlers give.

use std::{env, fs, path::Path};

#[test]
fn openapi_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let document = quartz_http::openapi_document() + "\n";
    if env::var_os("QUARTZ_WRITE").is_some() {
        fs::write(&path, document).expect("docs/openapi.json is written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, (ours, theirs))) = (1..)
        .zip(document.lines().zip(committed.lines()))
        .find(|(_, (ours, theirs))| ours != theirs)
    {
        panic!(
            "docs/openapi.json is not what the handlers give; run `cargo xtask openapi`.\n\
             line {number}, committed: {theirs}\nline {number}, handlers:  {ours}"
        );
    }
    assert_eq!(
        document.len(),
        committed.len(),
        "docs/openapi.json is cut off; run `cargo xtask openapi`"
    );
}
