use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    Action, Change, Config, Contents, Expiry, Idempotency, Operation, Outcome, Patch, Precondition,
    State, Write, Written, metering::write_units, state::due_idempotency_keys, view::id_of,
};
use crate::{
    error::{Error, Result},
    filter::{self, Filter},
    keys::{
        self, expiry,
        idempotency::{self, Entry, KEPT_MILLIS},
        meta::Meta,
        record::{self, Row, StoredValue},
        trailing_ordinal,
    },
    record::{Metadata, Value},
    store::{ScanLimit, StoreError},
    usage::{ByPayer, Usage, charge},
    vector::Precision,
};

/// Writes that are decided one after another, each on what those before it left, to be committed
/// together. A write that is refused leaves no trace.
pub(super) struct Group {
    pub(super) base: Arc<State>,
    pub(super) now: u64,
    pub(super) meta: Option<Meta>,
    /// Every record the group has looked at.
    pub(super) records: HashMap<String, Pending>,
    /// Answers to remember.
    pub(super) answers: BTreeMap<String, Entry>,
    /// Idempotency rows to remove: expiry and key, and whether the answer itself goes.
    pub(super) forgotten: Vec<(u64, String, bool)>,
    /// Whether the next expiry is to be read anew after the commit.
    pub(super) swept: bool,
    /// Clusters of the vector index to look after.
    pub(super) tended: usize,
    /// What the group's payers have used.
    pub(super) used: ByPayer,
    /// Units of the write being decided.
    units: u64,
    /// What the write being decided has replaced, to put back if it is refused.
    undo: Vec<(String, Option<Arc<Draft>>)>,
}

/// A record in a group.
pub(super) struct Pending {
    /// As it is stored, even if it has expired.
    pub(super) before: Option<Row>,
    /// As it will be; `None`: not there.
    pub(super) after: Option<Arc<Draft>>,
    /// Whether `after` is to be stored.
    pub(super) changed: bool,
}

/// A record that is not yet stored.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) version: u64,
    pub(super) expires_at: Option<u64>,
    pub(super) value: Option<Kept<Value, StoredValue>>,
    pub(super) text: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) vector: Option<Kept<Vec<f32>, ()>>,
}

/// A part of a record: new, or as it is stored.
#[derive(Clone, Debug)]
pub(super) enum Kept<New, Old> {
    New(New),
    Old(Old),
}

impl Draft {
    fn from_row(row: &Row) -> Self {
        Self {
            version: row.version,
            expires_at: row.expires_at,
            value: row.value.clone().map(Kept::Old),
            text: row.text.clone(),
            metadata: row.metadata.clone(),
            vector: row.has_vector.then_some(Kept::Old(())),
        }
    }
}

impl Group {
    pub(super) fn new(base: Arc<State>, now: u64) -> Self {
        Self {
            now,
            meta: base.meta.clone(),
            base,
            records: HashMap::new(),
            answers: BTreeMap::new(),
            forgotten: Vec::new(),
            swept: false,
            tended: 0,
            used: Vec::new(),
            units: 0,
            undo: Vec::new(),
        }
    }

    /// Decides one write.
    pub(super) async fn decide(&mut self, write: Write) -> Result<Written> {
        if let Some(idempotency) = &write.idempotency
            && let Some(entry) = self.answer(&idempotency.key).await?
        {
            return if entry.fingerprint == idempotency.fingerprint {
                Ok(entry.written)
            } else {
                Err(Error::IdempotencyKeyReused)
            };
        }
        let meta_before = self.meta.clone();
        self.undo.clear();
        self.units = 0;
        let changed = self.change(write.change).await;
        let affordable = |written| match write.most_units {
            Some(most) if self.units > most => Err(Error::TooCostly {
                units: self.units,
                most,
            }),
            _ => Ok(written),
        };
        match changed.and_then(affordable) {
            Ok(mut written) => {
                if let Some(payer) = write.payer {
                    written.units = self.units;
                    charge(&mut self.used, payer, Usage::write(self.units));
                }
                if let Some(idempotency) = write.idempotency {
                    self.remember(idempotency, &written);
                }
                Ok(written)
            }
            Err(error) => {
                self.meta = meta_before;
                for (id, after) in self.undo.drain(..).rev() {
                    if let Some(pending) = self.records.get_mut(&id) {
                        pending.after = after;
                    }
                }
                Err(error)
            }
        }
    }

    async fn change(&mut self, change: Change) -> Result<Written> {
        match change {
            Change::Configure(config) => self.configure(config),
            Change::Apply(operations) => self.apply(operations).await,
            Change::UpdateWhere {
                filter,
                patch,
                after,
                limit,
            } => {
                let (ids, next) = self.matching(&filter, after, limit).await?;
                let operations = ids.into_iter().map(|id| Operation {
                    id,
                    precondition: Precondition::None,
                    action: Action::Patch(patch.clone()),
                });
                let written = self.apply(operations.collect()).await?;
                Ok(Written { next, ..written })
            }
            Change::DeleteWhere { filter, limit } => {
                let (ids, next) = self.matching(&filter, None, limit).await?;
                let operations = ids.into_iter().map(|id| Operation {
                    id,
                    precondition: Precondition::None,
                    action: Action::Delete,
                });
                let written = self.apply(operations.collect()).await?;
                Ok(Written { next, ..written })
            }
            Change::Sweep { limit } => self.sweep(limit).await,
            Change::Tend { clusters } => {
                self.tended += clusters;
                Ok(Written {
                    version: self.version(),
                    ..Written::default()
                })
            }
        }
    }

    fn configure(&mut self, config: Config) -> Result<Written> {
        let outcome = match &self.meta {
            Some(existing) => match config.differs_from(&existing.config) {
                Some(differs) => return Err(Error::Conflict { differs }),
                None => Outcome::Checked,
            },
            None => {
                self.meta = Some(Meta {
                    created_at: self.now,
                    config,
                    ..Meta::default()
                });
                Outcome::Created
            }
        };
        Ok(Written {
            version: self.version(),
            outcomes: vec![outcome],
            ..Written::default()
        })
    }

    fn version(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.version)
    }

    async fn apply(&mut self, operations: Vec<Operation>) -> Result<Written> {
        let version = self.version() + 1;
        let mut outcomes = Vec::with_capacity(operations.len());
        for (position, operation) in operations.into_iter().enumerate() {
            outcomes.push(self.operate(position, operation, version).await?);
        }
        let changed = outcomes.iter().any(|outcome| {
            matches!(
                outcome,
                Outcome::Created | Outcome::Updated | Outcome::Deleted
            )
        });
        if changed {
            let now = self.now;
            self.meta
                .get_or_insert_with(|| Meta {
                    created_at: now,
                    ..Meta::default()
                })
                .version = version;
        }
        Ok(Written {
            version: self.version(),
            outcomes,
            ..Written::default()
        })
    }

    async fn operate(&mut self, at: usize, operation: Operation, version: u64) -> Result<Outcome> {
        let Operation {
            id,
            precondition,
            action,
        } = operation;
        let current = self.load(&id).await?;
        if !holds(at, &id, &precondition, current.as_deref())? {
            return Ok(Outcome::Skipped);
        }
        let now = self.now;
        let written = if current.is_some() {
            Outcome::Updated
        } else {
            Outcome::Created
        };
        let (after, outcome) = match action {
            Action::Check => return Ok(Outcome::Checked),
            Action::Delete if current.is_none() => return Ok(Outcome::Missing),
            Action::Delete => (None, Outcome::Deleted),
            Action::Put(value, expiry) => {
                let mut draft = match &current {
                    Some(current) => (**current).clone(),
                    None => Draft::from_row(&Row::default()),
                };
                draft.value = Some(Kept::New(value));
                draft.expires_at = expires_at(expiry, None, now);
                (Some(draft), written)
            }
            Action::Upsert(contents) => {
                let Contents {
                    value,
                    text,
                    metadata,
                    vector,
                    expiry,
                } = contents;
                if let Some(vector) = &vector {
                    self.check_vector(at, vector)?;
                }
                let draft = Draft {
                    version,
                    expires_at: expires_at(expiry, None, now),
                    value: value.map(Kept::New),
                    text,
                    metadata,
                    vector: vector.map(Kept::New),
                };
                (Some(draft), written)
            }
            Action::Patch(patch) => {
                let Some(current) = &current else {
                    return Err(Error::NoRecord {
                        operation: Some(at),
                        id,
                    });
                };
                if let Some(vector) = &patch.vector {
                    self.check_vector(at, vector)?;
                }
                let limits = patch.limits;
                let draft = patched(current, patch, now);
                let fields = draft.metadata.len();
                let bytes = metadata_bytes(&draft.metadata);
                if fields > limits.fields || bytes > limits.bytes {
                    return Err(Error::MetadataTooLarge {
                        operation: at,
                        id,
                        fields,
                        bytes,
                    });
                }
                (Some(draft), written)
            }
        };
        let after = after.map(|draft| Arc::new(Draft { version, ..draft }));
        let dimension = self.meta.as_ref().and_then(|meta| meta.config.dimension);
        self.units += write_units(&id, after.as_deref(), dimension);
        if let Some(pending) = self.records.get_mut(&id) {
            pending.changed = true;
            let replaced = std::mem::replace(&mut pending.after, after);
            self.undo.push((id, replaced));
        }
        Ok(outcome)
    }

    /// The record as the group has left it so far.
    async fn load(&mut self, id: &str) -> Result<Option<Arc<Draft>>> {
        if let Some(pending) = self.records.get(id) {
            return Ok(pending.after.clone());
        }
        let key = record::key(id);
        let before = match self.base.snapshot.get(&key).await? {
            Some(stored) => {
                Some(Row::decode(stored).map_err(|why| StoreError::corrupt_row(&key, why))?)
            }
            None => None,
        };
        let live = before.as_ref().filter(|row| !row.is_expired(self.now));
        let after = live.map(|row| Arc::new(Draft::from_row(row)));
        let pending = Pending {
            before,
            after: after.clone(),
            changed: false,
        };
        self.records.insert(id.to_owned(), pending);
        Ok(after)
    }

    /// Checks a vector; the first one of a namespace decides its dimension.
    fn check_vector(&mut self, at: usize, vector: &[f32]) -> Result<()> {
        let now = self.now;
        let meta = self.meta.get_or_insert_with(|| Meta {
            created_at: now,
            ..Meta::default()
        });
        meta.config
            .metric
            .check(vector)
            .map_err(|reason| Error::Vector {
                operation: Some(at),
                reason,
            })?;
        let precision = meta.config.precision;
        if precision != Precision::F32 {
            // What is stored must be comparable too, and differ from the vector by rounding only.
            meta.config
                .metric
                .check(&keys::vector::rounded(precision, vector))
                .map_err(|_| Error::Vector {
                    operation: Some(at),
                    reason: "the vector is too long or too short for the precision it is stored in",
                })?;
        }
        let expected = *meta.config.dimension.get_or_insert(vector.len() as u32);
        if expected as usize != vector.len() {
            return Err(Error::Dimension {
                operation: Some(at),
                expected,
                actual: vector.len(),
            });
        }
        Ok(())
    }

    /// Ids of up to `limit` records that match, those of ordinals above `after`, and where to go on.
    async fn matching(
        &mut self,
        filter: &Filter,
        after: Option<u32>,
        limit: usize,
    ) -> Result<(Vec<String>, Option<u32>)> {
        let mut selected = filter::select(filter, &self.base).await?;
        selected -= self.base.expired(self.now).await?;
        if let Some(after) = after {
            selected.remove_range(..=after);
        }
        // What the group has touched is decided by its pending state instead.
        let mut ids = Vec::new();
        let mut touched = HashSet::new();
        for (id, pending) in &self.records {
            touched.extend(pending.before.as_ref().map(|row| row.ordinal));
            let first_slice = after.is_none();
            let in_slice = pending.before.as_ref().map_or(first_slice, |row| {
                after.is_none_or(|after| row.ordinal > after)
            });
            if in_slice
                && pending
                    .after
                    .as_ref()
                    .is_some_and(|draft| filter.matches(&draft.metadata))
            {
                ids.push(id.clone());
            }
        }
        ids.sort_unstable();
        let mut last = None;
        for ordinal in selected
            .into_iter()
            .filter(|ordinal| !touched.contains(ordinal))
        {
            if ids.len() >= limit {
                return Ok((ids, Some(last.or(after).unwrap_or(0))));
            }
            ids.push(id_of(&self.base, ordinal).await?);
            last = Some(ordinal);
        }
        Ok((ids, None))
    }

    async fn sweep(&mut self, limit: usize) -> Result<Written> {
        self.swept = true;
        let mut written = Written {
            version: self.version(),
            ..Written::default()
        };
        let (start, end) = expiry::due(self.now);
        let page = self
            .base
            .snapshot
            .scan(&start, &end, ScanLimit::rows(limit))
            .await?;
        for (key, _) in &page.rows {
            let id = id_of(&self.base, trailing_ordinal(key)?).await?;
            self.load(&id).await?;
            if let Some(pending) = self.records.get_mut(&id) {
                // Invisible already, so it takes no version; unless the group made it anew.
                pending.changed = true;
                written.outcomes.push(Outcome::Deleted);
            }
        }
        let due = due_idempotency_keys(&*self.base.snapshot, self.now, limit).await?;
        written.next = (page.more || due.len() == limit).then_some(0);
        for (at, client_key) in due {
            let is_current = match self.stored_answer(&client_key).await? {
                Some(entry) => entry.expires_at == at && !self.answers.contains_key(&client_key),
                None => false,
            };
            self.forgotten.push((at, client_key, is_current));
        }
        Ok(written)
    }

    async fn answer(&self, client_key: &str) -> Result<Option<Entry>> {
        if let Some(entry) = self.answers.get(client_key) {
            return Ok(Some(entry.clone()));
        }
        let stored = self.stored_answer(client_key).await?;
        Ok(stored.filter(|entry| entry.expires_at > self.now))
    }

    async fn stored_answer(&self, client_key: &str) -> Result<Option<Entry>> {
        let key = idempotency::key(client_key);
        let Some(stored) = self.base.snapshot.get(&key).await? else {
            return Ok(None);
        };
        Ok(Some(
            Entry::decode(stored).map_err(|why| StoreError::corrupt_row(&key, why))?,
        ))
    }

    fn remember(&mut self, idempotency: Idempotency, written: &Written) {
        let entry = Entry {
            fingerprint: idempotency.fingerprint,
            expires_at: self.now + KEPT_MILLIS,
            written: Written {
                replayed: true,
                units: 0,
                ..written.clone()
            },
        };
        self.answers.insert(idempotency.key, entry);
    }
}

fn metadata_bytes(metadata: &Metadata) -> usize {
    metadata
        .iter()
        .map(|(name, field)| record::field_bytes(name, field) as usize)
        .sum()
}

/// Whether an operation is to be done; `false` if it alone is to be skipped.
fn holds(
    at: usize,
    id: &str,
    precondition: &Precondition,
    current: Option<&Draft>,
) -> Result<bool> {
    let reason = match (precondition, current) {
        (Precondition::None | Precondition::SkipUnless(_), None)
        | (Precondition::None | Precondition::Exists, Some(_))
        | (Precondition::Absent, None) => return Ok(true),
        (Precondition::SkipUnless(filter), Some(draft)) => {
            return Ok(filter.matches(&draft.metadata));
        }
        (Precondition::Version(expected), Some(draft)) if draft.version == *expected => {
            return Ok(true);
        }
        (Precondition::Version(expected), Some(draft)) => format!(
            "the record {id:?} has version {}, not {expected}; read it again and decide anew",
            draft.version
        ),
        (Precondition::Version(_) | Precondition::Exists, None) => {
            format!("there is no record {id:?}")
        }
        (Precondition::Absent, Some(draft)) => {
            format!("the record {id:?} exists, with version {}", draft.version)
        }
    };
    Err(Error::Precondition {
        operation: at,
        reason,
    })
}

const fn expires_at(expiry: Expiry, kept: Option<u64>, now: u64) -> Option<u64> {
    match expiry {
        Expiry::Keep => kept,
        Expiry::After(millis) => Some(now.saturating_add(millis)),
        Expiry::At(at) => Some(at),
    }
}

fn patched(current: &Draft, patch: Patch, now: u64) -> Draft {
    let mut draft = current.clone();
    if let Some(value) = patch.value {
        draft.value = Some(Kept::New(value));
    }
    if patch.text.is_some() {
        draft.text = patch.text;
    }
    if let Some(vector) = patch.vector {
        draft.vector = Some(Kept::New(vector));
    }
    for (name, field) in patch.metadata {
        match field {
            Some(field) => draft.metadata.insert(name, field),
            None => draft.metadata.remove(&name),
        };
    }
    draft.expires_at = expires_at(patch.expiry, draft.expires_at, now);
    draft
}
