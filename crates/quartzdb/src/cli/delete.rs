use serde_json::{Value, json};

use super::{connect::Connect, exit, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz delete docs greeting old-greeting
  quartz delete docs greeting --if-version 42
  quartz delete docs --filter '{\"lang\": \"de\"}' --dry-run
  quartz delete docs --all --yes          every record; the namespace stays")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// Keys of the records
    #[arg(required_unless_present_any = ["filter", "all"])]
    keys: Vec<String>,
    /// Delete the records whose metadata match this JSON filter (`@file`, `-` for standard input)
    #[arg(long, value_name = "JSON", conflicts_with_all = ["keys", "all"])]
    filter: Option<String>,
    /// Delete every record
    #[arg(long, conflicts_with = "keys")]
    all: bool,
    /// Delete only if the record has this version; for one key
    #[arg(long, value_name = "VERSION", requires = "keys")]
    if_version: Option<u64>,
    /// Only count
    #[arg(long, conflicts_with = "if_version")]
    dry_run: bool,
    /// Do not ask before --all
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.namespace)?;
    if let Some(version) = args.if_version {
        let [key] = args.keys.as_slice() else {
            return Err(exit::usage("--if-version goes with one key"));
        };
        let version = namespace.delete_key(key).if_version(version).await?;
        return if args.connect.json {
            output::json(&json!({"deleted": 1, "version": version}))
        } else {
            output::line(format_args!("deleted {key} (version {version})"))
        };
    }
    let mut delete = if let Some(filter) = &args.filter {
        let filter: Value = input::json(&input::bytes(Some(filter))?, "the filter")?;
        namespace.delete_where(filter)
    } else if args.all {
        if !args.dry_run && !args.yes {
            super::namespace::confirm(&format!("all records of {}", args.namespace))?;
        }
        namespace.delete_all()
    } else {
        namespace.delete(args.keys)
    };
    if args.dry_run {
        delete = delete.dry_run();
    }
    let done = delete.await?;
    if args.connect.json {
        return output::json(&done);
    }
    let verb = if done.dry_run {
        "would delete"
    } else {
        "deleted"
    };
    let records = super::format::records(done.deleted);
    output::line(format_args!("{verb} {records} (version {})", done.version))
}
