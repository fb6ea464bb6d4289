use std::time::Duration;

use quartz_client::Metadata;
use serde_json::{Value, value::RawValue};

use super::{connect::Connect, exit, format, input, output, query::parse_vector};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz update docs intro --metadata '{\"lang\": \"fr\", \"year\": null}'   null removes a field
  quartz update docs intro --text 'Bonjour' --if-version 42
  quartz update docs --filter '{\"lang\": \"de\"}' --metadata '{\"reviewed\": true}'
  quartz update docs --filter '{\"draft\": true}' --ttl 86400

What is not named stays as it is. Exit code 3 if the record is not there, 4 if it has another
version.")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// Id of the record
    #[arg(required_unless_present = "filter")]
    id: Option<String>,
    /// Change the records whose metadata match this JSON filter (`@file`, `-` for standard input)
    #[arg(long, short, value_name = "JSON", conflicts_with_all = ["id", "vector", "text", "value", "if_version"])]
    filter: Option<String>,
    /// Fields to set, or with `null` to remove, as a JSON object (`@file`, `-` for standard input)
    #[arg(long, short, value_name = "JSON")]
    metadata: Option<String>,
    /// New vector: numbers as a JSON list, or base64 (`@file`, `-` for standard input)
    #[arg(long, value_name = "JSON")]
    vector: Option<String>,
    /// New text
    #[arg(long)]
    text: Option<String>,
    /// New value as JSON (`@file`, `-` for standard input)
    #[arg(long, value_name = "JSON")]
    value: Option<String>,
    /// Seconds from now until the record disappears
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// Change only if the record has this version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let nothing = args.metadata.is_none()
        && args.vector.is_none()
        && args.text.is_none()
        && args.value.is_none()
        && args.ttl.is_none();
    if nothing {
        return Err(exit::usage(
            "nothing to change: give --metadata, --text, --value, --vector or --ttl",
        ));
    }
    let namespace = args.connect.namespace(&args.namespace)?;
    let mut update = match (&args.id, &args.filter) {
        (Some(id), _) => namespace.update(id),
        (None, filter) => {
            let filter: Value = input::json(&input::bytes(filter.as_deref())?, "the filter")?;
            namespace.update_where(filter)
        }
    };
    if let Some(patch) = &args.metadata {
        let patch: Metadata = input::json(&input::bytes(Some(patch))?, "the metadata")?;
        update = update.metadata(patch);
    }
    if let Some(vector) = &args.vector {
        update = update.vector(parse_vector(vector)?);
    }
    if let Some(text) = args.text {
        update = update.text(text);
    }
    if let Some(value) = &args.value {
        let value: Box<RawValue> = input::json(&input::bytes(Some(value))?, "the value")?;
        update = update.value(value);
    }
    if let Some(seconds) = args.ttl {
        update = update.ttl(Duration::from_secs(seconds));
    }
    if let Some(version) = args.if_version {
        update = update.if_version(version);
    }
    let done = update.await?;
    if args.connect.json {
        return output::json(&done);
    }
    let records = format::records(done.updated);
    output::line(format_args!("changed {records} (version {})", done.version))
}
