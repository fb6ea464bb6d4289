//! Reading the journal back: what is whole is applied, a torn tail is dropped, damage is reported.

use std::{fs, path::Path};

use bytes::Bytes;
use quartz_core::store::{Operation, Result, StoreError};

use super::{
    directory::io_error,
    journal::{Tail, remove_before, segment_path, segments},
    record::{Record, SEGMENT_HEADER_BYTES, SegmentHeader},
    witness::Witness,
};

/// What a replay found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replayed {
    pub(super) tail: Tail,
    /// Above every sequence number in the journal.
    pub(super) next_seqno: u64,
}

/// Hands every operation of the journal to `apply` with its sequence number, oldest first.
///
/// # Errors
/// `Corrupt` when a segment is missing, a record in front of another is damaged, or the journal ends
/// before the place the witness has seen.
pub(super) fn replay(
    folder: &Path,
    witness: &Witness,
    mut apply: impl FnMut(u64, Operation),
) -> Result<Replayed> {
    let testimony = witness.testimony();
    remove_before(folder, testimony.oldest).map_err(|error| io_error(folder, &error))?;
    let found = segments(folder).map_err(|error| io_error(folder, &error))?;
    let mut chain = None;
    let mut next_seqno = 0;
    let mut tail = None;
    for (expected, &segment) in (testimony.oldest..).zip(&found) {
        let path = segment_path(folder, segment);
        if segment != expected {
            return Err(corrupt(
                &segment_path(folder, expected),
                "the file is missing",
            ));
        }
        let bytes = Bytes::from(fs::read(&path).map_err(|error| io_error(&path, &error))?);
        let last = found.last() == Some(&segment);
        let Some(header) = SegmentHeader::decode(&bytes).filter(|header| header.segment == segment)
        else {
            let begun = testimony.segment >= segment || Record::proves_damage(&bytes, segment, 0);
            if !last || begun || tail.is_none() {
                return Err(corrupt(&path, "the header is damaged"));
            }
            fs::remove_file(&path).map_err(|error| io_error(&path, &error))?;
            break;
        };
        if chain.is_some_and(|chain| chain != header.previous) {
            let before = segment_path(folder, segment - 1);
            return Err(corrupt(
                &before,
                "records at its end are missing or damaged",
            ));
        }
        next_seqno = next_seqno.max(header.seqno);
        let (end, checksum) = read_records(&path, &bytes, header, |record, operations| {
            next_seqno = next_seqno.max(record.seqno + 1);
            for operation in operations {
                apply(record.seqno, operation);
            }
        })?;
        if last {
            let acknowledged = testimony.segment == segment && (end as u64) < testimony.end;
            if acknowledged || Record::proves_damage(&bytes, segment, end) {
                let detail = format!("the record at byte {end} is damaged");
                return Err(corrupt(&path, &detail));
            }
        }
        chain = Some(checksum);
        tail = Some(Tail {
            segment,
            end: end as u64,
            chain: checksum,
        });
    }
    let tail = tail.ok_or_else(|| corrupt(folder, "no segment is there"))?;
    if testimony.segment > tail.segment {
        let path = segment_path(folder, testimony.segment);
        return Err(corrupt(&path, "the file is missing"));
    }
    Ok(Replayed { tail, next_seqno })
}

/// Walks the chain of records; gives the offset behind the last and its checksum.
fn read_records(
    path: &Path,
    bytes: &Bytes,
    header: SegmentHeader,
    mut each: impl FnMut(Record, Vec<Operation>),
) -> Result<(usize, u64)> {
    let (mut end, mut chain) = (SEGMENT_HEADER_BYTES, header.previous);
    while let Some(record) = Record::decode(bytes, end)
        && record.segment == header.segment
        && record.previous == chain
    {
        let operations = record
            .operations(bytes, end)
            .ok_or_else(|| corrupt(path, "a record's operations do not add up"))?;
        each(record, operations);
        (end, chain) = (record.end, record.checksum);
    }
    Ok((end, chain))
}

fn corrupt(path: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt {
        place: path.display().to_string(),
        detail: detail.to_owned(),
    }
}
