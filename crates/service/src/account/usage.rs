//! What the account has used: taken over from namespaces, summed by month, held against the plan.

use std::{borrow::Borrow, collections::BTreeMap, sync::Arc};

use quartz_core::{
    namespace::Metered,
    store::{Batch, Durability, RowCursor, ScanLimit, Snapshot, StoreError},
    usage::Usage,
};

use super::{Account, By, Change, State};
use crate::{
    Catalogue, Plan,
    calendar::month_of_hour,
    error::{Error, Result},
    rows::{
        self, Kind,
        profile::{self, Profile},
        usage::{Stock, StoredUsage, UsageKey, hour_key, month_key, stock_key},
    },
};

/// Between the name of a namespace and the number of a part that counts for itself. No name has it.
pub(crate) const PART: char = '/';
/// Rows of usage that one report adds up.
const REPORT_ROWS_MAX: usize = 1_000_000;

/// What the account has used this month and holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Months since 1970.
    pub month: u32,
    /// What was used in it.
    pub used: Usage,
    /// What its namespaces hold together, as far as they have told.
    pub stock: Stock,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// First hour since 1970.
    pub from_hour: u32,
    /// Hour behind the last one.
    pub to_hour: u32,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this key.
    pub payer: Option<u32>,
    /// Hours of a line: 1 or 24.
    pub hours: u32,
    /// Whether each namespace has lines of its own.
    pub by_namespace: bool,
    /// Whether each key has lines of its own.
    pub by_key: bool,
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    /// First hour since 1970.
    pub hour: u32,
    /// The namespace, if asked for.
    pub namespace: Option<String>,
    /// The key, if asked for.
    pub payer: Option<u32>,
    /// What was used.
    pub used: Usage,
}

impl Account {
    /// Takes over what namespaces have counted, by name. May come any number of times with the same.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn roll_up(&self, told: &[(&str, Metered)]) -> Result<(), StoreError> {
        let shared = &*self.0;
        let _guard = shared.writer.lock().await;
        self.reload().await?;
        let snapshot = shared.store.snapshot().await?;
        let mut next = State::clone(&shared.state.load());
        let mut batch = Batch::default();
        let mut months = BTreeMap::<u32, Usage>::new();
        for (namespace, metered) in told {
            for (hour, payer, used) in &metered.rows {
                let key = UsageKey {
                    hour: *hour,
                    created_at: metered.created_at,
                    payer: *payer,
                    namespace: (*namespace).to_owned(),
                };
                let key = key.encode();
                let before = stored(&*snapshot, &key).await?;
                // A sum that has become smaller, after a crash that took reads along, must not be
                // stored: what it grows by again is in the month already.
                let sum = before.most(used);
                if sum != before {
                    batch.put(key, rows::encode(&StoredUsage::from(sum)));
                    let month = months.entry(month_of_hour(*hour)).or_default();
                    month.add(sum.since(&before));
                }
            }
            let stock = Stock {
                bytes: metered.bytes,
                vectors: metered.vectors,
            };
            if of(&next.stocks, *namespace) != Some(&stock) {
                batch.put(stock_key(namespace), rows::encode(&stock));
                put(&mut next.stocks, (*namespace).into(), stock);
            }
        }
        for (month, new) in months {
            let key = month_key(month);
            let mut sum = stored(&*snapshot, &key).await?;
            sum.add(new);
            batch.put(key, rows::encode(&StoredUsage::from(sum)));
            put(&mut next.months, month, sum);
        }
        next.notice(&mut batch, shared.ports.clock.now_millis());
        self.publish(batch, next, Durability::Disk).await
    }

    /// Forgets what a namespace held, which is deleted. What it used stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_namespace(&self, namespace: &str) -> Result<(), StoreError> {
        let shared = &*self.0;
        let _guard = shared.writer.lock().await;
        self.reload().await?;
        let mut next = State::clone(&shared.state.load());
        let mut batch = Batch::default();
        next.stocks.retain(|(name, _)| {
            let stays = whole(name) != namespace;
            if !stays {
                batch.delete(stock_key(name));
            }
            stays
        });
        self.publish(batch, next, Durability::Disk).await
    }

    /// What was used this month and is held now.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let now = self.0.ports.clock.now_millis();
        self.0.state.load().balance(now)
    }

    /// The account's plan as the catalogue has it.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.0.state.load().plan.clone()
    }

    /// Takes the account's plan from the catalogue again, which has changed.
    pub(crate) async fn renew_plan(&self) {
        let shared = &*self.0;
        let _guard = shared.writer.lock().await;
        let mut next = State::clone(&shared.state.load());
        next.plan = shared.ports.plans.load().plan(&next.profile.plan);
        next.settle(shared.ports.clock.now_millis());
        shared.state.store(Arc::new(next));
    }

    /// Adds up what was used, by hour or day and, if asked for, by namespace and key.
    ///
    /// # Errors
    /// [`Error::LongReport`] above a million rows; when the store fails or holds damaged data.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageLine>> {
        let snapshot = self.0.store.snapshot().await?;
        let (start, end) = (hour_key(query.from_hour), hour_key(query.to_hour));
        let mut cursor = RowCursor::new(&*snapshot, start, end, ScanLimit::rows(4096));
        let mut lines = BTreeMap::<(u32, Option<String>, Option<u32>), Usage>::new();
        let mut read = 0;
        while let Some(page) = cursor.next_page().await? {
            read += page.len();
            if read > REPORT_ROWS_MAX {
                return Err(Error::LongReport {
                    most: REPORT_ROWS_MAX,
                });
            }
            for (key, value) in page {
                let used: StoredUsage = rows::decode(&key, &value)?;
                let key = UsageKey::decode(&key)?;
                let namespace = whole(&key.namespace);
                let wanted = query
                    .namespace
                    .as_ref()
                    .is_none_or(|name| name == namespace)
                    && query.payer.is_none_or(|payer| payer == key.payer);
                if wanted {
                    let line = (
                        key.hour - key.hour % query.hours.max(1),
                        query.by_namespace.then(|| namespace.to_owned()),
                        query.by_key.then_some(key.payer),
                    );
                    lines.entry(line).or_default().add(used.into());
                }
            }
        }
        let lines = lines
            .into_iter()
            .map(|((hour, namespace, payer), used)| UsageLine {
                hour,
                namespace,
                payer,
                used,
            });
        Ok(lines.collect())
    }

    /// Sets the hard monthly budget in millionths of a dollar; `None` takes it away.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_budget(&self, by: &By, budget_micros: Option<u64>) -> Result<()> {
        self.change(by, |state| {
            let profile = Profile {
                budget_micros,
                ..state.profile.clone()
            };
            let detail = match budget_micros {
                Some(micros) => format!("{micros} millionths of a dollar a month"),
                None => "none".to_owned(),
            };
            let mut change = changed(state, profile, "budget.set", detail);
            change.state.renew_budget_notices(&mut change.batch);
            Ok(change)
        })
        .await
    }

    /// Puts the account on another plan of the catalogue.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such plan.
    pub async fn set_plan(&self, by: &By, catalogue: &Catalogue, name: &str) -> Result<()> {
        let Some(plan) = catalogue.plans.get(name) else {
            return Err(Error::NotFound {
                what: "plan",
                name: name.to_owned(),
            });
        };
        self.change(by, |state| {
            let profile = Profile {
                plan: name.to_owned(),
                ..state.profile.clone()
            };
            let mut change = changed(state, profile, "plan.set", name.to_owned());
            change.state.plan = plan.clone();
            Ok(change)
        })
        .await
    }
}

fn changed(state: &State, profile: Profile, action: &'static str, detail: String) -> Change<()> {
    let mut batch = Batch::default();
    batch.put(profile::key(), rows::encode(&profile));
    let mut next = state.clone();
    next.profile = profile;
    Change {
        batch,
        state: next,
        action,
        target: "account".to_owned(),
        detail,
        answer: (),
    }
}

/// The namespace of a part.
fn whole(name: &str) -> &str {
    name.split(PART).next().unwrap_or(name)
}

async fn stored(snapshot: &dyn Snapshot, key: &[u8]) -> Result<Usage, StoreError> {
    match snapshot.get(key).await? {
        None => Ok(Usage::default()),
        Some(value) => Ok(rows::decode::<StoredUsage>(key, &value)?.into()),
    }
}

/// What the namespaces hold, ascending by name.
pub(super) async fn stocks(snapshot: &dyn Snapshot) -> Result<Vec<(Box<str>, Stock)>, StoreError> {
    let stored = rows::all(snapshot, Kind::Stock).await?;
    let mut stocks = Vec::with_capacity(stored.len());
    for (name, stock) in stored {
        stocks.push((String::from_utf8_lossy(&name).into(), stock));
    }
    Ok(stocks)
}

/// What was used, ascending by month.
pub(super) async fn months(snapshot: &dyn Snapshot) -> Result<Vec<(u32, Usage)>, StoreError> {
    let stored = rows::all::<StoredUsage>(snapshot, Kind::Month).await?;
    let mut months = Vec::with_capacity(stored.len());
    for (key, used) in stored {
        months.push((u32::from_be_bytes(rows::number(&key)?), Usage::from(used)));
    }
    Ok(months)
}

/// What an ascending list has for a key.
pub(super) fn of<'a, K: Borrow<Q>, Q: Ord + ?Sized, V>(
    list: &'a [(K, V)],
    key: &Q,
) -> Option<&'a V> {
    let found = list.binary_search_by(|(other, _)| other.borrow().cmp(key));
    found.ok().map(|at| &list[at].1)
}

/// Enters a value into an ascending list.
fn put<K: Ord, V>(list: &mut Vec<(K, V)>, key: K, value: V) {
    match list.binary_search_by(|(other, _)| other.cmp(&key)) {
        Ok(at) => list[at].1 = value,
        Err(at) => list.insert(at, (key, value)),
    }
}
