//! `quartz demo`: a server in this process, sample data, and some searches.

mod data;

use std::{net::SocketAddr, time::Instant};

use anyhow::Context;
use console::style;
use quartz_client::{Client, Include, Namespace, NamespaceConfig};
use serde_json::json;

use super::{format, import::Progress, output, query};
use crate::server;

const NAMESPACE: &str = "nouns";
const BATCH_RECORDS: usize = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz demo                     search, then keep the server until Ctrl-C
  quartz demo --exit              search and stop
  quartz demo --query floating-ice --query soft-cheese
  quartz demo --listen 127.0.0.1:6464

The data are 1,200 noun definitions of WordNet 3.0 with embeddings. They live in a temporary
directory and are gone when the demo ends.")]
pub(super) struct Args {
    /// Stop after the searches
    #[arg(long)]
    exit: bool,
    /// Search with this query; may be given again. A wrong name lists those there are
    #[arg(long, value_name = "NAME", default_values = ["floating-ice", "soft-cheese"])]
    query: Vec<String>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let queries = data::queries()?;
    let chosen = args.query.iter().map(|name| {
        queries
            .iter()
            .find(|query| query.id == *name)
            .ok_or_else(|| {
                let names: Vec<_> = queries.iter().map(|query| query.id.as_str()).collect();
                super::exit::usage(format!(
                    "there is no query {name}; there are {}",
                    names.join(", ")
                ))
            })
    });
    let chosen = chosen.collect::<anyhow::Result<Vec<_>>>()?;

    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let config = server::Config::new(folder.path().to_owned(), args.listen)?;
    let running = server::start(config).await?;
    let (url, key) = (running.url.clone(), running.api_key.clone());
    let client = Client::builder(&url).api_key(&key).build()?;
    let nouns = client.namespace(NAMESPACE);
    step(&format!("a server runs at {url}"))?;

    let shown = async {
        load(&nouns).await?;
        for query in chosen {
            search(&nouns, query).await?;
        }
        related(&nouns).await?;
        values(&nouns).await?;
        try_yourself(&url, &key, args.exit)
    }
    .await;
    if shown.is_ok() && !args.exit {
        tokio::signal::ctrl_c().await?;
    }
    running.shutdown().await?;
    shown
}

async fn load(nouns: &Namespace) -> anyhow::Result<()> {
    let config = NamespaceConfig {
        dimension: Some(384),
        ..NamespaceConfig::default()
    };
    nouns.create(&config).await?;
    let records = data::records()?;
    let mut progress = Progress::records(records.len() as u64);
    let mut stored = 0;
    for batch in records.chunks(BATCH_RECORDS) {
        stored += nouns.upsert(batch.to_vec()).await?.upserted;
        progress.set(stored);
    }
    let summary = progress.finish();
    step(&format!(
        "{} records with vectors of 384 components stored and synced in {:.0} ms: {}/s",
        format::count(stored),
        summary.seconds * 1000.0,
        format::count(summary.rate() as u64)
    ))
}

async fn search(nouns: &Namespace, query: &data::Query) -> anyhow::Result<()> {
    let include = [Include::Metadata, Include::Text];
    let search = nouns.query().vector(query.vector.clone());
    let begun = Instant::now();
    let answer = search.top_k(5).include(include).await?;
    step(&format!(
        "nearest to {} in {:.1} ms",
        style(format!("“{}”", query.text)).cyan(),
        begun.elapsed().as_secs_f64() * 1000.0
    ))?;
    query::show(&answer)
}

async fn related(nouns: &Namespace) -> anyhow::Result<()> {
    let filter = json!({"category": "person", "length": {"$lt": 60}});
    step(&format!(
        "nearest to the record {}, filtered by {}",
        style("woodcutter").cyan(),
        style(&filter).cyan()
    ))?;
    let include = [Include::Metadata, Include::Text];
    let search = nouns.query().id("woodcutter").filter(filter);
    query::show(&search.top_k(5).include(include).await?)
}

async fn values(nouns: &Namespace) -> anyhow::Result<()> {
    let draft = json!({"seen": 1}).to_string();
    let put = nouns
        .put("woodcutter", draft)
        .content_type("application/json");
    let written = put.await?;
    let replaced = json!({"seen": 2}).to_string();
    let put = nouns
        .put("woodcutter", replaced)
        .content_type("application/json");
    let second = put.if_version(written.version).await?;
    step(&format!(
        "the same record as a key with a value: put as version {}, replaced on condition of it as \
         version {}",
        written.version, second.version
    ))
}

fn try_yourself(url: &str, key: &str, exit: bool) -> anyhow::Result<()> {
    if exit {
        return output::line("\nRun `quartz demo` without --exit to try it yourself.");
    }
    step("try it yourself")?;
    let body = json!({"id": "woodcutter", "top_k": 3, "include": ["text"]});
    output::line(format_args!(
        "
  export QUARTZ_URL={url} QUARTZ_API_KEY={key}

  quartz query {NAMESPACE} --id woodcutter --top-k 3
  quartz get {NAMESPACE} woodcutter
  quartz list {NAMESPACE} --records --prefix wood

  curl -s $QUARTZ_URL/v1/namespaces/{NAMESPACE}/query \\
    -H \"Authorization: Bearer $QUARTZ_API_KEY\" -H 'Content-Type: application/json' \\
    -d '{body}'
  curl -s $QUARTZ_URL/v1/namespaces/{NAMESPACE}/kv/woodcutter -H \"Authorization: Bearer $QUARTZ_API_KEY\"

  {url}/docs describes the API.

Ctrl-C stops the server and removes its data."
    ))
}

fn step(text: &str) -> anyhow::Result<()> {
    output::line(format_args!("\n{} {text}", style("●").green()))
}
