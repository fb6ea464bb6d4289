use std::{fs::File, io::BufRead, path::PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use futures::TryStreamExt;
use quartz_client::AuditEntry;
use quartz_service::{
    AuditEntry as Entry,
    rows::audit::{Head, Linked},
    verify_chain,
};
use serde_json::json;

use super::{connect::Connect, output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the log as JSON Lines
    #[command(after_help = "Examples:\n  quartz audit export > audit.jsonl")]
    Export(ExportArgs),
    /// Prove that no entry of the log was changed, removed or put in between
    #[command(after_help = "\
Examples:
  quartz audit verify
  quartz audit verify --file audit.jsonl
  quartz audit verify --head 5f1c…

Each entry carries the hash of the one before. Keep the hash that this prints, outside of the server: \
given as --head the next time, it proves that the log of today still begins with the log of then.")]
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// An export instead of a server's log
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Hash that an earlier run has printed; it must be in the chain
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Export(args) => {
            let mut entries = args.connect.client()?.audit().page_size(1000).stream();
            while let Some(entry) = entries.try_next().await? {
                output::json_line(&entry)?;
            }
            Ok(())
        }
        Command::Verify(args) => verify(args).await,
    }
}

/// A chain on its way to being proved.
struct Chain {
    at: Head,
    wanted: Option<String>,
}

impl Chain {
    fn add(&mut self, entry: AuditEntry) -> anyhow::Result<()> {
        let (sequence, linked) = linked(entry)?;
        self.at = verify_chain(self.at, &[(sequence, linked)])?;
        if self.wanted.as_deref() == Some(&*self.hash()) {
            self.wanted = None;
        }
        Ok(())
    }

    fn hash(&self) -> String {
        self.at
            .hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

async fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    let mut chain = Chain {
        at: Head::default(),
        wanted: args.head.clone(),
    };
    match &args.file {
        Some(path) => {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
                let entry = serde_json::from_str(&line?);
                chain.add(entry.with_context(|| format!("line {number} is no entry"))?)?;
            }
        }
        None => {
            let client = args.connect.client()?;
            let mut cursor = None::<String>;
            let (sequence, hash) = loop {
                let mut list = client.audit().page_size(1000);
                if let Some(cursor) = &cursor {
                    list = list.cursor(cursor);
                }
                let page = list.page().await?;
                for entry in page.entries {
                    chain.add(entry)?;
                }
                cursor = page.next_cursor;
                if cursor.is_none() {
                    // The log may grow while it is read: the head of the last page is what counts.
                    break (page.head_sequence, page.head_hash);
                }
            };
            ensure!(
                chain.at.sequence == sequence && chain.hash() == hash,
                "the log ends with entry {}, but {sequence} were written or the last one was changed",
                chain.at.sequence
            );
        }
    }
    if let Some(wanted) = &chain.wanted {
        bail!("the log is a chain, but not the one that had the hash {wanted}");
    }
    let (entries, hash) = (chain.at.sequence, chain.hash());
    if args.connect.json {
        return output::json(&json!({"entries": entries, "head": hash}));
    }
    output::line(format_args!(
        "{entries} entries, each chained to the one before\nhead {hash}"
    ))
}

fn linked(entry: AuditEntry) -> anyhow::Result<(u64, Linked)> {
    let mut previous = [0; 32];
    ensure!(
        entry.previous.len() == 64,
        "entry {} has no link",
        entry.sequence
    );
    for (at, byte) in previous.iter_mut().enumerate() {
        let digits = entry.previous.get(2 * at..2 * at + 2).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16)
            .with_context(|| format!("the link of entry {} is not hexadecimal", entry.sequence))?;
    }
    let linked = Linked {
        previous,
        entry: Entry {
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            outcome: entry.outcome,
            detail: entry.detail,
            address: entry.address,
            request_id: entry.request_id,
        },
    };
    Ok((entry.sequence, linked))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chain of two entries as `/v1/audit` answers it.
    fn chain() -> Vec<AuditEntry> {
        let entry = |sequence, previous: [u8; 32]| AuditEntry {
            sequence,
            at: 5,
            actor: "root".into(),
            action: "key.create".into(),
            target: "key:1".into(),
            outcome: "done".into(),
            detail: String::new(),
            address: String::new(),
            request_id: "r".into(),
            previous: previous.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let first = entry(1, [0; 32]);
        let (_, linked) = linked(first.clone()).unwrap();
        vec![first, entry(2, linked.hash(1))]
    }

    #[test]
    fn changed_exports_are_noticed() {
        let prove = |entries: &[AuditEntry]| {
            let mut chain = Chain {
                at: Head::default(),
                wanted: None,
            };
            entries
                .iter()
                .cloned()
                .try_for_each(|entry| chain.add(entry))
        };
        prove(&chain()).unwrap();
        let mut changed = chain();
        changed[0].target = "key:2".into();
        assert!(prove(&changed).is_err());
        assert!(prove(&chain()[1..]).is_err());
        let mut odd = chain();
        odd[0].previous = "é".repeat(32);
        assert!(prove(&odd).is_err());
    }
}
