//! What commits replaced, kept for the snapshots taken before them.
//!
//! SQLite in a Durable Object shows one state, the last. A snapshot is therefore the number of a commit,
//! and a read at it prefers what a later commit replaced to what stands in the table. Nothing is kept while
//! no snapshot is older than the last commit.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use bytes::Bytes;

/// Values that older snapshots may hold back, in bytes. Beyond it the oldest are given up.
const BUDGET_BYTES: usize = 8 << 20;
/// What an entry weighs beside its key and value.
const ENTRY_BYTES: usize = 96;

/// A value before a commit; `None`: there was none.
type Before = Option<Bytes>;

/// The snapshot was given up because too much was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated;

/// Undo log of one store.
#[derive(Debug, Default)]
pub struct Undo {
    last_commit: u64,
    /// Snapshots that are held, by the commit they show.
    held: BTreeMap<u64, usize>,
    /// By key, ascending: the commits after the oldest snapshot that changed it, and what was there
    /// before each.
    replaced: BTreeMap<Bytes, VecDeque<(u64, Before)>>,
    /// The same entries as they came.
    order: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// Snapshots up to this commit, but for the present one, are given up.
    given_up: Option<u64>,
}

impl Undo {
    /// Takes a snapshot.
    pub fn hold(&mut self) -> u64 {
        *self.held.entry(self.last_commit).or_default() += 1;
        self.last_commit
    }

    /// Gives a snapshot back.
    pub fn release(&mut self, snapshot: u64) {
        if let Some(count) = self.held.get_mut(&snapshot) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&snapshot);
                self.forget();
            }
        }
    }

    /// Whether a commit that changes `key` now must tell what it replaces.
    #[must_use]
    pub fn wants(&self, key: &[u8]) -> bool {
        let Some((&newest, _)) = self.held.last_key_value() else {
            return false;
        };
        // A change after the newest snapshot hides all later ones from every snapshot.
        let changed = self.replaced.get(key).and_then(VecDeque::back);
        changed.is_none_or(|(commit, _)| *commit <= newest)
    }

    /// Notes a commit that is done, with what it replaced of the keys that are [wanted](Self::wants).
    pub fn commit(&mut self, replaced: Vec<(Bytes, Before)>) {
        self.last_commit += 1;
        let commit = self.last_commit;
        for (key, before) in replaced {
            self.bytes += weight(&key, &before);
            self.order.push_back((commit, key.clone()));
            self.replaced
                .entry(key)
                .or_default()
                .push_back((commit, before));
        }
        while self.bytes > BUDGET_BYTES && self.held.len() > 1 {
            let Some((oldest, _)) = self.held.pop_first() else {
                break;
            };
            self.given_up = Some(oldest);
            self.forget();
        }
    }

    /// Fails if the snapshot was given up.
    ///
    /// # Errors
    /// [`Outdated`].
    pub fn check(&self, snapshot: u64) -> Result<(), Outdated> {
        match self.given_up {
            Some(last) if snapshot <= last => Err(Outdated),
            _ => Ok(()),
        }
    }

    /// Whether the table is what the snapshot shows.
    #[must_use]
    pub fn is_current(&self, snapshot: u64) -> bool {
        self.order
            .back()
            .is_none_or(|(commit, _)| *commit <= snapshot)
    }

    /// What a snapshot shows under `key`, if that is not what the table has.
    #[must_use]
    pub fn at(&self, snapshot: u64, key: &[u8]) -> Option<&Before> {
        first_after(self.replaced.get(key)?, snapshot)
    }

    /// The keys in `start <= key < end` where a snapshot shows something else than the table. An empty
    /// `end` stands for no upper end.
    pub fn range<'a>(
        &'a self,
        snapshot: u64,
        start: &'a [u8],
        end: &'a [u8],
    ) -> impl Iterator<Item = (&'a Bytes, &'a Before)> {
        let upper = match end {
            [] => Bound::Unbounded,
            end => Bound::Excluded(end),
        };
        let bounds = (Bound::Included(start), upper);
        let is_range = end.is_empty() || start < end;
        let entries = is_range.then(|| self.replaced.range::<[u8], _>(bounds));
        entries
            .into_iter()
            .flatten()
            .filter_map(move |(key, commits)| Some((key, first_after(commits, snapshot)?)))
    }

    /// Drops what no snapshot can ask for.
    fn forget(&mut self) {
        let oldest = self.held.first_key_value().map(|(&commit, _)| commit);
        while let Some((commit, _)) = self.order.front() {
            if oldest.is_some_and(|oldest| *commit > oldest) {
                break;
            }
            let Some((_, key)) = self.order.pop_front() else {
                break;
            };
            if let Some(commits) = self.replaced.get_mut(&key) {
                if let Some((_, before)) = commits.pop_front() {
                    self.bytes -= weight(&key, &before);
                }
                if commits.is_empty() {
                    self.replaced.remove(&key);
                }
            }
        }
    }
}

fn first_after(commits: &VecDeque<(u64, Before)>, snapshot: u64) -> Option<&Before> {
    let found = commits.iter().find(|(commit, _)| *commit > snapshot);
    found.map(|(_, before)| before)
}

fn weight(key: &Bytes, before: &Before) -> usize {
    ENTRY_BYTES + key.len() + before.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Map = BTreeMap<Bytes, Bytes>;

    /// A table with an undo log, as the store joins them.
    #[derive(Default)]
    struct Table {
        rows: Map,
        undo: Undo,
    }

    impl Table {
        fn write(&mut self, changes: &[(Bytes, Before)]) {
            let mut replaced = Vec::new();
            for (key, value) in changes {
                let is_noted = replaced.iter().any(|(noted, _)| noted == key);
                if !is_noted && self.undo.wants(key) {
                    replaced.push((key.clone(), self.rows.get(key).cloned()));
                }
                match value {
                    Some(value) => drop(self.rows.insert(key.clone(), value.clone())),
                    None => drop(self.rows.remove(key)),
                }
            }
            self.undo.commit(replaced);
        }

        fn at(&self, snapshot: u64) -> Map {
            let mut rows = self.rows.clone();
            for (key, before) in self.undo.range(snapshot, b"", b"") {
                match before {
                    Some(before) => drop(rows.insert(key.clone(), before.clone())),
                    None => drop(rows.remove(key)),
                }
            }
            rows
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(Vec<(u8, Option<u8>)>),
        Hold,
        Release(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let change = (0..6_u8, prop::option::of(any::<u8>()));
        prop_oneof![
            3 => prop::collection::vec(change, 0..4).prop_map(Step::Write),
            1 => Just(Step::Hold),
            1 => any::<usize>().prop_map(Step::Release),
        ]
    }

    proptest! {
        #[test]
        fn snapshots_never_change(steps in prop::collection::vec(step(), 0..60)) {
            let mut table = Table::default();
            let mut held = Vec::<(u64, Map)>::new();
            for step in steps {
                match step {
                    Step::Write(changes) => {
                        let changes = changes.into_iter().map(|(key, value)| {
                            (Bytes::from(vec![key]), value.map(|value| Bytes::from(vec![value])))
                        });
                        table.write(&changes.collect::<Vec<_>>());
                    }
                    Step::Hold => held.push((table.undo.hold(), table.rows.clone())),
                    Step::Release(which) if !held.is_empty() => {
                        let (snapshot, _) = held.swap_remove(which % held.len());
                        table.undo.release(snapshot);
                    }
                    Step::Release(_) => {}
                }
                for (snapshot, rows) in &held {
                    prop_assert_eq!(&table.at(*snapshot), rows);
                    for key in 0..6 {
                        let key = [key];
                        let shown = table.undo.at(*snapshot, &key).cloned();
                        let shown = shown.unwrap_or_else(|| table.rows.get(&key[..]).cloned());
                        prop_assert_eq!(shown.as_ref(), rows.get(&key[..]));
                    }
                }
            }
            for (snapshot, _) in held {
                table.undo.release(snapshot);
            }
            prop_assert!(table.undo.replaced.is_empty() && table.undo.order.is_empty());
            prop_assert_eq!(table.undo.bytes, 0);
        }
    }

    #[test]
    fn memory_is_bounded_and_the_newest_snapshot_stays() {
        let mut table = Table::default();
        let value = Some(Bytes::from(vec![0; 1 << 20]));
        let old = table.undo.hold();
        for round in 0..20_u8 {
            table.write(&[(Bytes::from(vec![round]), value.clone())]);
            table.write(&[(Bytes::from(vec![round]), None)]);
            let newest = table.undo.hold();
            assert_eq!(table.undo.check(newest), Ok(()));
            table.undo.release(newest);
        }
        // Nothing was there before: the log holds keys only.
        assert_eq!(table.undo.check(old), Ok(()));
        table.undo.release(old);

        for round in 0..20_u8 {
            table.write(&[(Bytes::from(vec![round]), value.clone())]);
        }
        let old = table.undo.hold();
        for round in 0..20_u8 {
            let newest = table.undo.hold();
            table.write(&[(Bytes::from(vec![round]), None)]);
            assert_eq!(table.undo.check(newest), Ok(()));
            table.undo.release(newest);
            assert!(table.undo.bytes <= BUDGET_BYTES + (1 << 20) + 1024);
        }
        assert_eq!(table.undo.check(old), Err(Outdated));
        let newest = table.undo.hold();
        assert_eq!(table.undo.check(newest), Ok(()));
    }
}
