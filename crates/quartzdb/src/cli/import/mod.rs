//! `quartz import`: files become records, in batches, several requests at a time.

mod jsonl;
mod line;
mod npy;
mod npy_header;
mod parquet;
mod parquet_column;
mod pipeline;
mod progress;
mod resume;
mod source;

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use quartz_client::MAX;
use serde_json::json;

pub(super) use self::{npy_header::Header as NpyHeader, progress::Progress};
use self::{
    pipeline::Pipeline,
    resume::{Job, Journal},
    source::Options,
};
use super::{connect::Connect, exit, format, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz import docs records.jsonl
  quartz import docs records.parquet --vector-field embedding
  quartz import docs vectors.npy                  ids and metadata from vectors.jsonl
  quartz import docs vectors.npy --sidecar meta.jsonl --text-field text
  quartz import docs records.jsonl --resume       go on where it stopped
  quartz export old - | quartz import new - --format jsonl

Formats:
  JSON Lines  a record a line: {\"id\", \"vector\", \"metadata\", \"text\", \"value\", \"ttl\"}; exports too
  Parquet     columns id, vector (list of floats), metadata (JSON), text, value, content_type; all
              other scalar columns become metadata
  NumPy       f2, f4 or f8 of shape [records, dimension], beside it JSON Lines whose `id` names the
              record and whose other fields become its metadata; without them ids are row numbers

An import that stops leaves FILE.quartz-import behind, which says how far it came. If an id occurs
more than once in the file, --concurrency 1 makes sure that the last one stays.")]
pub(super) struct Args {
    /// Namespace; created if it is not there
    namespace: String,
    /// The file; `-` is standard input (JSON Lines)
    file: PathBuf,
    /// Format, if the file name does not end in .jsonl, .ndjson, .parquet or .npy
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Go on after the last acknowledged record of an import that stopped
    #[arg(long)]
    resume: bool,
    /// Requests at the same time
    #[arg(long, default_value = "4", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
    /// Records in one request, each request one commit
    #[arg(long, default_value = "500", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX.records_per_request as i64))]
    batch_size: u16,
    /// JSON Lines with ids and metadata of a NumPy file
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,
    /// Field that names the record (Parquet and sidecar)
    #[arg(long, default_value = "id", value_name = "NAME")]
    id_field: String,
    /// Column with the vector (Parquet)
    #[arg(long, default_value = "vector", value_name = "NAME")]
    vector_field: String,
    /// Field kept as the record's text, not as metadata (Parquet: `text` if not given)
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// Fields to leave out (Parquet and sidecar)
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    ignore: Vec<String>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Jsonl,
    Parquet,
    Npy,
}

impl Format {
    /// The format a file name tells.
    pub(super) fn of(path: &std::path::Path) -> anyhow::Result<Self> {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            "parquet" | "pq" => Ok(Self::Parquet),
            "npy" => Ok(Self::Npy),
            _ => Err(exit::usage(format!(
                "the name {} does not tell its format: add --format jsonl, parquet or npy",
                path.display()
            ))),
        }
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let from_stdin = args.file.as_os_str() == "-";
    let format = match args.format {
        Some(format) => format,
        None if from_stdin => Format::Jsonl,
        None => Format::of(&args.file)?,
    };
    if from_stdin && (args.resume || format != Format::Jsonl) {
        return Err(exit::usage(
            "standard input can only be JSON Lines, and cannot be resumed: name a file",
        ));
    }
    let options = Options {
        sidecar: args.sidecar.clone(),
        id_field: args.id_field.clone(),
        vector_field: args.vector_field.clone(),
        text_field: args.text_field.clone(),
        ignore: args.ignore.clone(),
    };
    let mut journal = if from_stdin {
        None
    } else {
        let job = Job::new(&args.connect.url, &args.namespace, &args.file)?;
        Some(Journal::open(&args.file, job, args.resume)?)
    };
    let start = journal.as_ref().map_or(0, Journal::position);
    let source = source::open(format, &args.file, &options, start)?;
    for note in &source.notes {
        eprintln!("{note}");
    }
    if start > 0 {
        eprintln!("going on after {}", format::records(start));
    }
    let mut progress = Progress::new(&source.extent, start);
    let pipeline = Pipeline {
        namespace: args.connect.namespace(&args.namespace)?,
        concurrency: usize::from(args.concurrency),
        batch_size: usize::from(args.batch_size),
        start,
    };
    let outcome = pipeline
        .run(source, |position| {
            progress.set(position);
            journal
                .as_mut()
                .map_or(Ok(()), |j| j.acknowledged(position))
        })
        .await;
    let summary = progress.finish();
    if let Some(journal) = journal {
        let stored = journal.position();
        match &outcome {
            Ok(()) => journal.finish()?,
            Err(_) if stored > 0 => {
                journal.keep()?;
                eprintln!(
                    "the first {} records are stored: the same command with --resume goes on",
                    format::count(stored)
                );
            }
            Err(_) => journal.finish()?,
        }
    }
    outcome.with_context(|| format!("the import of {} stopped", args.file.display()))?;
    if args.connect.json {
        return output::json(&json!({
            "imported": summary.records, "seconds": summary.seconds,
            "records_per_second": summary.rate().round(),
        }));
    }
    output::line(format_args!(
        "imported {} in {:.1} s ({}/s)",
        format::records(summary.records),
        summary.seconds,
        format::count(summary.rate() as u64)
    ))
}

/// All records of a file at once, for tests.
#[cfg(test)]
pub(super) fn read_all(
    path: &std::path::Path,
    format: Format,
) -> anyhow::Result<Vec<quartz_client::Record>> {
    let source = source::open(format, path, &Options::default(), 0)?;
    source.records.filter_map(Result::transpose).collect()
}
