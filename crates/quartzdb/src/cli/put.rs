use std::{path::PathBuf, time::Duration};

use serde_json::json;

use super::{connect::Connect, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz put docs greeting 'hello'
  quartz put docs logo.png --file logo.png --content-type image/png
  date | quartz put docs now --ttl 60
  quartz put docs lock owner-1 --if-absent       exit code 4 if it is taken
  quartz put docs greeting 'hi' --if-version 42  exit code 4 if it has changed")]
pub(super) struct Args {
    /// Namespace; created if it is not there
    namespace: String,
    /// Key of the value
    key: String,
    /// The value; without it or with `-`, standard input
    value: Option<String>,
    /// Take the value from this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,
    /// Content type; guessed from the file name and the bytes if not given
    #[arg(long, short = 't', value_name = "TYPE")]
    content_type: Option<String>,
    /// Seconds until the record disappears
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// Write only if the record has this version
    #[arg(long, value_name = "VERSION", conflicts_with = "if_absent")]
    if_version: Option<u64>,
    /// Write only if there is no such record
    #[arg(long)]
    if_absent: bool,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let value = match (&args.file, args.value.as_deref()) {
        (Some(path), _) => input::file(path)?,
        (None, Some("-")) => input::stdin(false)?,
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => input::stdin(true)?,
    };
    let size = value.len();
    let guessed = || guess(args.file.as_deref(), &value);
    let content_type = args.content_type.clone().unwrap_or_else(guessed);
    let namespace = args.connect.namespace(&args.namespace)?;
    let mut put = namespace.put(&args.key, value).content_type(&content_type);
    if let Some(seconds) = args.ttl {
        put = put.ttl(Duration::from_secs(seconds));
    }
    if let Some(version) = args.if_version {
        put = put.if_version(version);
    }
    if args.if_absent {
        put = put.if_absent();
    }
    let written = put.await?;
    if args.connect.json {
        return output::json(&json!({
            "id": args.key, "version": written.version, "created": written.created, "size": size,
            "content_type": content_type,
        }));
    }
    let verb = if written.created {
        "created"
    } else {
        "replaced"
    };
    output::line(format_args!(
        "{verb} {} (version {}, {size} bytes, {content_type})",
        args.key, written.version
    ))
}

fn guess(file: Option<&std::path::Path>, value: &[u8]) -> String {
    let extension = file.and_then(|path| path.extension()?.to_str());
    let known = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Some("application/json"),
        Some("html") => Some("text/html"),
        Some("csv") => Some("text/csv"),
        Some("md") => Some("text/markdown"),
        Some("png") => Some("image/png"),
        Some("jpg" | "jpeg") => Some("image/jpeg"),
        Some("pdf") => Some("application/pdf"),
        _ => None,
    };
    let fallback = match std::str::from_utf8(value) {
        Ok(_) => "text/plain",
        Err(_) => "application/octet-stream",
    };
    known.unwrap_or(fallback).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_come_from_names_then_bytes() {
        assert_eq!(guess(Some("a/b.JSON".as_ref()), b"{}"), "application/json");
        assert_eq!(guess(Some("notes".as_ref()), b"hi"), "text/plain");
        assert_eq!(guess(None, &[0xff]), "application/octet-stream");
    }
}
