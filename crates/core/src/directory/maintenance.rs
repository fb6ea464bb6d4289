use std::sync::{Arc, PoisonError};

use super::Directory;
use crate::{
    error::{Error, Result},
    keys::{
        catalog::{self, NAMES, TOMBSTONES},
        codec,
    },
    namespace::{Change, Namespace, Write, next_expiry},
    store::{
        Batch, Durability, ScanLimit, ScopedStore, Store as _, StoreError, prefix_end, successor,
    },
};

/// Expired records removed from a namespace in one commit.
const SWEEP_RECORDS: usize = 512;
/// Clusters of a namespace's vector index looked after in one commit.
const TEND_CLUSTERS: usize = 16;
/// Rows of deleted namespaces removed in one commit.
const RECLAIM_ROWS: usize = 2048;
/// Names in the catalog that a round looks at, to find closed namespaces in which something is due.
const PATROL_NAMES: usize = 64;
/// Namespaces that stay open though nobody uses them at the moment.
const OPEN_IDLE_MAX: usize = 4096;

/// What a round of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Expired records removed.
    pub swept: u64,
    /// Rows of deleted namespaces removed.
    pub reclaimed: u64,
    /// Whether there was more to do than one round takes.
    pub more: bool,
}

impl Directory {
    /// One bounded round of what can wait: looks after some clusters of vector indexes, removes some
    /// expired records of open namespaces and some rows of deleted ones, opens closed namespaces in
    /// which something has expired, and closes those that nobody uses. The host calls it every second
    /// or so, and again at once while [`Maintained::more`].
    ///
    /// # Errors
    /// When the store fails; the next round starts where this one ended.
    pub async fn maintain(&self) -> Result<Maintained> {
        let mut done = Maintained::default();
        let now = self.shared.clock.now_millis();
        self.patrol(now).await?;
        for namespace in self.handles() {
            if namespace.wants_tending() {
                let tend = Write {
                    durability: Durability::Memory,
                    ..Write::from(Change::Tend {
                        clusters: TEND_CLUSTERS,
                    })
                };
                match namespace.write(tend).await {
                    Ok(_) => done.more |= namespace.wants_tending(),
                    Err(Error::Closed) => {}
                    Err(error) => return Err(error),
                }
            }
            if namespace.next_expiry().is_some_and(|at| at <= now) {
                match namespace
                    .write(Change::Sweep {
                        limit: SWEEP_RECORDS,
                    })
                    .await
                {
                    Ok(written) => {
                        done.swept += written.outcomes.len() as u64;
                        done.more |= written.next.is_some();
                    }
                    Err(Error::Closed) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.reclaim(&mut done).await?;
        self.close_idle();
        Ok(done)
    }

    /// When the next record of an open namespace expires, so that [`maintain`](Self::maintain) has
    /// something to do. Costs a look at each.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        let open = self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        open.values().filter_map(Namespace::next_expiry).min()
    }

    /// Looks at some closed namespaces, each in its turn, and opens those in which something is due,
    /// so that it is swept though nobody asks for the namespace. Costs two short reads a name.
    async fn patrol(&self, now: u64) -> Result<()> {
        let snapshot = self.shared.store.snapshot().await?;
        let mut patrolled = self.shared.patrolled.lock().await;
        let start = match &*patrolled {
            Some(name) => successor(&catalog::name_key(name)),
            None => NAMES.to_vec(),
        };
        let limit = ScanLimit::rows(PATROL_NAMES);
        let page = snapshot.scan(&start, &prefix_end(NAMES), limit).await?;
        let mut names = Vec::with_capacity(page.rows.len());
        for (key, value) in &page.rows {
            let corrupt = |why| StoreError::corrupt_row(key, why);
            let name = codec::utf8(&key[NAMES.len()..]).map_err(corrupt)?;
            names.push((name, catalog::number(value).map_err(corrupt)?));
        }
        // The next round begins behind these even if one of them cannot be read.
        *patrolled = names
            .last()
            .filter(|_| page.more)
            .map(|(name, _)| name.clone());
        drop(patrolled);
        for (name, number) in names {
            if self.opened(&name).is_some() {
                continue;
            }
            let store = Arc::clone(&self.shared.store);
            let rows = ScopedStore::new(store, catalog::namespace_prefix(number));
            let next = next_expiry(&*rows.snapshot().await?).await?;
            if next.is_some_and(|at| at <= now) {
                self.open(&name).await?;
            }
        }
        Ok(())
    }

    /// The open namespaces that are wanted, by name.
    #[must_use]
    pub fn open_namespaces(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Namespace)> {
        let open = self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let open = open.iter().filter(|(name, _)| wanted(name));
        open.map(|(name, namespace)| (name.clone(), namespace.clone()))
            .collect()
    }

    fn handles(&self) -> Vec<Namespace> {
        let open = self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        open.values().cloned().collect()
    }

    async fn reclaim(&self, done: &mut Maintained) -> Result<()> {
        let snapshot = self.shared.store.snapshot().await?;
        let tombstones = snapshot
            .scan(TOMBSTONES, &prefix_end(TOMBSTONES), ScanLimit::rows(1))
            .await?;
        let Some((tombstone, _)) = tombstones.rows.first() else {
            return Ok(());
        };
        let number = catalog::number(&tombstone[TOMBSTONES.len()..])
            .map_err(|why| StoreError::corrupt_row(tombstone, why))?;
        let prefix = catalog::namespace_prefix(number);
        let limit = ScanLimit {
            rows: RECLAIM_ROWS,
            bytes: 64 << 20,
        };
        let page = snapshot.scan(&prefix, &prefix_end(&prefix), limit).await?;
        let mut batch = Batch::default();
        done.reclaimed += page.rows.len() as u64;
        for (key, _) in page.rows {
            batch.delete(key);
        }
        if !page.more {
            batch.delete(tombstone.clone());
        }
        done.more |= page.more || tombstones.more;
        Ok(self.shared.store.commit(batch, Durability::Memory).await?)
    }

    /// Closes unused namespaces: all that never came into being, and above a number those of which
    /// everything counted is collected.
    fn close_idle(&self) {
        let mut open = self
            .shared
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut surplus = open.len().saturating_sub(OPEN_IDLE_MAX);
        open.retain(|_, namespace| {
            if !namespace.is_idle() {
                return true;
            }
            let close = !namespace.exists() || surplus > 0 && !namespace.is_uncollected();
            surplus = surplus.saturating_sub(close.into());
            !close
        });
    }
}
