//! The journal's bytes. All numbers are little-endian.
//!
//! ```text
//! segment  = header record*                          (one file, zeros or older bytes behind the end)
//! header   = "QZJ1" version:u32 segment:u64 previous:u64 seqno:u64 checksum:u64
//! record   = "QZRC" length:u32 segment:u64 seqno:u64 durable:u64 previous:u64 checksum:u64 payload
//! payload  = (tag:u8 key_length:u32 value_length:u32 key value)*        tag 0 puts, 1 deletes
//! ```
//!
//! `previous` is the checksum of the record before, so records form a chain through all segments and
//! none can be missing in the middle. `durable` is the offset in this segment up to which everything
//! was synced when the record was written: a record proves that the bytes below it were acknowledged.
//! A checksum covers everything in its header before it, and the payload.

use bytes::Bytes;
use quartz_core::store::Operation;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

pub(super) const SEGMENT_HEADER_BYTES: usize = 40;
pub(super) const RECORD_HEADER_BYTES: usize = 48;
/// Tag and both lengths, in front of every operation.
pub(super) const OPERATION_BYTES: usize = 9;
pub(super) const SEGMENT_VERSION: u32 = 1;
const SEGMENT_MAGIC: &[u8; 4] = b"QZJ1";
const RECORD_MAGIC: &[u8; 4] = b"QZRC";

/// Starts a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) segment: u64,
    /// The checksum of the last record of the segment before.
    pub(super) previous: u64,
    /// Every sequence number given out before the segment began is below this.
    pub(super) seqno: u64,
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..4].copy_from_slice(SEGMENT_MAGIC);
        bytes[4..8].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seqno.to_le_bytes());
        let checksum = xxh3_64(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let intact = &bytes[..4] == SEGMENT_MAGIC
            && u32_at(bytes, 4)? == SEGMENT_VERSION
            && u64_at(bytes, 32)? == xxh3_64(&bytes[..32]);
        intact.then_some(Self {
            segment: u64_at(bytes, 8)?,
            previous: u64_at(bytes, 16)?,
            seqno: u64_at(bytes, 24)?,
        })
    }
}

/// What stands in front of a record's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) segment: u64,
    pub(super) seqno: u64,
    pub(super) durable: u64,
    pub(super) previous: u64,
    pub(super) checksum: u64,
    /// Offset behind the record.
    pub(super) end: usize,
}

impl Record {
    /// The intact record at `start`, if there is one.
    pub(super) fn decode(segment: &[u8], start: usize) -> Option<Self> {
        let bytes = segment.get(start..)?;
        let header = bytes.get(..RECORD_HEADER_BYTES)?;
        if &header[..4] != RECORD_MAGIC {
            return None;
        }
        let length = u32_at(header, 4)? as usize;
        let payload = bytes.get(RECORD_HEADER_BYTES..RECORD_HEADER_BYTES.checked_add(length)?)?;
        let record = Self {
            segment: u64_at(header, 8)?,
            seqno: u64_at(header, 16)?,
            durable: u64_at(header, 24)?,
            previous: u64_at(header, 32)?,
            checksum: u64_at(header, 40)?,
            end: start + RECORD_HEADER_BYTES + length,
        };
        (record.checksum == checksum(header, payload)).then_some(record)
    }

    /// The operations of the record that starts at `start`, sharing the segment's bytes. `None` when
    /// they do not add up, which the checksum rules out.
    pub(super) fn operations(self, segment: &Bytes, start: usize) -> Option<Vec<Operation>> {
        let mut operations = Vec::new();
        let mut at = start + RECORD_HEADER_BYTES;
        while at < self.end {
            let tag = *segment.get(at)?;
            let key_length = u32_at(segment, at + 1)? as usize;
            let value_length = u32_at(segment, at + 5)? as usize;
            let key_end = (at + OPERATION_BYTES).checked_add(key_length)?;
            let value_end = key_end.checked_add(value_length)?;
            if value_end > self.end {
                return None;
            }
            let key = segment.slice(at + OPERATION_BYTES..key_end);
            operations.push(match tag {
                0 => Operation::Put(key, segment.slice(key_end..value_end)),
                1 => Operation::Delete(key),
                _ => return None,
            });
            at = value_end;
        }
        Some(operations)
    }

    /// Whether an intact record of `segment` somewhere behind `from` says that bytes beyond `from`
    /// had been synced.
    pub(super) fn proves_damage(bytes: &[u8], segment: u64, from: usize) -> bool {
        let mut at = from;
        while let Some(found) = bytes.get(at..).and_then(find_magic) {
            let start = at + found;
            if let Some(record) = Self::decode(bytes, start)
                && record.segment == segment
                && record.durable > from as u64
            {
                return true;
            }
            at = start + 1;
        }
        false
    }
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == RECORD_MAGIC)
}

/// Encodes a record into `buffer`, replacing what is in it; gives the record's checksum.
pub(super) fn encode_record<'a>(
    buffer: &mut Vec<u8>,
    operations: impl Iterator<Item = &'a Operation>,
    (segment, seqno, durable, previous): (u64, u64, u64, u64),
) -> u64 {
    buffer.clear();
    buffer.resize(RECORD_HEADER_BYTES, 0);
    for operation in operations {
        let (tag, key, value): (u8, &[u8], &[u8]) = match operation {
            Operation::Put(key, value) => (0, key, value),
            Operation::Delete(key) => (1, key, &[]),
        };
        buffer.push(tag);
        buffer.extend_from_slice(&(key.len() as u32).to_le_bytes());
        buffer.extend_from_slice(&(value.len() as u32).to_le_bytes());
        buffer.extend_from_slice(key);
        buffer.extend_from_slice(value);
    }
    let (header, payload) = buffer.split_at_mut(RECORD_HEADER_BYTES);
    header[..4].copy_from_slice(RECORD_MAGIC);
    header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    for (at, field) in [(8, segment), (16, seqno), (24, durable), (32, previous)] {
        header[at..at + 8].copy_from_slice(&field.to_le_bytes());
    }
    let checksum = checksum(header, payload);
    header[40..].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

fn checksum(header: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&header[..40]);
    hasher.update(payload);
    hasher.digest()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_no_flipped_bit_passes() {
        let operations = [
            Operation::Put(Bytes::from("key"), Bytes::from("value")),
            Operation::Delete(Bytes::from("gone")),
        ];
        let mut buffer = Vec::new();
        let checksum = encode_record(&mut buffer, operations.iter(), (3, 7, 40, 99));
        let bytes = Bytes::from(buffer.clone());
        let record = Record::decode(&bytes, 0).unwrap();
        assert_eq!((record.segment, record.seqno, record.durable), (3, 7, 40));
        assert_eq!((record.previous, record.checksum), (99, checksum));
        assert_eq!(record.operations(&bytes, 0).unwrap(), operations);
        for bit in 0..buffer.len() * 8 {
            let mut damaged = buffer.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&damaged, 0), None, "bit {bit}");
        }
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_passes() {
        let header = SegmentHeader {
            segment: 4,
            previous: 5,
            seqno: 6,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), None, "bit {bit}");
        }
    }
}
