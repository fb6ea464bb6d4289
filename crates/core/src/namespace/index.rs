//! From records to rows: what a group changes in records is turned, once, into every row that must
//! change with them. Nothing else writes index rows, so no path can forget one.

use std::sync::Arc;

use bytes::Bytes;
use roaring::RoaringBitmap;

use super::{
    State,
    group::{Draft, Group, Kept, Pending},
};
use crate::{
    cache::VectorCache,
    error::Result,
    filter::postings,
    index::{Edited, Editor, Index, Parts},
    keys::{
        self,
        chunk::{self, Chunk},
        expiry, idempotency,
        meta::{self, Meta},
        number::{self, BLOCK_MAX, LAST_FENCE, Pair},
        record::{self, Row, StoredValue},
        set::{self, Set},
        value::INLINE_MAX,
    },
    record::Metadata,
    store::{Batch, ScanLimit, Snapshot, StoreError, prefix_end},
    vector::BLOCK_ORDINALS,
};

/// A group, ready to be committed.
pub(super) struct Indexed {
    pub(super) batch: Batch,
    /// The state after the commit, but for the snapshot and, if `expiries_changed`, the next expiry.
    pub(super) state: State,
    pub(super) parts: Parts,
    pub(super) expiries_changed: bool,
}

/// Membership changes of chunked sets: key up to the chunk number, ordinal, member or not.
type Members = Vec<(Vec<u8>, u32, bool)>;
/// Changes of ordered postings: key up to the fence, pair, present or not.
type Numbers = Vec<(Vec<u8>, Pair, bool)>;

/// The rows of a group, or `None` if it changes nothing.
pub(super) async fn index(group: Group, cache: &VectorCache) -> Result<Option<Indexed>> {
    let Group {
        meta,
        records,
        answers,
        forgotten,
        swept,
        tended,
        now: _,
        base,
        ..
    } = group;
    let Some(meta) = meta else { return Ok(None) };
    let mut rows = Rows {
        batch: Batch::default(),
        members: Vec::new(),
        numbers: Vec::new(),
        expiries_changed: swept || !answers.is_empty() || !forgotten.is_empty(),
        vector_changes: Vec::new(),
        renamed: Vec::new(),
        records: Arc::clone(&base.records),
        vectors: Arc::clone(&base.vectors),
        meta,
    };
    let mut ordinals = FreeOrdinals::new(&base.records);
    let mut changed: Vec<_> = records
        .into_iter()
        .filter(|(_, pending)| pending.changed)
        .collect();
    // A fixed order makes ordinals, and with them the stored bytes, a function of the writes.
    changed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (id, pending) in changed {
        rows.record(&id, pending, &mut ordinals);
    }
    for (client_key, entry) in answers {
        rows.batch.put(
            idempotency::expiry_key(entry.expires_at, &client_key),
            Bytes::new(),
        );
        rows.batch
            .put(idempotency::key(&client_key), entry.encode());
    }
    for (at, client_key, is_current) in forgotten {
        rows.batch.delete(idempotency::expiry_key(at, &client_key));
        if is_current {
            rows.batch.delete(idempotency::key(&client_key));
        }
    }
    let Rows {
        mut batch,
        members,
        numbers,
        expiries_changed,
        vector_changes,
        renamed,
        ..
    } = rows;
    let postings = if members.is_empty() && numbers.is_empty() {
        base.postings.clone()
    } else {
        let members = members.iter().map(|(prefix, ..)| &prefix[..]);
        let numbers = numbers.iter().map(|(prefix, ..)| &prefix[..]);
        base.postings.without(members.chain(numbers))
    };
    write_members(&*base.snapshot, members, &mut batch).await?;
    write_numbers(&*base.snapshot, numbers, &mut batch).await?;
    let block = |ordinal: &u32| ordinal / BLOCK_ORDINALS;
    let mut vector_blocks = base.vector_blocks.clone();
    let mut id_blocks = base.id_blocks.clone();
    let touched = vector_changes.iter().map(|(ordinal, ..)| ordinal);
    vector_blocks.renew(touched.map(block));
    id_blocks.renew(renamed.iter().map(block));
    let vectors = Vectors {
        changes: vector_changes,
        tended,
        cache,
    };
    let Edited { index, parts } = write_vectors(&base, &rows.meta, vectors, &mut batch).await?;
    if batch.is_empty() && !swept && base.meta.as_ref() == Some(&rows.meta) {
        return Ok(None);
    }
    batch.put(meta::key(), rows.meta.encode());
    let state = State {
        meta: Some(rows.meta),
        snapshot: Arc::clone(&base.snapshot),
        records: rows.records,
        vectors: rows.vectors,
        next_expiry: base.next_expiry,
        vector_blocks,
        id_blocks,
        postings,
        index,
    };
    Ok(Some(Indexed {
        batch,
        state,
        parts,
        expiries_changed,
    }))
}

struct Rows {
    batch: Batch,
    members: Members,
    numbers: Numbers,
    expiries_changed: bool,
    /// Ordinal, whether there was a vector, and the new one.
    vector_changes: Vec<(u32, bool, Option<Vec<f32>>)>,
    /// Ordinals that a record has got or lost.
    renamed: Vec<u32>,
    records: Arc<RoaringBitmap>,
    vectors: Arc<RoaringBitmap>,
    meta: Meta,
}

impl Rows {
    fn record(&mut self, id: &str, pending: Pending, ordinals: &mut FreeOrdinals) {
        let Pending { before, after, .. } = pending;
        let ordinal = match (&before, &after) {
            (None, None) => return,
            (Some(row), _) => row.ordinal,
            (None, Some(_)) => ordinals.take(),
        };
        let vector_bytes = self.meta.config.vector_bytes();
        match (before.is_some(), after.is_some()) {
            (false, true) => {
                self.batch
                    .put(keys::ordinal::key(ordinal), id.as_bytes().to_vec());
                self.renamed.push(ordinal);
                Arc::make_mut(&mut self.records).insert(ordinal);
                self.members
                    .push((set::prefix(Set::Records), ordinal, true));
            }
            (true, false) => {
                self.batch.delete(record::key(id));
                self.batch.delete(keys::ordinal::key(ordinal));
                self.renamed.push(ordinal);
                Arc::make_mut(&mut self.records).remove(ordinal);
                self.members
                    .push((set::prefix(Set::Records), ordinal, false));
            }
            _ => {}
        }
        if let Some(row) = &before {
            self.meta.counts.subtract(row.counts(id, vector_bytes));
        }
        let none = Metadata::new();
        let metadata_before = before.as_ref().map_or(&none, |row| &row.metadata);
        let metadata_after = after.as_ref().map_or(&none, |draft| &draft.metadata);
        self.metadata(ordinal, metadata_before, metadata_after);
        self.expiry(
            ordinal,
            before.as_ref().and_then(|row| row.expires_at),
            after.as_ref().and_then(|draft| draft.expires_at),
        );
        self.vector(
            ordinal,
            before.as_ref().is_some_and(|row| row.has_vector),
            after.as_deref(),
        );
        let value = self.value(ordinal, before.as_ref(), after.as_deref());
        if let Some(draft) = after {
            let draft = Arc::unwrap_or_clone(draft);
            let row = Row {
                version: draft.version,
                ordinal,
                expires_at: draft.expires_at,
                value,
                text: draft.text,
                metadata: draft.metadata,
                has_vector: draft.vector.is_some(),
            };
            self.meta.counts.add(row.counts(id, vector_bytes));
            self.batch.put(record::key(id), row.encode());
        }
    }

    fn metadata(&mut self, ordinal: u32, before: &Metadata, after: &Metadata) {
        if before == after {
            return;
        }
        let indexed = &self.meta.config.indexed_fields;
        let (terms_before, numbers_before) = postings(before, indexed);
        let (terms_after, numbers_after) = postings(after, indexed);
        let removed = terms_before
            .difference(&terms_after)
            .map(|term| (term, false));
        let added = terms_after
            .difference(&terms_before)
            .map(|term| (term, true));
        for (term, member) in removed.chain(added) {
            self.members.push((term.clone(), ordinal, member));
        }
        let removed = numbers_before
            .iter()
            .filter(|number| !numbers_after.contains(number));
        let added = numbers_after
            .iter()
            .filter(|number| !numbers_before.contains(number));
        let removed = removed.map(|number| (number, false));
        for (&(field, number), member) in removed.chain(added.map(|number| (number, true))) {
            self.numbers
                .push((number::prefix(field), Pair { number, ordinal }, member));
        }
    }

    fn expiry(&mut self, ordinal: u32, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        self.expiries_changed = true;
        if let Some(at) = before {
            self.batch.delete(expiry::key(at, ordinal));
        }
        if let Some(at) = after {
            self.batch.put(expiry::key(at, ordinal), Bytes::new());
        }
    }

    fn vector(&mut self, ordinal: u32, before: bool, after: Option<&Draft>) {
        let after = after.and_then(|draft| draft.vector.as_ref());
        if before != after.is_some() {
            let vectors = Arc::make_mut(&mut self.vectors);
            if after.is_some() {
                vectors.insert(ordinal);
            } else {
                vectors.remove(ordinal);
                self.batch.delete(keys::vector::key(ordinal));
                self.vector_changes.push((ordinal, true, None));
            }
            self.members
                .push((set::prefix(Set::Vectors), ordinal, after.is_some()));
        }
        if let Some(Kept::New(vector)) = after {
            let precision = self.meta.config.precision;
            self.batch.put(
                keys::vector::key(ordinal),
                keys::vector::encode(precision, vector),
            );
            let vector = keys::vector::rounded(precision, vector);
            self.vector_changes.push((ordinal, before, Some(vector)));
        }
    }

    fn value(
        &mut self,
        ordinal: u32,
        before: Option<&Row>,
        after: Option<&Draft>,
    ) -> Option<StoredValue> {
        let separate_before = before
            .and_then(|row| row.value.as_ref())
            .is_some_and(|value| value.inline.is_none());
        let value = after
            .and_then(|draft| draft.value.clone())
            .map(|value| match value {
                Kept::Old(stored) => stored,
                Kept::New(new) => {
                    let size = new.bytes.len();
                    let inline = if size <= INLINE_MAX {
                        Some(new.bytes)
                    } else {
                        self.batch.put(keys::value::key(ordinal), new.bytes);
                        None
                    };
                    StoredValue {
                        content_type: new.content_type,
                        size: size as u32,
                        inline,
                    }
                }
            });
        let separate_after = value.as_ref().is_some_and(|value| value.inline.is_none());
        if separate_before && !separate_after {
            self.batch.delete(keys::value::key(ordinal));
        }
        value
    }
}

/// What changes in the vector index.
struct Vectors<'a> {
    /// Ordinal, whether there was a vector, and the new one.
    changes: Vec<(u32, bool, Option<Vec<f32>>)>,
    tended: usize,
    cache: &'a VectorCache,
}

/// Changes the vector index and writes its rows.
async fn write_vectors(
    base: &State,
    meta: &Meta,
    vectors: Vectors<'_>,
    batch: &mut Batch,
) -> Result<Edited> {
    let Vectors {
        changes,
        tended,
        cache,
    } = vectors;
    let unchanged = Edited {
        index: base.index.clone(),
        parts: Parts::default(),
    };
    if changes.is_empty() && tended == 0 {
        return Ok(unchanged);
    }
    let index = match (&base.index, meta.config.dimension) {
        (Some(index), _) => Arc::clone(index),
        (None, Some(dimension)) => {
            let dimension = dimension as usize;
            Arc::new(Index::new(meta.config.metric, dimension, 0))
        }
        (None, None) => return Ok(unchanged),
    };
    let mut editor = Editor::new(&*base.snapshot, cache, &index);
    for (ordinal, was_there, _) in &changes {
        if *was_there {
            editor.remove(*ordinal).await?;
        }
    }
    for (ordinal, _, vector) in changes {
        if let Some(vector) = vector {
            editor.insert(ordinal, &vector).await?;
        }
    }
    let idle = tended > 0 && !editor.tend(tended).await?;
    if idle {
        editor.calibrate(&base.vectors).await?;
    }
    Ok(editor.finish(batch))
}

/// Hands out the lowest ordinals that no record has. Those freed by the same group stay unused until
/// the next one.
struct FreeOrdinals {
    gaps: roaring::bitmap::IntoIter,
    next: u32,
}

impl FreeOrdinals {
    fn new(used: &RoaringBitmap) -> Self {
        let next = used.max().map_or(0, |max| max + 1);
        let mut gaps = RoaringBitmap::new();
        if used.len() < u64::from(next) {
            gaps.insert_range(..next);
            gaps -= used;
        }
        Self {
            gaps: gaps.into_iter(),
            next,
        }
    }

    fn take(&mut self) -> u32 {
        self.gaps.next().unwrap_or_else(|| {
            let ordinal = self.next;
            self.next += 1;
            ordinal
        })
    }
}

/// Reads, changes and writes each chunk once.
async fn write_members(
    snapshot: &dyn Snapshot,
    mut members: Members,
    batch: &mut Batch,
) -> Result<()> {
    members.sort_unstable();
    for run in members
        .chunk_by(|a, b| a.1 / chunk::CHUNK_ORDINALS == b.1 / chunk::CHUNK_ORDINALS && a.0 == b.0)
    {
        let (prefix, ordinal, _) = &run[0];
        let (number, _) = chunk::locate(*ordinal);
        let key = [&prefix[..], &number.to_be_bytes()].concat();
        let mut chunk = match snapshot.get(&key).await? {
            Some(value) => {
                Chunk::decode(&value).map_err(|why| StoreError::corrupt_row(&key, why))?
            }
            None => Chunk::default(),
        };
        for (_, ordinal, member) in run {
            chunk.set(chunk::locate(*ordinal).1, *member);
        }
        if chunk.is_empty() {
            batch.delete(key);
        } else {
            batch.put(key, chunk.encode());
        }
    }
    Ok(())
}

/// Reads, changes and writes each block once, splitting those that overflow.
async fn write_numbers(
    snapshot: &dyn Snapshot,
    mut numbers: Numbers,
    batch: &mut Batch,
) -> Result<()> {
    numbers.sort_unstable();
    let mut rest = &numbers[..];
    while let Some((prefix, first, _)) = rest.first() {
        let start = number::key(prefix, *first);
        let page = snapshot
            .scan(&start, &prefix_end(prefix), ScanLimit::rows(1))
            .await?;
        let (key, fence, mut pairs) = match page.rows.into_iter().next() {
            Some((key, value)) => {
                let corrupt = |why| StoreError::corrupt_row(&key, why);
                let fence = number::fence(&key).map_err(corrupt)?;
                let pairs = number::decode(&value).map_err(corrupt)?;
                (key, fence, pairs)
            }
            None => (
                number::key(prefix, LAST_FENCE).into(),
                LAST_FENCE,
                Vec::new(),
            ),
        };
        let end = rest.partition_point(|(other, pair, _)| other == prefix && *pair <= fence);
        let (here, later) = rest.split_at(end);
        rest = later;
        merge(&mut pairs, here);
        if pairs.is_empty() {
            batch.delete(key);
            continue;
        }
        // Parts of equal size, the last one under the old fence.
        let parts = pairs.len().div_ceil(BLOCK_MAX);
        let part_len = pairs.len().div_ceil(parts);
        let mut chunks = pairs.chunks(part_len).peekable();
        while let Some(part) = chunks.next() {
            let fence = if chunks.peek().is_some() {
                part[part.len() - 1]
            } else {
                fence
            };
            batch.put(number::key(prefix, fence), number::encode(part));
        }
    }
    Ok(())
}

/// Applies sorted changes to sorted pairs.
fn merge(pairs: &mut Vec<Pair>, changes: &[(Vec<u8>, Pair, bool)]) {
    let mut merged = Vec::with_capacity(pairs.len() + changes.len());
    let mut old = pairs.iter().copied().peekable();
    for &(_, pair, member) in changes {
        while let Some(kept) = old.next_if(|kept| *kept < pair) {
            merged.push(kept);
        }
        old.next_if_eq(&pair);
        if member {
            merged.push(pair);
        }
    }
    merged.extend(old);
    *pairs = merged;
}
