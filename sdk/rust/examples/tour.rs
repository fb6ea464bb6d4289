//! Every kind of call, against a running server:
//! `QUARTZ_API_KEY=qz_… cargo run -p quartz-client --example tour`.

use std::{env, error::Error, time::Duration};

use futures::{TryStreamExt, stream};
use quartz_client::{
    BatchOperation, Changed, Client, Durability, Include, MAX, NamespaceConfig, OperationKind,
    Record,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("QUARTZ_URL").unwrap_or_else(|_| "http://127.0.0.1:6464".into());
    let client = Client::builder(&url)
        .api_key(env::var("QUARTZ_API_KEY")?)
        .build()?;
    let tour = client.namespace("tour");
    let config = NamespaceConfig {
        dimension: Some(2),
        ..NamespaceConfig::default()
    };
    tour.create(&config).await?;

    // Values: conditional writes, cheap re-reads, expiry.
    let first = tour.put("note", "one").durability(Durability::Memory);
    let first = first.content_type("text/plain").await?;
    let second = tour.put("note", "two").if_version(first.version).await?;
    let refused = tour.put("note", "three").if_version(first.version).await;
    println!("a stale write: {}", refused.err().ok_or("not refused")?);
    let unchanged = tour.get("note").unless_version(second.version).await?;
    assert_eq!(unchanged, Changed::No);
    let info = tour.get("note").info().await?.ok_or("no note")?;
    println!("note: {} bytes of {}", info.size, info.content_type);
    let brief = tour.put("brief", "gone soon").ttl(Duration::from_secs(60));
    brief.await?;

    // Records: stored, changed, found, all in one place.
    let record = |n: u32| Record {
        id: format!("r{n}"),
        vector: Some(vec![1.0, n as f32].into()),
        text: Some(format!("record {n}")),
        ..Record::default()
    };
    tour.upsert((0..5).map(record)).await?;
    let patch = serde_json::from_value(json!({"even": true}))?;
    tour.update("r2").metadata(patch).await?;
    let patch = serde_json::from_value(json!({"seen": 1}))?;
    let updated = tour
        .update_where(json!({"even": true}))
        .metadata(patch)
        .await?;
    let done = tour
        .batch([
            BatchOperation {
                op: OperationKind::Check,
                id: "r2".into(),
                if_version: Some(updated.version),
                ..BatchOperation::default()
            },
            BatchOperation {
                op: OperationKind::Delete,
                id: "r4".into(),
                ..BatchOperation::default()
            },
        ])
        .await?;
    println!("a batch: {:?}", done.results);
    let near = tour.query().id("r2").include([Include::Text]).top_k(2);
    let near = near.min_version(done.version).await?;
    println!(
        "near r2: {:?}, {}",
        near.matches[0].text, near.matches[0].score
    );
    let fetched = tour.fetch(["r2", "r4"]).include([Include::Metadata]);
    println!("missing: {:?}", fetched.await?.missing);

    // Any number of records at once.
    let many = stream::iter((10..2_510).map(record));
    println!("imported {}", tour.import(many).await?.imported);
    let records: Vec<_> = tour.export().try_collect().await?;
    let list = tour.records().prefix("r1").page_size(MAX.page_records);
    let listed: Vec<_> = list.stream().try_collect().await?;
    println!(
        "{} in the export, {} begin with r1",
        records.len(),
        listed.len()
    );

    tour.delete(["r0", "r1"]).await?;
    tour.delete_key("note").if_version(second.version).await?;
    println!("{} would go", tour.delete_all().dry_run().await?.deleted);
    println!("{:?}", tour.describe().await?);
    Ok(tour.delete_namespace().await?)
}
