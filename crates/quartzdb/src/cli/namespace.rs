use std::io::{IsTerminal, Write};

use clap::{Subcommand, ValueEnum};
use futures::TryStreamExt;
use quartz_client::{IndexedFields, Metric, NamespaceConfig, NamespaceInfo, StoreVectors};
use serde_json::json;

use super::{connect::Connect, exit, format, output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the namespaces
    #[command(after_help = "Examples:\n  quartz namespace list\n  quartz namespace list --json")]
    List(ListArgs),
    /// Create a namespace with a configuration, which is fixed from then on
    #[command(after_help = "\
Examples:
  quartz namespace create docs --dimension 384
  quartz namespace create docs --dimension 768 --metric dot --indexed-fields lang,stars

A namespace is also created by its first write: cosine, every field indexed, and the dimension of \
the first vector.")]
    Create(CreateArgs),
    /// Show configuration and counts
    #[command(after_help = "Examples:\n  quartz namespace describe docs")]
    Describe(NameArgs),
    /// Delete a namespace with all its records
    #[command(
        after_help = "Examples:\n  quartz namespace delete docs\n  quartz namespace delete docs --yes"
    )]
    Delete(DeleteArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only names that start with this
    #[arg(long, short)]
    prefix: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Name: letters, digits, `.`, `_`, `-`
    name: String,
    /// Components of every vector; without it the first vector decides
    #[arg(long, short)]
    dimension: Option<u32>,
    /// How vectors are compared
    #[arg(long, short, value_enum, default_value = "cosine")]
    metric: MetricName,
    /// How exactly vectors are stored
    #[arg(long, value_enum, default_value = "f32")]
    store_vectors: PrecisionName,
    /// The metadata fields filters can use; all of them if not given
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    indexed_fields: Option<Vec<String>>,
    /// Parts that the records are divided into by their ids; needs the dimension
    #[arg(long)]
    partitions: Option<u16>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct NameArgs {
    /// Name
    name: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// Name
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionName {
    F32,
    F16,
    Int8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MetricName {
    Cosine,
    Dot,
    Euclidean,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list(args).await,
        Command::Create(args) => create(args).await,
        Command::Describe(args) => {
            let info = args.connect.namespace(&args.name)?.describe().await?;
            show(&info, args.connect.json)
        }
        Command::Delete(args) => delete(args).await,
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let list = args.connect.client()?.namespaces().page_size(1000);
    let list = list.prefix(args.prefix.as_deref().unwrap_or_default());
    let mut names = list.stream();
    let mut table = output::table(["namespace", "created"]);
    while let Some(entry) = names.try_next().await? {
        if args.connect.json {
            output::json_line(&entry)?;
        } else {
            table.add_row([entry.name, format::moment(Some(entry.created_at))]);
        }
    }
    match (args.connect.json, table.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => output::line("no namespaces yet: the first write creates one"),
        (false, false) => output::line(table),
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let config = NamespaceConfig {
        dimension: args.dimension,
        metric: match args.metric {
            MetricName::Cosine => Metric::Cosine,
            MetricName::Dot => Metric::Dot,
            MetricName::Euclidean => Metric::Euclidean,
        },
        store_vectors: match args.store_vectors {
            PrecisionName::F32 => StoreVectors::F32,
            PrecisionName::F16 => StoreVectors::F16,
            PrecisionName::Int8 => StoreVectors::Int8,
        },
        indexed_fields: args
            .indexed_fields
            .map_or(IndexedFields::All, IndexedFields::Only),
        partitions: args.partitions,
    };
    let info = args.connect.namespace(&args.name)?.create(&config).await?;
    show(&info, args.connect.json)
}

async fn delete(args: DeleteArgs) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.name)?;
    if !args.yes {
        let info = namespace.describe().await?;
        let records = format::records(info.records);
        confirm(&format!("namespace {} with its {records}", args.name))?;
    }
    namespace.delete_namespace().await?;
    if args.connect.json {
        return output::json(&json!({"deleted": args.name}));
    }
    output::line(format_args!("deleted namespace {}", args.name))
}

/// Asks before something is deleted that cannot be brought back.
pub(super) fn confirm(what: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(exit::usage(format!(
            "this deletes {what}: add --yes to do it"
        )));
    }
    eprint!("Delete {what}? There is no way back. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => anyhow::bail!("nothing was deleted"),
    }
}

fn show(info: &NamespaceInfo, json: bool) -> anyhow::Result<()> {
    let config = &info.config;
    let dimension = config.dimension.map(|n| n.to_string());
    let fields = match &config.indexed_fields {
        IndexedFields::All => "all".to_owned(),
        IndexedFields::Only(names) => names.join(", "),
    };
    let rows = [
        ("records", format::count(info.records)),
        ("vectors", format::count(info.vectors)),
        ("values", format::count(info.values)),
        ("size", format::bytes(info.bytes)),
        ("version", info.version.to_string()),
        (
            "dimension",
            dimension.unwrap_or_else(|| "of the first vector".into()),
        ),
        ("metric", format!("{:?}", config.metric).to_lowercase()),
        ("indexed fields", fields),
        ("created", format::moment(Some(info.created_at))),
    ];
    output::properties(json, info, [&info.name, ""], rows)
}
