//! Rows that were read or written lately, in memory: one budget of bytes for all objects of an isolate.
//!
//! A row that is found here spares a statement, which costs more than all else that a small request does.
//! The rows of a store that is gone are no longer asked for and leave in time.

use std::{
    cell::{Cell, RefCell},
    hash::{Hash, Hasher},
};

use bytes::Bytes;
use quick_cache::{Equivalent, Weighter, unsync::Cache};

/// The most that rows take together, in bytes.
const BUDGET_BYTES: u64 = 8 << 20;
/// A larger value gains little: reading it costs more than finding it.
const MOST_VALUE_BYTES: usize = 16 << 10;
/// What an entry takes beside its key and value, about.
const ENTRY_BYTES: usize = 96;

thread_local! {
    static ROWS: RefCell<Cache<Key, Option<Bytes>, RowBytes>> = RefCell::new(Cache::with_weighter(
        (BUDGET_BYTES / 512) as usize,
        BUDGET_BYTES,
        RowBytes,
    ));
    static STORES: Cell<u64> = const { Cell::new(0) };
}

/// The rows of one store.
#[derive(Debug)]
pub struct KnownRows(u64);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    store: u64,
    key: Bytes,
}

struct Wanted<'a> {
    store: u64,
    key: &'a [u8],
}

#[derive(Clone)]
struct RowBytes;

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { store, key } = self;
        Wanted { store: *store, key }.hash(state);
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.store.hash(state);
        self.key.hash(state);
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.store == key.store && self.key == &key.key[..]
    }
}

impl Weighter<Key, Option<Bytes>> for RowBytes {
    fn weight(&self, key: &Key, value: &Option<Bytes>) -> u64 {
        let value = value.as_ref().map_or(0, Bytes::len);
        (ENTRY_BYTES + key.key.len() + value) as u64
    }
}

impl Default for KnownRows {
    /// Those of a store that no other is.
    fn default() -> Self {
        Self(STORES.replace(STORES.get() + 1))
    }
}

impl KnownRows {
    fn wanted<'a>(&self, key: &'a [u8]) -> Wanted<'a> {
        let Self(store) = *self;
        Wanted { store, key }
    }

    /// The value under a key, where `Some(None)` means that there is none, if it is here.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        ROWS.with_borrow(|rows| rows.get(&self.wanted(key)).cloned())
    }

    /// Remembers what was read. `key` and `value` keep no larger buffer alive.
    pub fn remember(&self, key: &[u8], value: Option<Bytes>) {
        if value
            .as_ref()
            .is_some_and(|value| value.len() > MOST_VALUE_BYTES)
        {
            return;
        }
        let key = Bytes::copy_from_slice(key);
        let Self(store) = *self;
        ROWS.with_borrow_mut(|rows| rows.insert(Key { store, key }, value));
    }

    /// Notes what was written, if the row is here.
    pub fn renew(&self, key: &[u8], value: Option<&Bytes>) {
        ROWS.with_borrow_mut(|rows| {
            let wanted = self.wanted(key);
            match value {
                Some(value) if value.len() > MOST_VALUE_BYTES => drop(rows.remove(&wanted)),
                _ => {
                    if let Some(mut row) = rows.get_mut(&wanted) {
                        // What is written may be a piece of a whole batch.
                        *row = value.map(|value| Bytes::copy_from_slice(value));
                    }
                }
            }
        });
    }

    /// Forgets a row.
    pub fn forget(&self, key: &[u8]) {
        ROWS.with_borrow_mut(|rows| rows.remove(&self.wanted(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_do_not_see_each_others_rows() {
        let (one, other) = (KnownRows::default(), KnownRows::default());
        one.remember(b"k", Some(Bytes::from_static(b"1")));
        other.remember(b"k", None);
        assert_eq!(one.get(b"k"), Some(Some(Bytes::from_static(b"1"))));
        assert_eq!(other.get(b"k"), Some(None));
        one.forget(b"k");
        assert_eq!(one.get(b"k"), None);
        assert_eq!(other.get(b"k"), Some(None));
    }

    #[test]
    fn what_is_written_renews_only_what_is_here() {
        let rows = KnownRows::default();
        rows.renew(b"a", Some(&Bytes::from_static(b"1")));
        assert_eq!(rows.get(b"a"), None);
        rows.remember(b"a", None);
        rows.renew(b"a", Some(&Bytes::from_static(b"2")));
        assert_eq!(rows.get(b"a"), Some(Some(Bytes::from_static(b"2"))));
        rows.renew(b"a", None);
        assert_eq!(rows.get(b"a"), Some(None));
        let long = Bytes::from(vec![0; MOST_VALUE_BYTES + 1]);
        rows.renew(b"a", Some(&long));
        assert_eq!(
            rows.get(b"a"),
            None,
            "an old value would stand for the long one"
        );
    }

    #[test]
    fn the_budget_holds() {
        let rows = KnownRows::default();
        for number in 0..4 * BUDGET_BYTES / 10_000 {
            rows.remember(&number.to_be_bytes(), Some(Bytes::from(vec![0; 10_000])));
        }
        assert!(ROWS.with_borrow(Cache::weight) <= BUDGET_BYTES);
    }
}
