//! Many people in one store, by id.

use std::sync::Arc;

use futures::lock::Mutex;
use quartz_core::{
    open_map::OpenMap,
    store::{Result, ScanLimit, ScopedStore, Store, prefix_end},
};

use super::{PersonId, actor::Person};
use crate::rows::{self, Kind, PEOPLE, link::StoredLink, session::StoredSession};

/// Rows that one sweep looks at.
const SWEEP_ROWS: usize = 1_024;

/// All people of a store.
pub(crate) struct Registry {
    store: Arc<dyn Store>,
    open: OpenMap<PersonId, Person>,
    /// Held while people come into memory, so that there is one actor for each.
    coming: Mutex<()>,
}

impl Registry {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            open: OpenMap::default(),
            coming: Mutex::new(()),
        }
    }

    /// The person, if in memory.
    pub(crate) fn opened(&self, id: PersonId) -> Option<Person> {
        self.open.get(&id)
    }

    /// The person, who may be nobody yet.
    pub(crate) async fn open(&self, id: PersonId) -> Result<Person> {
        if let Some(person) = self.opened(id) {
            return Ok(person);
        }
        let _guard = self.coming.lock().await;
        if let Some(person) = self.opened(id) {
            return Ok(person);
        }
        let person = Person::open(id, self.store_of(id)).await?;
        self.open.insert(id, person.clone());
        Ok(person)
    }

    /// The person, if there is anything of them. Strangers, who send any id, do not fill the memory.
    pub(crate) async fn open_existing(&self, id: PersonId) -> Result<Option<Person>> {
        if let Some(person) = self.opened(id) {
            return Ok(Some(person));
        }
        let prefix = prefix_of(id);
        let snapshot = self.store.snapshot().await?;
        let page = snapshot
            .scan(&prefix, &prefix_end(&prefix), ScanLimit::rows(1))
            .await?;
        match page.rows.is_empty() {
            true => Ok(None),
            false => self.open(id).await.map(Some),
        }
    }

    /// Lets go of people that nobody has asked for lately.
    pub(crate) fn close_idle(&self, now: u64) {
        self.open.close_idle(now, Person::is_idle);
    }

    /// Whether there is a row of anybody.
    pub(crate) async fn has_any(&self) -> Result<bool> {
        let snapshot = self.store.snapshot().await?;
        let (end, limit) = (prefix_end(PEOPLE), ScanLimit::rows(1));
        Ok(!snapshot.scan(PEOPLE, &end, limit).await?.rows.is_empty())
    }

    /// People after `after` of whom a session that was last seen before `seen_before`, or a link that ends
    /// before `now`, is still kept, in a slice of the rows; and where the next slice begins, if there is one.
    pub(crate) async fn overdue(
        &self,
        after: Option<PersonId>,
        now: u64,
        seen_before: u64,
    ) -> Result<(Vec<PersonId>, Option<PersonId>)> {
        let snapshot = self.store.snapshot().await?;
        let start = after.map_or_else(|| PEOPLE.to_vec(), |after| prefix_end(&prefix_of(after)));
        let limit = ScanLimit::rows(SWEEP_ROWS);
        let page = snapshot.scan(&start, &prefix_end(PEOPLE), limit).await?;
        let (mut overdue, mut last) = (Vec::new(), None);
        for (key, value) in &page.rows {
            let Some((id, rest)) = split(key) else {
                continue;
            };
            let ended = match rest.first() {
                Some(&kind) if kind == Kind::Link as u8 => {
                    rows::decode::<StoredLink>(key, value)?.expires_at <= now
                }
                Some(&kind) if kind == Kind::Session as u8 => {
                    rows::decode::<StoredSession>(key, value)?.seen_at < seen_before
                }
                _ => false,
            };
            if ended && overdue.last() != Some(&id) {
                overdue.push(id);
            }
            last = Some(id);
        }
        // A person has a bounded number of rows, fewer than a slice: the walk goes on.
        Ok((overdue, last.filter(|_| page.more)))
    }

    fn store_of(&self, id: PersonId) -> Arc<dyn Store> {
        Arc::new(ScopedStore::new(Arc::clone(&self.store), prefix_of(id)))
    }
}

fn prefix_of(id: PersonId) -> Vec<u8> {
    [PEOPLE, &id.0].concat()
}

/// The person whose row a key is, and the rest of the key.
fn split(key: &[u8]) -> Option<(PersonId, &[u8])> {
    let rest = key.strip_prefix(PEOPLE)?;
    let (id, rest) = rest.split_first_chunk()?;
    Some((PersonId(*id), rest))
}
