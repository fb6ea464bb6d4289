use super::{Directory, numbers};
use crate::{
    error::{Error, Result},
    keys::catalog::{self, NAMES, TOMBSTONES},
    namespace::{Change, ListPage, Metered, Namespace, Write, metered_at_rest, next_expiry},
    store::{Batch, Durability, ScanLimit, Store as _, StoreError, prefix_end, successor},
};

/// Expired records removed from a namespace in one commit.
const SWEEP_RECORDS: usize = 512;
/// Clusters of a namespace's vector index looked after in one commit.
const TEND_CLUSTERS: usize = 16;
/// Rows of deleted namespaces removed in one commit.
const RECLAIM_ROWS: usize = 2048;
/// Names in the catalog that a round looks at, to find closed namespaces in which something is due.
const PATROL_NAMES: usize = 64;

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
    /// which something has expired, and closes those that nobody has used for a minute. The host calls it every second
    /// or so, and again at once while [`Maintained::more`].
    ///
    /// # Errors
    /// When the store fails; the next round starts where this one ended.
    pub async fn maintain(&self) -> Result<Maintained> {
        let mut done = Maintained::default();
        let now = self.shared.clock.now_millis();
        self.patrol(now).await?;
        for namespace in self.shared.open.pick(|_, open| Some(open.clone())) {
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
        self.close_idle(now);
        Ok(done)
    }

    /// When the next record of an open namespace expires, so that [`maintain`](Self::maintain) has
    /// something to do. Costs a look at each.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        let next = self.shared.open.pick(|_, open| open.next_expiry());
        next.into_iter().min()
    }

    /// Looks at some closed namespaces, each in its turn, and opens those in which something is due,
    /// so that it is swept though nobody asks for the namespace. Costs two short reads a name.
    async fn patrol(&self, now: u64) -> Result<()> {
        let mut patrolled = self.shared.patrolled.lock().await;
        let page = self.at_rest(patrolled.as_deref(), PATROL_NAMES).await?;
        // The next round begins behind these even if one of them cannot be read.
        *patrolled = page.next;
        drop(patrolled);
        for (name, number) in page.items {
            let rows = self.rows(number);
            let next = next_expiry(&*rows.snapshot().await?).await?;
            if next.is_some_and(|at| at <= now) {
                self.open(&name).await?;
            }
        }
        Ok(())
    }

    /// The closed ones among some names behind another.
    async fn at_rest(&self, after: Option<&str>, limit: usize) -> Result<ListPage<(String, u32)>> {
        let start = match after {
            Some(name) => successor(&catalog::name_key(name)),
            None => NAMES.to_vec(),
        };
        let snapshot = self.shared.store.snapshot().await?;
        let mut page = numbers(&*snapshot, &start, &prefix_end(NAMES), limit).await?;
        page.items
            .retain(|(name, _)| !self.shared.open.contains(name));
        Ok(page)
    }

    /// The open namespaces that are wanted, by name.
    #[must_use]
    pub fn open_namespaces(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Namespace)> {
        self.shared
            .open
            .pick(|name, open| wanted(name).then(|| (name.clone(), open.clone())))
    }

    /// What namespaces have counted, read without opening them: the closed ones among `limit` names behind another.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn metered_at_rest(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<(String, Metered)>> {
        let page = self.at_rest(after, limit).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (name, number) in page.items {
            let rows = self.rows(number);
            if let Some(metered) = metered_at_rest(&*rows.snapshot().await?).await? {
                items.push((name, metered));
            }
        }
        let next = page.next;
        Ok(ListPage { items, next })
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

    /// Closes namespaces that are not in use: all that never came into being, and of those that nobody has
    /// asked for lately the ones of which everything counted is collected.
    fn close_idle(&self, now: u64) {
        let open = &self.shared.open;
        open.retain(|namespace| namespace.exists() || !namespace.is_idle());
        open.close_idle(now, |namespace| {
            namespace.is_idle() && !namespace.is_uncollected()
        });
    }
}
