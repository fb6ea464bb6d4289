//! The journal being written: append, sync, and one new segment per memtable.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use quartz_core::store::Operation;

use super::{
    directory::sync_directory,
    record::{SEGMENT_HEADER_BYTES, SegmentHeader, encode_record},
    witness::Witness,
};

/// A retired segment, kept to be written over: a sync is a third cheaper where blocks exist already.
const SPARE: &str = "spare";
/// A buffer that one large commit has grown beyond this is given back.
const BUFFER_BYTES: usize = 4 << 20;

pub(super) struct Journal {
    folder: PathBuf,
    witness: Arc<Witness>,
    file: File,
    segment: u64,
    /// Offset behind the last record, and its checksum.
    end: u64,
    chain: u64,
    /// The same for the last synced record.
    durable_end: u64,
    durable_chain: u64,
    capacity: u64,
    buffer: Vec<u8>,
    #[cfg(test)]
    faults: Arc<super::tests::Faults>,
}

/// Where replay found the end of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) segment: u64,
    pub(super) end: u64,
    pub(super) chain: u64,
}

impl Journal {
    /// Goes on behind `tail`. Segments are made ready for `capacity` bytes.
    pub(super) fn resume(
        folder: PathBuf,
        witness: Arc<Witness>,
        tail: Tail,
        capacity: u64,
    ) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .open(segment_path(&folder, tail.segment))?;
        file.sync_data()?;
        witness.advance(tail.segment, tail.end)?;
        Ok(Self {
            folder,
            witness,
            file,
            segment: tail.segment,
            end: tail.end,
            chain: tail.chain,
            durable_end: tail.end,
            durable_chain: tail.chain,
            capacity,
            buffer: Vec::new(),
            #[cfg(test)]
            faults: super::tests::Faults::of_this_thread(),
        })
    }

    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    pub(super) fn path(&self) -> PathBuf {
        segment_path(&self.folder, self.segment)
    }

    /// Bytes in the current segment.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    pub(super) fn is_synced(&self) -> bool {
        self.durable_end == self.end
    }

    /// Writes one record, unsynced.
    pub(super) fn append<'a>(
        &mut self,
        seqno: u64,
        operations: impl Iterator<Item = &'a Operation>,
    ) -> io::Result<()> {
        let link = (self.segment, seqno, self.durable_end, self.chain);
        let chain = encode_record(&mut self.buffer, operations, link);
        #[cfg(test)]
        self.faults
            .strike_write(&self.file, &self.buffer, self.end)?;
        self.file.write_all_at(&self.buffer, self.end)?;
        self.end += self.buffer.len() as u64;
        self.chain = chain;
        if self.buffer.capacity() > BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Makes everything appended durable, and has the witness say so.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced() {
            #[cfg(test)]
            self.faults.strike_sync()?;
            self.file.sync_data()?;
            (self.durable_end, self.durable_chain) = (self.end, self.chain);
            self.witness.advance(self.segment, self.end)?;
        }
        Ok(())
    }

    /// Syncs, and goes on in a new segment. `seqno` is above every number given out so far.
    pub(super) fn rotate(&mut self, seqno: u64) -> io::Result<()> {
        self.sync()?;
        let header = SegmentHeader {
            segment: self.segment + 1,
            previous: self.chain,
            seqno,
        };
        self.file = self.make_segment(header)?;
        self.segment = header.segment;
        self.end = SEGMENT_HEADER_BYTES as u64;
        self.durable_end = self.end;
        self.durable_chain = self.chain;
        self.witness.advance(self.segment, self.end)
    }

    /// Cuts off what was written since the last sync that succeeded.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.durable_end)?;
        self.file.sync_all()?;
        (self.end, self.chain) = (self.durable_end, self.durable_chain);
        Ok(())
    }

    fn make_segment(&self, header: SegmentHeader) -> io::Result<File> {
        let path = segment_path(&self.folder, header.segment);
        let spare = self.folder.join(SPARE);
        if fs::rename(&spare, &path).is_err() {
            let file = File::create(&path)?;
            let zeros = [0; 64 << 10];
            let mut at = 0;
            while at < self.capacity {
                file.write_all_at(&zeros, at)?;
                at += zeros.len() as u64;
            }
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        sync_directory(&self.folder)?;
        Ok(file)
    }
}

/// Segment 1 of a new store.
pub(super) fn create_first(folder: &Path) -> io::Result<()> {
    let header = SegmentHeader {
        segment: 1,
        previous: 0,
        seqno: 0,
    };
    let file = File::create(segment_path(folder, 1))?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_all()?;
    sync_directory(folder)
}

/// Removes the segments before `oldest`, keeping one as a spare.
pub(super) fn remove_before(folder: &Path, oldest: u64) -> io::Result<()> {
    for segment in segments(folder)? {
        if segment < oldest {
            let path = segment_path(folder, segment);
            let spare = folder.join(SPARE);
            if spare.exists() {
                fs::remove_file(path)?;
            } else {
                fs::rename(path, spare)?;
            }
        }
    }
    Ok(())
}

/// The numbers of all segments, ascending.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(number) = name
            .to_str()
            .and_then(|name| name.strip_suffix(".journal"))
            .and_then(|number| number.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:016}.journal"))
}
