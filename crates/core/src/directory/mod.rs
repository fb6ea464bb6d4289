//! Many namespaces in one store, by name.
//!
//! Each namespace has a number and keeps its rows under it, so that all of them share the store's
//! commits and an idle one costs nothing but its catalog row. A namespace is opened when it is first
//! asked for, comes into being with its first commit (which carries its catalog row), and is deleted by
//! exchanging its catalog row for a tombstone; its rows are then removed in bounded slices.

mod maintenance;

use std::sync::Arc;

use futures::lock::Mutex;

pub use self::maintenance::Maintained;
use crate::{
    Clock, VectorCache,
    error::Result,
    keys::{
        self, FORMAT_VERSION,
        catalog::{self, FORMAT_KEY, NAMES, OWNED, TOMBSTONES},
        meta::Meta,
    },
    namespace::{ListPage, ListRange, Namespace},
    open_map::OpenMap,
    processors::Processors,
    store::{
        Batch, BoxFuture, Durability, RowCursor, ScanLimit, ScopedStore, Snapshot, Store,
        StoreError, prefix_end, successor,
    },
};

/// Runs a future to its end, in the background.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// A handle on all namespaces of a store. Clones share it.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cache: VectorCache,
    spawn: Spawn,
    processors: Processors,
    open: OpenMap<String, Namespace>,
    /// Held while namespaces come and go; the number the next new one gets.
    next_number: Mutex<u32>,
    /// The name after which the next round of maintenance looks for something that is due.
    patrolled: Mutex<Option<String>>,
}

/// A namespace in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}

/// Sums over the open namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Open namespaces.
    pub namespaces: u64,
    /// Their records, expired ones that are not yet swept included.
    pub records: u64,
    /// Their records with a vector.
    pub vectors: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

impl Directory {
    /// Opens the directory that `store` holds, or a new one. Costs a read of the catalog.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the store was written by a later version; others when it fails.
    pub async fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cache: VectorCache,
        spawn: Spawn,
    ) -> Result<Self> {
        Self::new_on(1, store, clock, cache, spawn).await
    }

    /// The same on a host with so many processors, to which `spawn` brings work: a query that compares millions of
    /// components uses those on which no other query runs.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub async fn new_on(
        processors: usize,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cache: VectorCache,
        spawn: Spawn,
    ) -> Result<Self> {
        let snapshot = store.snapshot().await?;
        check_format(&*snapshot).await?;
        let next_number = next_number(&*snapshot).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                clock,
                cache,
                processors: Processors::new(processors, Arc::clone(&spawn)),
                spawn,
                open: OpenMap::default(),
                next_number: Mutex::new(next_number),
                patrolled: Mutex::default(),
            }),
        })
    }

    /// The namespace, if it exists.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn open(&self, name: &str) -> Result<Option<Namespace>> {
        if let Some(namespace) = self.opened(name) {
            return Ok(namespace.exists().then_some(namespace));
        }
        let mut next_number = self.shared.next_number.lock().await;
        let namespace = self.open_slowly(name, false, &mut next_number).await?;
        Ok(namespace.filter(Namespace::exists))
    }

    /// The namespace, or a new one that its first successful write brings into being.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn open_or_create(&self, name: &str) -> Result<Namespace> {
        if let Some(namespace) = self.opened(name) {
            return Ok(namespace);
        }
        let mut next_number = self.shared.next_number.lock().await;
        let namespace = self.open_slowly(name, true, &mut next_number).await?;
        Ok(namespace
            .ok_or_else(|| StoreError::Unavailable("the namespace was not opened".into()))?)
    }

    /// A page of the namespaces, by name. Without a prefix, those whose names say whose they are
    /// (they begin with `~`) are left out.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn list(&self, range: &ListRange) -> Result<ListPage<Entry>> {
        let snapshot = self.shared.store.snapshot().await?;
        let prefix = catalog::name_key(&range.prefix);
        let start = match &range.after {
            Some(after) => successor(&catalog::name_key(after)).max(prefix.clone()),
            None => prefix.clone(),
        };
        let end = match range.prefix.is_empty() {
            true => catalog::name_key(OWNED),
            false => prefix_end(&prefix),
        };
        let ListPage { items: named, next } =
            numbers(&*snapshot, &start, &end, range.limit).await?;
        let mut items = Vec::with_capacity(named.len());
        for (name, number) in named {
            let meta_key = [catalog::namespace_prefix(number), keys::meta::key()].concat();
            let meta = snapshot.get(&meta_key).await?.ok_or_else(|| {
                StoreError::corrupt_row(&catalog::name_key(&name), "has no namespace")
            })?;
            let meta = Meta::decode(meta).map_err(|why| StoreError::corrupt_row(&meta_key, why))?;
            items.push(Entry {
                name,
                created_at: meta.created_at,
            });
        }
        Ok(ListPage { items, next })
    }

    /// Deletes a namespace; says whether there was one. The name is free at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        let _guard = self.shared.next_number.lock().await;
        if let Some(namespace) = self.shared.open.remove(name) {
            namespace.close().await;
        }
        let key = catalog::name_key(name);
        let Some(value) = self.shared.store.snapshot().await?.get(&key).await? else {
            return Ok(false);
        };
        let number = catalog::number(&value).map_err(|why| StoreError::corrupt_row(&key, why))?;
        let mut batch = Batch::default();
        batch.delete(key);
        batch.put(catalog::tombstone_key(number), Vec::new());
        self.shared.store.commit(batch, Durability::Disk).await?;
        Ok(true)
    }

    /// Enters a namespace that another store holds, so that [`list`](Self::list) names it with the
    /// time of its creation. Entering it again changes the time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enter(&self, name: &str, created_at: u64) -> Result<()> {
        let mut next_number = self.shared.next_number.lock().await;
        let key = catalog::name_key(name);
        let stored = self.shared.store.snapshot().await?.get(&key).await?;
        let number = match stored {
            Some(value) => {
                catalog::number(&value).map_err(|why| StoreError::corrupt_row(&key, why))?
            }
            None => take_number(&mut next_number)?,
        };
        let meta = Meta {
            created_at,
            ..Meta::default()
        };
        let mut batch = catalog_rows(key, number);
        let meta_key = [catalog::namespace_prefix(number), keys::meta::key()].concat();
        batch.put(meta_key, meta.encode());
        Ok(self.shared.store.commit(batch, Durability::Disk).await?)
    }

    /// Sums over the namespaces that are open. Costs a look at each.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counts = self.shared.open.pick(|_, open| Some(open.stored_counts()));
        let mut totals = Totals {
            namespaces: counts.len() as u64,
            ..Totals::default()
        };
        for counts in counts {
            totals.records += counts.records;
            totals.vectors += counts.vectors;
            totals.bytes += counts.bytes;
        }
        totals
    }

    /// The memory that all namespaces share.
    #[must_use]
    pub fn cache(&self) -> &VectorCache {
        &self.shared.cache
    }

    /// The store under all namespaces.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    fn opened(&self, name: &str) -> Option<Namespace> {
        let open = self.shared.open.get(name);
        open.filter(|namespace| !namespace.is_closed())
    }

    /// The rows of the namespace with this number.
    fn rows(&self, number: u32) -> ScopedStore {
        let store = Arc::clone(&self.shared.store);
        ScopedStore::new(store, catalog::namespace_prefix(number))
    }

    /// Opens a namespace while the number lock is held, so that each is opened once.
    async fn open_slowly(
        &self,
        name: &str,
        create: bool,
        next_number: &mut u32,
    ) -> Result<Option<Namespace>> {
        if let Some(namespace) = self.opened(name) {
            return Ok(Some(namespace));
        }
        let key = catalog::name_key(name);
        let stored = self.shared.store.snapshot().await?.get(&key).await?;
        let rows = match stored {
            Some(value) => self
                .rows(catalog::number(&value).map_err(|why| StoreError::corrupt_row(&key, why))?),
            None if create => {
                let number = take_number(next_number)?;
                self.rows(number).founded_with(catalog_rows(key, number))
            }
            None => return Ok(None),
        };
        let (clock, cache) = (Arc::clone(&self.shared.clock), self.shared.cache.clone());
        let processors = self.shared.processors.clone();
        let (namespace, writer) =
            Namespace::open_on(processors, Arc::new(rows), clock, cache).await?;
        (self.shared.spawn)(Box::pin(writer.run()));
        self.shared.open.insert(name.to_owned(), namespace.clone());
        Ok(Some(namespace))
    }
}

/// What the first commit of a namespace writes beside its own rows. The format goes with it: a store
/// that is only looked at stays empty.
fn catalog_rows(name_key: Vec<u8>, number: u32) -> Batch {
    let mut batch = Batch::default();
    batch.put(FORMAT_KEY, FORMAT_VERSION.to_be_bytes().to_vec());
    batch.put(name_key, number.to_be_bytes().to_vec());
    batch
}

/// A page of the catalog between two keys: names and numbers.
async fn numbers(
    snapshot: &dyn Snapshot,
    start: &[u8],
    end: &[u8],
    limit: usize,
) -> Result<ListPage<(String, u32)>> {
    let page = snapshot.scan(start, end, ScanLimit::rows(limit)).await?;
    let mut items = Vec::with_capacity(page.rows.len());
    for (key, value) in &page.rows {
        let corrupt = |why| StoreError::corrupt_row(key, why);
        let name = keys::codec::utf8(&key[NAMES.len()..]).map_err(corrupt)?;
        items.push((name, catalog::number(value).map_err(corrupt)?));
    }
    let last = items.last().filter(|_| page.more);
    let next = last.map(|(name, _)| name.clone());
    Ok(ListPage { items, next })
}

async fn check_format(snapshot: &dyn Snapshot) -> Result<()> {
    let Some(value) = snapshot.get(FORMAT_KEY).await? else {
        return Ok(());
    };
    match value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) {
        Some(version) if version <= FORMAT_VERSION => Ok(()),
        Some(version) => Err(StoreError::Refused(format!(
            "its format is version {version}, this program knows versions up to {FORMAT_VERSION}; \
             use the later release that wrote it"
        ))
        .into()),
        None => Err(StoreError::corrupt_row(FORMAT_KEY, "not a version").into()),
    }
}

fn take_number(next: &mut u32) -> Result<u32> {
    let number = *next;
    *next = number
        .checked_add(1)
        .ok_or_else(|| StoreError::Refused("the store has had 2^32 namespaces".into()))?;
    Ok(number)
}

/// One more than the highest number in the catalog and the tombstones.
async fn next_number(snapshot: &dyn Snapshot) -> Result<u32> {
    let mut next = 0;
    for (start, in_value) in [(NAMES, true), (TOMBSTONES, false)] {
        let limit = ScanLimit::rows(4096);
        let mut cursor = RowCursor::new(snapshot, start.to_vec(), prefix_end(start), limit);
        while let Some(rows) = cursor.next_page().await? {
            for (key, value) in rows {
                let number = if in_value {
                    &value[..]
                } else {
                    &key[start.len()..]
                };
                let number =
                    catalog::number(number).map_err(|why| StoreError::corrupt_row(&key, why))?;
                next = next.max(number.saturating_add(1));
            }
        }
    }
    Ok(next)
}
