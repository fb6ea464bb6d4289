use std::collections::BTreeMap;

use quartz_core::{
    filter::Filter,
    namespace::{
        Action, Change, Expiry, Operation, Outcome, Precondition, Query, Target, Write, Written,
    },
    record::Record,
};

/// What a namespace must be: its records, and brute force for the rest. The metric
/// is the inner product of small whole numbers, so scores are exact and ties are ties.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) version: u64,
    dimension: Option<usize>,
    records: BTreeMap<String, Record>,
    answers: BTreeMap<String, ([u8; 16], u64, Written)>,
}

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

impl Default for Model {
    /// A namespace that was configured and nothing else.
    fn default() -> Self {
        Self {
            version: 0,
            dimension: None,
            records: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }
}

impl Model {
    /// The records that have not expired, by id.
    pub(crate) fn live(&self, now: u64) -> impl Iterator<Item = &Record> {
        self.records
            .values()
            .filter(move |record| !record.is_expired(now))
    }

    pub(crate) fn count(&self, filter: &Filter, now: u64) -> u64 {
        self.live(now)
            .filter(|record| filter.matches(&record.metadata))
            .count() as u64
    }

    /// Ids and scores, or `None` if the query is to be refused.
    pub(crate) fn query(&self, query: &Query, now: u64) -> Option<Vec<(String, f32)>> {
        let mut own = None;
        let target = match &query.target {
            Target::Vector(vector) => vector,
            Target::Record(id) => {
                own = Some(id);
                let record = self
                    .records
                    .get(id)
                    .filter(|record| !record.is_expired(now))?;
                record.vector.as_ref()?
            }
        };
        if self
            .dimension
            .is_some_and(|dimension| dimension != target.len())
        {
            return None;
        }
        let matches = |record: &&Record| {
            Some(&record.id) != own
                && query
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(&record.metadata))
        };
        let mut scored: Vec<_> = self
            .live(now)
            .filter(matches)
            .filter_map(|record| Some((record.id.clone(), dot(target, record.vector.as_ref()?))))
            .collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        scored.truncate(query.top_k);
        Some(scored)
    }

    /// What the write must answer; `None`: it must be refused.
    pub(crate) fn write(&mut self, write: &Write, now: u64) -> Option<Written> {
        if let Some(idempotency) = &write.idempotency
            && let Some((digest, expires_at, written)) = self.answers.get(&idempotency.key)
            && *expires_at > now
        {
            return (*digest == idempotency.fingerprint).then(|| written.clone());
        }
        let before = self.clone();
        let Some(written) = self.change(&write.change, now) else {
            *self = before;
            return None;
        };
        if let Some(idempotency) = &write.idempotency {
            let answer = Written {
                replayed: true,
                ..written.clone()
            };
            let entry = (idempotency.fingerprint, now + DAY_MILLIS, answer);
            self.answers.insert(idempotency.key.clone(), entry);
        }
        Some(written)
    }

    fn change(&mut self, change: &Change, now: u64) -> Option<Written> {
        let matching = |model: &Self, filter: &Filter| -> Vec<String> {
            let live = model
                .live(now)
                .filter(|record| filter.matches(&record.metadata));
            live.map(|record| record.id.clone()).collect()
        };
        let operation = |id, action| Operation {
            id,
            precondition: Precondition::None,
            action,
        };
        let operations = match change {
            Change::Apply(operations) => operations.clone(),
            Change::UpdateWhere { filter, patch, .. } => matching(self, filter)
                .into_iter()
                .map(|id| operation(id, Action::Patch(patch.clone())))
                .collect(),
            Change::DeleteWhere { filter, .. } => matching(self, filter)
                .into_iter()
                .map(|id| operation(id, Action::Delete))
                .collect(),
            // Nothing that can be seen.
            Change::Sweep { .. } | Change::Tend { .. } => vec![],
            Change::Configure(_) => unreachable!("done once, before the steps"),
        };
        let version = self.version + 1;
        let mut outcomes = Vec::new();
        for operation in &operations {
            outcomes.push(self.operate(operation, version, now)?);
        }
        let changes = [Outcome::Created, Outcome::Updated, Outcome::Deleted];
        if outcomes.iter().any(|outcome| changes.contains(outcome)) {
            self.version = version;
        }
        Some(Written {
            version: self.version,
            outcomes,
            ..Written::default()
        })
    }

    fn operate(&mut self, operation: &Operation, version: u64, now: u64) -> Option<Outcome> {
        let current = self
            .records
            .get(&operation.id)
            .filter(|record| !record.is_expired(now))
            .cloned();
        match (&operation.precondition, &current) {
            (Precondition::Exists, None) | (Precondition::Absent, Some(_)) => return None,
            (Precondition::Version(expected), current)
                if current.as_ref().map(|record| record.version) != Some(*expected) =>
            {
                return None;
            }
            (Precondition::SkipUnless(filter), Some(record))
                if !filter.matches(&record.metadata) =>
            {
                return Some(Outcome::Skipped);
            }
            _ => {}
        }
        let there = current.is_some();
        let new = Record {
            id: operation.id.clone(),
            ..Record::default()
        };
        let mut record = match &operation.action {
            Action::Check => return Some(Outcome::Checked),
            Action::Delete if there => {
                self.records.remove(&operation.id);
                return Some(Outcome::Deleted);
            }
            Action::Delete => return Some(Outcome::Missing),
            Action::Put(value, expiry) => Record {
                value: Some(value.clone()),
                expires_at: at(*expiry, now),
                ..current.unwrap_or(new)
            },
            Action::Upsert(contents) => Record {
                value: contents.value.clone(),
                text: contents.text.clone(),
                metadata: contents.metadata.clone(),
                vector: contents.vector.clone(),
                expires_at: at(contents.expiry, now),
                ..new
            },
            Action::Patch(patch) => {
                let mut record = current?;
                record.value = patch.value.clone().or(record.value);
                record.text = patch.text.clone().or(record.text);
                record.vector = patch.vector.clone().or(record.vector);
                record.expires_at = at(patch.expiry, now).or(record.expires_at);
                for (name, field) in &patch.metadata {
                    match field {
                        Some(field) => record.metadata.insert(name.clone(), field.clone()),
                        None => record.metadata.remove(name),
                    };
                }
                record
            }
        };
        if let Some(vector) = &record.vector
            && *self.dimension.get_or_insert(vector.len()) != vector.len()
        {
            return None;
        }
        record.version = version;
        self.records.insert(operation.id.clone(), record);
        Some(if there {
            Outcome::Updated
        } else {
            Outcome::Created
        })
    }
}

fn at(expiry: Expiry, now: u64) -> Option<u64> {
    match expiry {
        Expiry::Keep => None,
        Expiry::After(millis) => Some(now + millis),
        Expiry::At(at) => Some(at),
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Adding zero turns -0.0 into 0.0.
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() + 0.0
}
