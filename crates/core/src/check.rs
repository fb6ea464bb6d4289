//! Proves that what a namespace keeps beside its records agrees with them: every index row and every
//! counter is computed anew from the records and compared with what is stored.
//!
//! Memory: the postings as compressed bitmaps and 12 bytes a number; time: one pass over all rows.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use crate::{
    filter::postings,
    index,
    keys::{
        self, Kind,
        catalog::{self, NAMES, TOMBSTONES},
        chunk::Chunk,
        codec::Malformed,
        expiry, idempotency,
        meta::{self, Counts, Meta},
        number::{self, Pair},
        record::{self, Row},
        set::{self, Set},
        trailing_ordinal,
    },
    store::{Result, RowCursor, ScanLimit, ScopedStore, Snapshot, Store, prefix_end},
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of the last write.
    pub version: u64,
    /// Records, expired ones that are not yet swept included.
    pub records: u64,
    /// Records with a vector.
    pub vectors: u64,
    /// Rows of every kind.
    pub rows: u64,
    /// What does not agree; empty if all is well. At most [`FAULTS_MAX`] are listed.
    pub faults: Vec<String>,
}

/// Most faults a report lists.
pub const FAULTS_MAX: usize = 100;

impl Report {
    fn fault(&mut self, fault: impl FnOnce() -> String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault());
        }
    }
}

/// Checks every namespace of a directory's store: reports by name, and one under the empty name for
/// rows that belong to none.
///
/// # Errors
/// When the store fails or an engine finds damage.
pub async fn directory(store: std::sync::Arc<dyn Store>) -> Result<Vec<(String, Report)>> {
    let snapshot = store.snapshot().await?;
    let mut reports = Vec::new();
    let mut strays = Report::default();
    let mut numbers = BTreeSet::new();
    let mut cursor = walk(&*snapshot, NAMES);
    while let Some(rows) = cursor.next_page().await? {
        for (key, value) in rows {
            let name = String::from_utf8_lossy(&key[NAMES.len()..]).into_owned();
            match catalog::number(&value) {
                Ok(number) => {
                    numbers.insert(number);
                    let scoped = ScopedStore::new(store.clone(), catalog::namespace_prefix(number));
                    reports.push((name, namespace(&scoped).await?));
                }
                Err(why) => strays.fault(|| format!("catalog row of {name:?}: {why}")),
            }
        }
    }
    let mut cursor = walk(&*snapshot, TOMBSTONES);
    while let Some(rows) = cursor.next_page().await? {
        for (key, _) in rows {
            match catalog::number(&key[TOMBSTONES.len()..]) {
                Ok(number) => drop(numbers.insert(number)),
                Err(why) => strays.fault(|| format!("tombstone {}: {why}", key.escape_ascii())),
            }
        }
    }
    // From each known namespace to the next nothing may lie between.
    let mut start = vec![1];
    for end in numbers
        .iter()
        .map(|&number| catalog::namespace_prefix(number))
        .chain([vec![2]])
    {
        for (key, _) in snapshot.scan(&start, &end, ScanLimit::rows(10)).await?.rows {
            strays.fault(|| format!("row {} is in no namespace", key.escape_ascii()));
        }
        start = prefix_end(&end);
    }
    if !strays.faults.is_empty() {
        reports.push((String::new(), strays));
    }
    Ok(reports)
}

/// Checks the namespace that `store` holds.
///
/// # Errors
/// When the store fails or an engine finds damage.
pub async fn namespace(store: &dyn Store) -> Result<Report> {
    let snapshot = store.snapshot().await?;
    let snapshot = &*snapshot;
    let mut report = Report::default();
    let Some(stored) = snapshot.get(&meta::key()).await? else {
        report.fault(|| "there is no namespace row".to_owned());
        return Ok(report);
    };
    let meta = match Meta::decode(stored) {
        Ok(meta) => meta,
        Err(why) => {
            report.fault(|| format!("the namespace row: {why}"));
            return Ok(report);
        }
    };
    report.version = meta.version;
    let expected = Expected::from_records(snapshot, &meta, &mut report).await?;
    report.records = expected.counts.records;
    report.vectors = expected.counts.vectors;
    report.rows += 1 + expected.counts.records;
    if expected.counts != meta.counts {
        report.fault(|| format!("counted {:?}, stored {:?}", expected.counts, meta.counts));
    }
    expected.check_ordinals(snapshot, &mut report).await?;
    expected.check_vectors(snapshot, &meta, &mut report).await?;
    expected.check_values(snapshot, &mut report).await?;
    expected.check_members(snapshot, &mut report).await?;
    expected.check_numbers(snapshot, &mut report).await?;
    expected.check_expiries(snapshot, &mut report).await?;
    if let Some(dimension) = meta.config.dimension {
        let mut faults = Vec::new();
        report.rows += index::check(
            snapshot,
            meta.config.metric,
            dimension as usize,
            &expected.vectors,
            &mut |fault| faults.push(fault),
        )
        .await?;
        for fault in faults {
            report.fault(|| fault);
        }
    }
    check_idempotency(snapshot, &mut report).await?;
    Ok(report)
}

/// What the index rows must say, by the records.
#[derive(Default)]
struct Expected {
    counts: Counts,
    ids: BTreeMap<u32, String>,
    vectors: RoaringBitmap,
    /// Size by ordinal of the values with a row of their own.
    values: BTreeMap<u32, u32>,
    members: BTreeMap<Vec<u8>, RoaringBitmap>,
    numbers: BTreeMap<Vec<u8>, Vec<Pair>>,
    expiries: BTreeSet<(u64, u32)>,
}

impl Expected {
    async fn from_records(
        snapshot: &dyn Snapshot,
        meta: &Meta,
        report: &mut Report,
    ) -> Result<Self> {
        let mut expected = Self::default();
        let mut cursor = walk(snapshot, &Kind::Record.key(&[]));
        while let Some(rows) = cursor.next_page().await? {
            for (key, stored) in rows {
                let decoded = record::id(&key).and_then(|id| Ok((id, Row::decode(stored)?)));
                match decoded {
                    Ok((id, row)) => expected.add(id, &row, meta, report),
                    Err(why) => report.fault(|| format!("record {}: {why}", key.escape_ascii())),
                }
            }
        }
        for pairs in expected.numbers.values_mut() {
            pairs.sort_unstable();
        }
        Ok(expected)
    }

    fn add(&mut self, id: String, row: &Row, meta: &Meta, report: &mut Report) {
        let ordinal = row.ordinal;
        if row.version > meta.version {
            report.fault(|| {
                format!(
                    "record {id:?} has version {}, the namespace {}",
                    row.version, meta.version
                )
            });
        }
        self.counts.add(row.counts(&id, meta.config.vector_bytes()));
        let mut member = |prefix: Vec<u8>| self.members.entry(prefix).or_default().insert(ordinal);
        member(set::prefix(Set::Records));
        if row.has_vector {
            member(set::prefix(Set::Vectors));
            self.vectors.insert(ordinal);
        }
        let (terms, numbers) = postings(&row.metadata, &meta.config.indexed_fields);
        for term in terms {
            member(term);
        }
        for (field, number) in numbers {
            let pairs = self.numbers.entry(number::prefix(field)).or_default();
            pairs.push(Pair { number, ordinal });
        }
        if let Some(value) = row.value.as_ref().filter(|value| value.inline.is_none()) {
            self.values.insert(ordinal, value.size);
        }
        if let Some(at) = row.expires_at {
            self.expiries.insert((at, ordinal));
        }
        if let Some(other) = self.ids.insert(ordinal, id) {
            report.fault(|| {
                format!(
                    "{other:?} shares ordinal {ordinal} with {:?}",
                    self.ids[&ordinal]
                )
            });
        }
    }

    async fn check_ordinals(&self, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
        let mut seen = 0;
        let mut cursor = walk(snapshot, &Kind::Ordinal.key(&[]));
        while let Some(rows) = cursor.next_page().await? {
            for (key, id) in rows {
                seen += 1;
                let ordinal = trailing_ordinal(&key)?;
                if self.ids.get(&ordinal).map(String::as_bytes) != Some(&id[..]) {
                    report.fault(|| format!("ordinal {ordinal} names {}", id.escape_ascii()));
                }
            }
        }
        report.rows += seen;
        if seen != self.ids.len() as u64 {
            report.fault(|| format!("{} records, {seen} ordinals", self.ids.len()));
        }
        Ok(())
    }

    async fn check_vectors(
        &self,
        snapshot: &dyn Snapshot,
        meta: &Meta,
        report: &mut Report,
    ) -> Result<()> {
        let mut missing = self.vectors.clone();
        let mut cursor = walk(snapshot, &Kind::Vector.key(&[]));
        let mut vector = Vec::new();
        while let Some(rows) = cursor.next_page().await? {
            for (key, stored) in rows {
                report.rows += 1;
                let ordinal = trailing_ordinal(&key)?;
                if !missing.remove(ordinal) {
                    report.fault(|| format!("vector {ordinal} belongs to no record"));
                }
                vector.clear();
                let dimension = meta.config.dimension.unwrap_or(0) as usize;
                let sound = keys::vector::decode_into(&stored, dimension, &mut vector)
                    .and_then(|()| meta.config.metric.check(&vector));
                if let Err(why) = sound {
                    report.fault(|| format!("vector {ordinal}: {why}"));
                }
            }
        }
        for ordinal in missing {
            report.fault(|| format!("vector {ordinal} is missing"));
        }
        Ok(())
    }

    async fn check_values(&self, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
        let mut missing = self.values.clone();
        let mut cursor = walk(snapshot, &Kind::Value.key(&[]));
        while let Some(rows) = cursor.next_page().await? {
            for (key, bytes) in rows {
                report.rows += 1;
                let ordinal = trailing_ordinal(&key)?;
                if missing.remove(&ordinal) != Some(bytes.len() as u32) {
                    report.fault(|| {
                        format!("value {ordinal} of {} bytes is not expected", bytes.len())
                    });
                }
            }
        }
        for ordinal in missing.into_keys() {
            report.fault(|| format!("value {ordinal} is missing"));
        }
        Ok(())
    }

    async fn check_members(&self, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
        let mut stored = BTreeMap::<Vec<u8>, RoaringBitmap>::new();
        for kind in [Kind::Set, Kind::Term] {
            let mut cursor = walk(snapshot, &kind.key(&[]));
            while let Some(rows) = cursor.next_page().await? {
                for (key, value) in rows {
                    report.rows += 1;
                    let chunk = trailing_ordinal(&key)?;
                    let bitmap = stored.entry(key[..key.len() - 4].to_vec()).or_default();
                    if let Err(why) =
                        Chunk::decode(&value).and_then(|_| Chunk::union_into(bitmap, chunk, &value))
                    {
                        report.fault(|| format!("chunk {}: {why}", key.escape_ascii()));
                    }
                }
            }
        }
        for (prefix, bitmap) in &stored {
            let expected = self.members.get(prefix);
            if expected != Some(bitmap) {
                let expected = expected.map_or(0, RoaringBitmap::len);
                report.fault(|| {
                    format!(
                        "posting {} has {} members, expected {expected}",
                        prefix.escape_ascii(),
                        bitmap.len()
                    )
                });
            }
        }
        for prefix in self
            .members
            .keys()
            .filter(|prefix| !stored.contains_key(*prefix))
        {
            report.fault(|| format!("posting {} is missing", prefix.escape_ascii()));
        }
        Ok(())
    }

    async fn check_numbers(&self, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
        let mut stored = BTreeMap::<Vec<u8>, Vec<Pair>>::new();
        let mut cursor = walk(snapshot, &Kind::Number.key(&[]));
        while let Some(rows) = cursor.next_page().await? {
            for (key, value) in rows {
                report.rows += 1;
                let block = || -> Result<_, Malformed> {
                    Ok((number::fence(&key)?, number::decode(&value)?))
                };
                match block() {
                    Ok((fence, block)) => {
                        let prefix = key[..key.len() - number::PAIR_BYTES].to_vec();
                        let pairs = stored.entry(prefix).or_default();
                        if block.last() > Some(&fence) || pairs.last() >= block.first() {
                            report
                                .fault(|| format!("block {} is out of order", key.escape_ascii()));
                        }
                        pairs.extend(block);
                    }
                    Err(why) => report.fault(|| format!("block {}: {why}", key.escape_ascii())),
                }
            }
        }
        if stored != self.numbers {
            report.fault(|| "the postings of numbers differ from the records".to_owned());
        }
        Ok(())
    }

    async fn check_expiries(&self, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
        let mut stored = BTreeSet::new();
        let mut cursor = walk(snapshot, &Kind::Expiry.key(&[]));
        while let Some(rows) = cursor.next_page().await? {
            for (key, _) in rows {
                report.rows += 1;
                if let Some(at) = expiry::at(&key) {
                    stored.insert((at, trailing_ordinal(&key)?));
                }
            }
        }
        if stored != self.expiries {
            report.fault(|| {
                format!(
                    "{} expiries, {} records with one",
                    stored.len(),
                    self.expiries.len()
                )
            });
        }
        Ok(())
    }
}

/// Every remembered answer has an expiry row; an expiry row may outlive its answer.
async fn check_idempotency(snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
    let mut cursor = walk(snapshot, &Kind::Idempotency.key(&[]));
    while let Some(rows) = cursor.next_page().await? {
        for (key, stored) in rows {
            report.rows += 1;
            let client_key = String::from_utf8_lossy(&key[1..]).into_owned();
            let sound = match idempotency::Entry::decode(stored) {
                Ok(entry) => {
                    let expiry = idempotency::expiry_key(entry.expires_at, &client_key);
                    snapshot.get(&expiry).await?.is_some()
                }
                Err(_) => false,
            };
            if !sound {
                report.fault(|| format!("answer {client_key:?} is damaged or never expires"));
            }
        }
    }
    Ok(())
}

fn walk<'a>(snapshot: &'a dyn Snapshot, prefix: &[u8]) -> RowCursor<'a> {
    RowCursor::new(
        snapshot,
        prefix.to_vec(),
        prefix_end(prefix),
        ScanLimit::rows(1024),
    )
}
