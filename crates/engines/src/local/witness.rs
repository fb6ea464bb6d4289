//! The witness: a small file that says how far the journal must reach.
//!
//! A journal alone cannot tell a torn tail (never acknowledged, to be dropped) from damage to its
//! last acknowledged records. So after every sync, and before anyone is told, the end of the journal
//! is written here. That write is not synced itself: it survives the loss of the process, and after
//! a loss of power it may be some seconds old, which only makes the demand weaker.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use quartz_core::store::{Result, StoreError};
use xxhash_rust::xxh3::xxh3_64;

use super::{directory::io_error, record::u64_at};

const MAGIC: &[u8; 8] = b"QZWITN01";
const SLOT_BYTES: usize = 56;
/// Two slots in sectors of their own, written in turn: one is always whole.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];

/// What the witness says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Testimony {
    turn: u64,
    /// The first segment that is needed; all before are in the tree.
    pub(super) oldest: u64,
    /// The segment that was written when the testimony was given.
    pub(super) segment: u64,
    /// Everything in it below this offset was acknowledged.
    pub(super) end: u64,
}

pub(super) struct Witness {
    file: File,
    path: PathBuf,
    state: Mutex<Testimony>,
}

impl Witness {
    /// Creates the file, with the testimony that segment 1 is empty.
    pub(super) fn create(path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(SLOT_OFFSETS[1] + 4096)?;
        let first = Testimony {
            turn: 0,
            oldest: 1,
            segment: 1,
            end: 0,
        };
        write_slot(&file, first)?;
        write_slot(&file, Testimony { turn: 1, ..first })?;
        file.sync_all()
    }

    /// # Errors
    /// `Corrupt` when neither slot is whole.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| io_error(&path, &error))?;
        let state = SLOT_OFFSETS
            .iter()
            .filter_map(|offset| read_slot(&file, *offset))
            .max_by_key(|testimony| testimony.turn)
            .ok_or_else(|| StoreError::Corrupt {
                place: path.display().to_string(),
                detail: "both copies of the journal's witness fail their checksum".to_owned(),
            })?;
        Ok(Self {
            file,
            path,
            state: Mutex::new(state),
        })
    }

    pub(super) fn testimony(&self) -> Testimony {
        *self.state()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The journal is acknowledged up to `end` in `segment`. Costs one small unsynced write.
    pub(super) fn advance(&self, segment: u64, end: u64) -> io::Result<()> {
        self.change(|testimony| (testimony.segment, testimony.end) = (segment, end))
    }

    /// Segments before `oldest` may go. Durable when it returns.
    pub(super) fn retire(&self, oldest: u64) -> io::Result<()> {
        self.change(|testimony| testimony.oldest = oldest)?;
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn change(&self, change: impl FnOnce(&mut Testimony)) -> io::Result<()> {
        let mut state = self.state();
        let mut next = *state;
        change(&mut next);
        next.turn += 1;
        write_slot(&self.file, next)?;
        *state = next;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Testimony> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_slot(file: &File, testimony: Testimony) -> io::Result<()> {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    let fields = [
        testimony.turn,
        testimony.oldest,
        testimony.segment,
        testimony.end,
    ];
    for (index, field) in fields.into_iter().enumerate() {
        slot[8 + index * 8..16 + index * 8].copy_from_slice(&field.to_le_bytes());
    }
    let checksum = xxh3_64(&slot[..48]);
    slot[48..].copy_from_slice(&checksum.to_le_bytes());
    file.write_all_at(&slot, SLOT_OFFSETS[usize::from(testimony.turn % 2 == 1)])
}

fn read_slot(file: &File, offset: u64) -> Option<Testimony> {
    let mut slot = [0; SLOT_BYTES];
    file.read_exact_at(&mut slot, offset).ok()?;
    let intact = &slot[..8] == MAGIC && u64_at(&slot, 48)? == xxh3_64(&slot[..48]);
    intact.then_some(Testimony {
        turn: u64_at(&slot, 8)?,
        oldest: u64_at(&slot, 16)?,
        segment: u64_at(&slot, 24)?,
        end: u64_at(&slot, 32)?,
    })
}
