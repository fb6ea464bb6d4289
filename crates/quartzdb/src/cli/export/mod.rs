//! `quartz export`: a snapshot of a namespace as a file.

mod jsonl;
mod npy;
mod parquet;
#[cfg(test)]
mod round_trip_test;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use futures::TryStreamExt;
use quartz_client::StoredRecord;
use serde_json::json;

use super::{
    connect::Connect,
    exit, format,
    import::{Format, Progress},
    output,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz export docs docs.jsonl
  quartz export docs docs.parquet
  quartz export docs docs.npy        vectors as f4; ids and metadata in docs.jsonl
  quartz export docs - | gzip > docs.jsonl.gz

JSON Lines and Parquet keep everything but version numbers; `quartz import` reads both. NumPy keeps
ids, vectors and metadata.")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// The file; `-` is standard output (JSON Lines)
    file: PathBuf,
    /// Format, if the file name does not end in .jsonl, .ndjson, .parquet or .npy
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Overwrite the file if it is there
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    connect: Connect,
}

/// Where records go.
enum Sink {
    Jsonl(jsonl::Sink<Box<dyn Write + Send>>),
    Parquet(Box<parquet::Sink>),
    Npy(npy::Sink),
}

impl Sink {
    fn write(&mut self, line: &Bytes) -> anyhow::Result<()> {
        let record = |line| -> anyhow::Result<StoredRecord> {
            serde_json::from_slice(line).context("the server sent a record that cannot be read")
        };
        match self {
            Self::Jsonl(sink) => sink.write(line),
            Self::Parquet(sink) => sink.write(record(line)?),
            Self::Npy(sink) => sink.write(record(line)?),
        }
    }

    /// Completes the file; says what the format could not hold.
    fn finish(self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Jsonl(sink) => sink.finish().map(|()| None),
            Self::Parquet(sink) => sink.finish().map(|()| None),
            Self::Npy(sink) => sink.finish(),
        }
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let to_stdout = args.file.as_os_str() == "-";
    let format = match args.format {
        Some(format) => format,
        None if to_stdout => Format::Jsonl,
        None => Format::of(&args.file)?,
    };
    if to_stdout && format != Format::Jsonl {
        return Err(exit::usage(
            "only JSON Lines go to standard output: name a file",
        ));
    }
    let sidecar = (format == Format::Npy).then(|| args.file.with_extension("jsonl"));
    let files = [Some(&args.file).filter(|_| !to_stdout), sidecar.as_ref()];
    let there = files.into_iter().flatten().find(|file| file.exists());
    if let Some(file) = there.filter(|_| !args.force) {
        return Err(exit::usage(format!(
            "{} is there already: --force overwrites it",
            file.display()
        )));
    }
    let namespace = args.connect.namespace(&args.namespace)?;
    let total = namespace.describe().await?.records;
    // A file with its own name is a whole one.
    let draft = draft(&args.file);
    let mut sink = match format {
        Format::Jsonl if to_stdout => Sink::Jsonl(jsonl::Sink::new(Box::new(io::stdout()))),
        Format::Jsonl => Sink::Jsonl(jsonl::Sink::new(Box::new(create(&draft)?))),
        Format::Parquet => Sink::Parquet(Box::new(parquet::Sink::new(create(&draft)?)?)),
        Format::Npy => Sink::Npy(npy::Sink::new(
            create(&draft)?,
            create(&draft.with_extension("jsonl-partial"))?,
        )),
    };
    let mut progress = Progress::records(total);
    let mut lines = namespace.export_lines();
    let mut records = 0;
    while let Some(line) = lines.try_next().await? {
        sink.write(&line)?;
        records += 1;
        if records % 100 == 0 {
            progress.set(records);
        }
    }
    progress.set(records);
    let note = sink.finish()?;
    if !to_stdout {
        settle(&draft, &args.file)?;
        if let Some(sidecar) = &sidecar {
            settle(&draft.with_extension("jsonl-partial"), sidecar)?;
        }
    }
    let summary = progress.finish();
    if let Some(note) = note {
        eprintln!("{note}");
    }
    match (to_stdout, args.connect.json) {
        (true, _) => Ok(()),
        (false, true) => output::json(&json!({"exported": records, "seconds": summary.seconds})),
        (false, false) => output::line(format_args!(
            "exported {} to {} in {:.1} s",
            format::records(records),
            args.file.display(),
            summary.seconds
        )),
    }
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn settle(draft: &Path, path: &Path) -> anyhow::Result<()> {
    fs::rename(draft, path).with_context(|| format!("cannot write {}", path.display()))
}

/// A writer with a buffer that is worth a system call.
fn buffered<W: Write>(writer: W) -> BufWriter<W> {
    BufWriter::with_capacity(256 << 10, writer)
}
