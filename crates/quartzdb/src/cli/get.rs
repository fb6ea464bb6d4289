use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Context;
use serde_json::json;

use super::{connect::Connect, exit, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz get docs greeting
  quartz get docs logo.png --output logo.png
  quartz get docs greeting --info        version, type and size only
  quartz get docs settings --json | jq .value")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// Key of the value
    key: String,
    /// Write the value to this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "info")]
    output: Option<PathBuf>,
    /// Print version, type and size, not the value
    #[arg(long)]
    info: bool,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.namespace)?;
    let missing = || {
        exit::not_found(format!(
            "there is no value under {:?} in {}",
            args.key, args.namespace
        ))
    };
    if args.info {
        let info = namespace.get(&args.key).info().await?.ok_or_else(missing)?;
        if args.connect.json {
            return output::json(&json!({
                "id": args.key, "version": info.version, "size": info.size,
                "content_type": info.content_type,
            }));
        }
        let mut table = output::table(["key", "version", "type", "size"]);
        let size = super::format::bytes(info.size);
        table.add_row([args.key, info.version.to_string(), info.content_type, size]);
        return output::line(table);
    }
    let value = namespace.get(&args.key).await?.ok_or_else(missing)?;
    if let Some(path) = &args.output {
        return std::fs::write(path, &value.bytes)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    if args.connect.json {
        let text = value.text().ok();
        let parsed = value.json::<serde_json::Value>().ok();
        let shown = match parsed.filter(|_| value.content_type.contains("json")) {
            Some(parsed) => parsed,
            None => text.map_or(serde_json::Value::Null, Into::into),
        };
        return output::json(&json!({
            "id": args.key, "version": value.version, "size": value.bytes.len(),
            "content_type": value.content_type, "value": shown,
        }));
    }
    let mut stdout = std::io::stdout();
    if stdout.is_terminal() && value.text().is_err() {
        return Err(exit::usage(format!(
            "the value is {} bytes of {}, not text: add --output FILE",
            value.bytes.len(),
            value.content_type
        )));
    }
    stdout.write_all(&value.bytes)?;
    if stdout.is_terminal() && !value.bytes.ends_with(b"\n") {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}
