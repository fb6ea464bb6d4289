use futures::{Stream, StreamExt, TryStreamExt};
use quartz_client::{Include, KeyEntry, StoredRecord};

use super::{connect::Connect, format, output, query::parse_include};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz list docs                         keys of values
  quartz list docs --prefix user/ --limit 20
  quartz list docs --records --include metadata,text
  quartz list docs --all --json            one JSON object a line")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// Only names that start with this
    #[arg(long, short)]
    prefix: Option<String>,
    /// Most entries
    #[arg(long, short, default_value = "100", conflicts_with = "all")]
    limit: usize,
    /// No limit
    #[arg(long)]
    all: bool,
    /// List records with their metadata, not only those with a value
    #[arg(long)]
    records: bool,
    /// Parts of each record: metadata, text, value, vector
    #[arg(long, value_delimiter = ',', value_parser = parse_include, requires = "records")]
    include: Vec<Include>,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.namespace)?;
    let prefix = args.prefix.as_deref().unwrap_or_default();
    let limit = if args.all { usize::MAX } else { args.limit };
    let page = limit.clamp(1, 1000);
    let more = if args.records {
        let mut list = namespace.records().prefix(prefix).page_size(page);
        if !args.include.is_empty() {
            list = list.include(args.include.iter().copied());
        }
        records(list.stream(), limit, args.connect.json).await?
    } else {
        let list = namespace.keys().prefix(prefix).page_size(page);
        keys(list.stream(), limit, args.connect.json).await?
    };
    if more && !args.connect.json {
        eprintln!("there is more: --limit or --all");
    }
    Ok(())
}

async fn keys(
    mut stream: impl Stream<Item = quartz_client::Result<KeyEntry>> + Unpin,
    limit: usize,
    json: bool,
) -> anyhow::Result<bool> {
    let mut table = output::table(["key", "version", "size", "type", "expires"]);
    for _ in 0..limit {
        let Some(entry) = stream.try_next().await? else {
            break;
        };
        if json {
            output::json_line(&entry)?;
        } else {
            table.add_row([
                entry.id,
                entry.version.to_string(),
                format::bytes(entry.size),
                entry.content_type,
                format::moment(entry.expires_at),
            ]);
        }
    }
    finish(table, json)?;
    Ok(stream.next().await.is_some())
}

async fn records(
    mut stream: impl Stream<Item = quartz_client::Result<StoredRecord>> + Unpin,
    limit: usize,
    json: bool,
) -> anyhow::Result<bool> {
    let mut table = output::table(["id", "version", "metadata", "contents"]);
    for _ in 0..limit {
        let Some(record) = stream.try_next().await? else {
            break;
        };
        if json {
            output::json_line(&record)?;
        } else {
            table.add_row(row(&record));
        }
    }
    finish(table, json)?;
    Ok(stream.next().await.is_some())
}

/// A record as a row of a table with id, version, metadata and contents.
pub(super) fn row(record: &StoredRecord) -> [String; 4] {
    [
        record.id.clone(),
        record.version.to_string(),
        format::metadata(record.metadata.as_ref()),
        format::contents(record),
    ]
}

fn finish(table: comfy_table::Table, json: bool) -> anyhow::Result<()> {
    match (json, table.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => output::line("nothing here"),
        (false, false) => output::line(table),
    }
}
