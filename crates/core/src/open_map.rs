//! What is in memory while it is used: actors, each by the key under which it is asked for.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// How long nobody asks for what is let go.
const IDLE_MILLIS: u64 = 60_000;
/// So many stay however long nobody asks: a server with few of them opens each once.
const KEPT: usize = 256;
/// More are let go as soon as they are not in use.
const OPEN_MAX: usize = 16_384;

/// A map that lets go of what nobody has asked for lately, the longest unasked first.
///
/// It looks at no clock: the time is that of the last [`close_idle`](Self::close_idle).
pub struct OpenMap<K, V> {
    entries: RwLock<HashMap<K, Entry<V>>>,
    now: AtomicU64,
}

struct Entry<V> {
    value: V,
    asked_at: AtomicU64,
}

impl<K, V> Default for OpenMap<K, V> {
    fn default() -> Self {
        Self {
            entries: RwLock::default(),
            now: AtomicU64::new(0),
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> OpenMap<K, V> {
    /// The value, which is in use now.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.read();
        let entry = entries.get(key)?;
        let now = self.now.load(Ordering::Relaxed);
        // Most find it said already, and leave the cache line to the others.
        if entry.asked_at.load(Ordering::Relaxed) != now {
            entry.asked_at.store(now, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// Whether the key is here; asks for nothing.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.read().contains_key(key)
    }

    /// Puts a value under a key, in place of one that is there.
    pub fn insert(&self, key: K, value: V) {
        let asked_at = AtomicU64::new(self.now.load(Ordering::Relaxed));
        let entry = Entry { value, asked_at };
        let replaced = self.write().insert(key, entry);
        drop(replaced);
    }

    /// Takes a value out.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        Some(self.write().remove(key)?.value)
    }

    /// Lets go of a value if `may_close` allows.
    pub fn close<Q>(&self, key: &Q, may_close: impl Fn(&V) -> bool)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut entries = self.write();
        if entries
            .get(key)
            .is_some_and(|entry| may_close(&entry.value))
        {
            entries.remove(key);
        }
    }

    /// What `pick` makes of the entries; asks for none.
    pub fn pick<T>(&self, mut pick: impl FnMut(&K, &V) -> Option<T>) -> Vec<T> {
        let entries = self.read();
        entries
            .iter()
            .filter_map(|(key, entry)| pick(key, &entry.value))
            .collect()
    }

    /// Takes out what is not worth keeping, whenever it was asked for.
    pub fn retain(&self, mut worth: impl FnMut(&V) -> bool) {
        self.write().retain(|_, entry| worth(&entry.value));
    }

    /// Lets go of what nobody has asked for lately and `may_close` allows. The host calls it now and
    /// then with the time in milliseconds. Costs a look at each.
    pub fn close_idle(&self, now: u64, may_close: impl Fn(&V) -> bool) {
        self.now.store(now, Ordering::Relaxed);
        let mut idle = Vec::new();
        let surplus = {
            let entries = self.read();
            let crowded = entries.len() > OPEN_MAX;
            for (key, entry) in &*entries {
                let asked_at = entry.asked_at.load(Ordering::Relaxed);
                // A clock that was set back makes nothing idle; what was asked for before says so later.
                let idle_for = now.saturating_sub(asked_at);
                if (idle_for >= IDLE_MILLIS || crowded) && may_close(&entry.value) {
                    idle.push((asked_at, key.clone()));
                }
            }
            let kept = match crowded {
                true => OPEN_MAX,
                false => KEPT,
            };
            entries.len().saturating_sub(kept)
        };
        if surplus < idle.len() {
            idle.select_nth_unstable_by_key(surplus, |(asked_at, _)| *asked_at);
            idle.truncate(surplus);
        }
        if idle.is_empty() {
            return;
        }
        let mut entries = self.write();
        for (asked_at, key) in idle {
            let unasked = entries.get(&key).is_some_and(|entry| {
                entry.asked_at.load(Ordering::Relaxed) == asked_at && may_close(&entry.value)
            });
            if unasked {
                entries.remove(&key);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: usize) -> OpenMap<usize, usize> {
        let map = OpenMap::default();
        map.close_idle(1000, |_| true);
        for key in 0..count {
            map.insert(key, key);
        }
        map
    }

    fn len(map: &OpenMap<usize, usize>) -> usize {
        map.pick(|_, _| Some(())).len()
    }

    #[test]
    fn few_stay_however_long_nobody_asks() {
        let map = filled(KEPT);
        map.close_idle(1000 + 100 * IDLE_MILLIS, |_| true);
        assert_eq!(len(&map), KEPT);
    }

    #[test]
    fn what_nobody_asks_for_goes_and_the_latest_stay() {
        let map = filled(KEPT + 100);
        map.close_idle(2000, |_| true);
        for key in 0..KEPT - 1 {
            assert_eq!(map.get(&key), Some(key));
        }
        map.close_idle(999 + IDLE_MILLIS, |_| true);
        assert_eq!(len(&map), KEPT + 100, "not a minute yet");
        map.close_idle(1000 + IDLE_MILLIS, |value| *value != KEPT + 7);
        assert_eq!(len(&map), KEPT);
        assert!((0..KEPT - 1).all(|key| map.contains(&key)));
    }

    #[test]
    fn what_may_not_close_stays() {
        let map = filled(KEPT + 100);
        map.close_idle(1000 + IDLE_MILLIS, |value| *value < 30);
        assert_eq!(len(&map), KEPT + 70);
        assert!((30..KEPT + 100).all(|key| map.contains(&key)));
    }

    #[test]
    fn too_many_go_though_they_were_asked_for_just_now() {
        let map = filled(OPEN_MAX + 10);
        map.close_idle(1001, |_| true);
        assert_eq!(len(&map), OPEN_MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_closes_nothing() {
        let map = filled(KEPT + 100);
        map.close_idle(5, |_| true);
        assert_eq!(len(&map), KEPT + 100);
        assert_eq!(map.get(&3), Some(3));
    }
}
