//! Offline scan of a data directory: every byte against its checksum, every index and counter against
//! the records.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use quartz_core::{check, store::Store};
use quartz_engines::{LocalStore, Options};
use serde::Serialize;

/// What to scan.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz check quartz-data
  quartz check /var/lib/quartz --json

Exits with 0 if all is well and with 1 if anything is damaged.")]
pub(crate) struct CheckArgs {
    /// The data directory of a server that is not running
    #[arg(env = "QUARTZ_DATA", value_name = "DIR", default_value = "quartz-data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the scan found.
#[derive(Debug, Serialize)]
struct Scan {
    rows: u64,
    bytes: u64,
    namespaces: Vec<Checked>,
}

#[derive(Debug, Serialize)]
struct Checked {
    name: String,
    version: u64,
    records: u64,
    vectors: u64,
    rows: u64,
    faults: Vec<String>,
}

/// Scans the directory and reports what is damaged.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let path = args.data.join("store");
    if !path.is_dir() {
        bail!(
            "{} holds no data: there is no directory {}",
            args.data.display(),
            path.display()
        );
    }
    let store = LocalStore::open(&path, Options::default())
        .with_context(|| format!("cannot check {}", args.data.display()))?;
    let verified = store.verify().context("stored bytes are damaged")?;
    let store: Arc<dyn Store> = Arc::new(store);
    let reports = futures::executor::block_on(check::directory(store))?;
    let namespaces: Vec<_> = reports
        .into_iter()
        .map(|(name, report)| Checked {
            name,
            version: report.version,
            records: report.records,
            vectors: report.vectors,
            rows: report.rows,
            faults: report.faults,
        })
        .collect();
    let faults: usize = namespaces
        .iter()
        .map(|namespace| namespace.faults.len())
        .sum();
    let scan = Scan {
        rows: verified.rows,
        bytes: verified.row_bytes,
        namespaces,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&scan)?);
    } else {
        print(&scan);
    }
    if faults > 0 {
        bail!(
            "{faults} faults found; restore the namespaces named above from a backup or an export"
        );
    }
    Ok(())
}

fn print(scan: &Scan) {
    println!(
        "read {} rows, {} bytes: all checksums are right",
        scan.rows, scan.bytes
    );
    for namespace in &scan.namespaces {
        let Checked {
            name,
            version,
            records,
            vectors,
            rows,
            faults,
        } = namespace;
        let name = if name.is_empty() {
            "(rows of no namespace)"
        } else {
            name
        };
        let verdict = if faults.is_empty() {
            "sound"
        } else {
            "DAMAGED"
        };
        println!(
            "{verdict}  {name}: version {version}, {records} records, {vectors} vectors, {rows} rows"
        );
        for fault in faults {
            println!("         {fault}");
        }
    }
}
