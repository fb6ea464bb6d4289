use std::io::{BufWriter, Write};

use bytes::Bytes;

/// Writes records as they come: a line each.
pub(super) struct Sink<W: Write> {
    writer: BufWriter<W>,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer: super::buffered(writer),
        }
    }

    pub(super) fn write(&mut self, line: &Bytes) -> anyhow::Result<()> {
        self.writer.write_all(line)?;
        Ok(self.writer.write_all(b"\n")?)
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.writer.flush()?)
    }
}
