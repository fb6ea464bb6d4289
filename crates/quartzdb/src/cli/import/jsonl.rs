use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, bail};
use quartz_client::{MAX, Record};

use super::{
    line::Line,
    source::{Extent, Source},
};
use crate::cli::format;

const BUFFER_BYTES: usize = 256 << 10;

/// Reads a JSON Lines file, beginning after `skip` records.
pub(super) fn open(path: &Path, skip: u64) -> anyhow::Result<Source> {
    let mut lines = Lines::open(path)?;
    lines.skip(skip)?;
    let extent = Extent::Bytes {
        total: lines.total,
        read: lines.read.clone(),
    };
    Ok(source(lines, extent))
}

/// Reads JSON Lines from standard input.
pub(super) fn stdin() -> anyhow::Result<Source> {
    let lines = Lines::new("standard input".into(), Box::new(io::stdin()), 0);
    Ok(source(lines, Extent::Unknown))
}

fn source(lines: Lines, extent: Extent) -> Source {
    Source {
        records: Box::new(Records { lines }),
        extent,
        notes: Vec::new(),
    }
}

struct Records {
    lines: Lines,
}

impl Iterator for Records {
    type Item = anyhow::Result<Option<Record>>;

    fn next(&mut self) -> Option<Self::Item> {
        let now = format::now();
        let line = self.lines.next_as::<Line>().transpose()?;
        Some(line.map(|line| line.into_record(now)))
    }
}

/// The lines of a file that are not blank, with their numbers, through one buffer.
pub(super) struct Lines {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    buffer: Vec<u8>,
    /// Number of the line in the buffer, from 1.
    number: u64,
    total: u64,
    read: Arc<AtomicU64>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let total = file.metadata()?.len();
        Ok(Self::new(name, Box::new(file), total))
    }

    pub(super) fn new(name: String, reader: Box<dyn Read + Send>, total: u64) -> Self {
        Self {
            name,
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            buffer: Vec::new(),
            number: 0,
            total,
            read: Arc::default(),
        }
    }

    /// Passes over records without looking into them.
    pub(super) fn skip(&mut self, records: u64) -> anyhow::Result<()> {
        for skipped in 0..records {
            if !self.advance()? {
                bail!(
                    "{} has {skipped} records, but {records} were imported from it before",
                    self.name
                );
            }
        }
        Ok(())
    }

    /// The next line as a value, or `None` at the end.
    pub(super) fn next_as<T: serde::de::DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        if !self.advance()? {
            return Ok(None);
        }
        let value = serde_json::from_slice(self.buffer.trim_ascii_end());
        value.map(Some).map_err(|error| {
            // The message ends in "at line 1 column n": of the file, the line is ours to say.
            let column = error.column();
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            anyhow::anyhow!(
                "{} line {}, column {column}: {reason}",
                self.name,
                self.number
            )
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads up to the next line that is not blank.
    fn advance(&mut self) -> anyhow::Result<bool> {
        loop {
            self.buffer.clear();
            self.number += 1;
            let limit = MAX.import_line_bytes as u64;
            let read = (&mut self.reader)
                .take(limit + 1)
                .read_until(b'\n', &mut self.buffer)
                .with_context(|| format!("cannot read {} line {}", self.name, self.number))?;
            if read == 0 {
                return Ok(false);
            }
            self.read.fetch_add(read as u64, Ordering::Relaxed);
            if read as u64 > limit {
                bail!(
                    "{} line {} is longer than {limit} bytes: is it JSON Lines?",
                    self.name,
                    self.number
                );
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<anyhow::Result<Option<Record>>> {
        let reader = Box::new(io::Cursor::new(text.to_owned()));
        let lines = Lines::new("data.jsonl".into(), reader, 0);
        source(lines, Extent::Unknown).records.collect()
    }

    #[test]
    fn blank_lines_and_a_missing_last_line_feed_are_fine() {
        let records = read("{\"id\":\"a\"}\r\n\n  \n{\"id\":2,\"vector\":[1,2]}");
        let ids: Vec<_> = records
            .into_iter()
            .map(|r| r.unwrap().unwrap().id)
            .collect();
        assert_eq!(ids, ["a", "2"]);
    }

    #[test]
    fn faults_name_line_and_column() {
        for (line, fault) in [
            (
                "{\"id\":\"a\"",
                "line 3, column 9: EOF while parsing an object",
            ),
            (
                "{\"id\":\"a\",\"x\":1}",
                "line 3, column 13: unknown field `x`",
            ),
            ("{\"vector\":[1]}", "line 3, column 14: missing field `id`"),
            (
                "{\"id\":1.5}",
                "line 3, column 9: invalid type: floating point",
            ),
            ("\u{1}", "line 3, column 1: expected value"),
        ] {
            let text = format!("{{\"id\":\"ok\"}}\n\n{line}\n");
            let error = read(&text).pop().unwrap().unwrap_err().to_string();
            assert!(error.starts_with(&format!("data.jsonl {fault}")), "{error}");
        }
        let endless = "x".repeat(MAX.import_line_bytes + 2);
        let error = read(&endless).remove(0).unwrap_err().to_string();
        assert!(error.contains("line 1 is longer than"), "{error}");
    }

    #[test]
    fn skipping_passes_over_records_not_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n",
        )
        .unwrap();
        let rest = open(file.path(), 2).unwrap().records;
        let ids: Vec<_> = rest.map(|r| r.unwrap().unwrap().id).collect();
        assert_eq!(ids, ["c"]);
        assert!(open(file.path(), 4).is_err());
    }
}
