use std::iter::Peekable;

use anyhow::Context;
use futures::{StreamExt, stream};
use quartz_client::{Error, Namespace, Record};
use tokio::sync::mpsc;

use super::source::{Records, Source};

/// Bytes of vectors, texts and values in one request: far below what a server takes.
const BATCH_BYTES: usize = 6 << 20;
/// Batches read ahead of those on their way.
const READ_AHEAD: usize = 2;

/// Reads on a thread of its own, keeps `concurrency` upserts on their way, and reports positions
/// in the order of the file. In memory are at most `concurrency` and a few batches.
pub(super) struct Pipeline {
    pub(super) namespace: Namespace,
    pub(super) concurrency: usize,
    pub(super) batch_size: usize,
    pub(super) start: u64,
}

impl Pipeline {
    /// Calls `acknowledged` with the number of records from the start of the file that are stored.
    pub(super) async fn run(
        self,
        source: Source,
        mut acknowledged: impl FnMut(u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let batches = Batches {
            records: source.records.peekable(),
            position: self.start,
            size: self.batch_size,
        };
        tokio::task::spawn_blocking(move || {
            for batch in batches {
                // Nobody listens any more after a failure.
                if sender.blocking_send(batch).is_err() {
                    break;
                }
            }
        });
        let received = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|batch| (batch, receiver))
        });
        let mut done = received
            .map(|batch| {
                let namespace = self.namespace.clone();
                async move { tokio::spawn(send(namespace, batch?)).await? }
            })
            .buffered(self.concurrency)
            .boxed();
        while let Some(position) = done.next().await {
            acknowledged(position?)?;
        }
        Ok(())
    }
}

/// Stores a batch and returns the position after it.
async fn send(namespace: Namespace, batch: Batch) -> anyhow::Result<u64> {
    let Batch {
        records,
        first,
        end,
    } = batch;
    if !records.is_empty() {
        let sent = namespace.upsert(records).await;
        sent.map_err(|error| {
            let place = place(&error, first);
            anyhow::Error::new(error).context(
                place.unwrap_or_else(|| format!("records {} to {end} were not stored", first + 1)),
            )
        })?;
    }
    Ok(end)
}

/// Which record of the file the server complains about.
fn place(error: &Error, first: u64) -> Option<String> {
    let Error::Api { problem, .. } = error else {
        return None;
    };
    let index = problem.path.as_deref()?.strip_prefix("records[")?;
    let index: u64 = index.split(']').next()?.parse().ok()?;
    Some(format!("record {} was refused", first + index + 1))
}

struct Batch {
    records: Vec<Record>,
    first: u64,
    end: u64,
}

struct Batches {
    records: Peekable<Records>,
    position: u64,
    size: usize,
}

impl Iterator for Batches {
    type Item = anyhow::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.peek()?;
        let mut batch = Batch {
            records: Vec::with_capacity(self.size),
            first: self.position,
            end: self.position,
        };
        let mut bytes = 0;
        while batch.records.len() < self.size && bytes < BATCH_BYTES {
            // What was read before a fault is stored before the fault is told.
            if matches!(self.records.peek(), Some(Err(_))) && batch.end > batch.first {
                break;
            }
            match self.records.next() {
                Some(Ok(record)) => {
                    bytes += record.as_ref().map_or(0, weight);
                    batch.records.extend(record);
                    batch.end += 1;
                }
                Some(Err(error)) => {
                    let place = format!("record {} cannot be read", batch.end + 1);
                    return Some(Err(error).context(place));
                }
                None => break,
            }
        }
        self.position = batch.end;
        Some(Ok(batch))
    }
}

/// About the bytes a record takes in a request.
fn weight(record: &Record) -> usize {
    let vector = record.vector.as_ref().map_or(0, |v| v.as_slice().len() * 6);
    let text = record.text.as_ref().map_or(0, String::len);
    let value = record.value.as_ref().map_or(0, |value| value.get().len());
    let base64 = record.value_base64.as_ref().map_or(0, String::len);
    vector + text + value + base64 + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(
        records: Vec<anyhow::Result<Option<Record>>>,
        size: usize,
    ) -> Vec<anyhow::Result<Batch>> {
        let records: Records = Box::new(records.into_iter());
        Batches {
            records: records.peekable(),
            position: 10,
            size,
        }
        .collect()
    }

    fn record(text_bytes: usize) -> anyhow::Result<Option<Record>> {
        Ok(Some(Record {
            text: Some("x".repeat(text_bytes)),
            ..Record::default()
        }))
    }

    #[test]
    fn batches_are_cut_by_count_and_by_bytes() {
        let ends = |batches: Vec<anyhow::Result<Batch>>| -> Vec<u64> {
            batches
                .into_iter()
                .map(|batch| batch.unwrap().end)
                .collect()
        };
        let five = || vec![record(1), Ok(None), record(1), record(1), record(1)];
        assert_eq!(ends(batches(five(), 2)), [13, 15]);
        let heavy = (0..3).map(|_| record(BATCH_BYTES)).collect();
        assert_eq!(ends(batches(heavy, 100)), [11, 12, 13]);
        assert!(ends(batches(Vec::new(), 2)).is_empty());
    }

    #[test]
    fn records_before_a_fault_are_sent_first() {
        let records = vec![record(1), Err(anyhow::anyhow!("torn"))];
        let batches = batches(records, 100);
        assert_eq!(batches[0].as_ref().unwrap().end, 11);
        let error = batches[1].as_ref().err().unwrap();
        assert_eq!(format!("{error:#}"), "record 12 cannot be read: torn");
    }
}
