//! Webhooks of the account, the log of their deliveries, and what is due.

use std::sync::Arc;

use quartz_core::store::{Batch, Durability, ScanLimit, Snapshot, StoreError};

use super::{Account, By, Change, State};
use crate::{
    bounds::room,
    error::{Error, Result},
    rows::{
        self, Kind,
        delivery::{self, Event, StoredDelivery},
        webhook::{self, Outbox, StoredWebhook},
    },
    webhook::{KEPT_EVENTS, next_attempt},
};

/// Rows of ended deliveries that one commit removes.
const FORGOTTEN_ROWS: usize = 64;
/// Rows of a deleted webhook that one commit removes.
const PURGED_ROWS: usize = 1024;

/// What a new webhook is to be.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where to.
    pub url: String,
    /// Types of events that it gets; empty: all.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
}

/// A webhook as it is shown.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its number in the account.
    pub number: u32,
    /// What is kept of it.
    pub stored: Arc<StoredWebhook>,
}

/// A webhook with its secret, which is shown this once.
#[derive(Clone)]
pub struct NewSecret {
    /// The webhook.
    pub hook: Hook,
    /// What its messages are signed with.
    pub secret: [u8; 32],
    /// Until when the secret before a rotation signs beside it.
    pub former_until: Option<u64>,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

/// A page of deliveries, by the number of their event.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPage {
    /// Number of the event, and what became of it.
    pub deliveries: Vec<(u64, StoredDelivery)>,
    /// Number after which the next page starts.
    pub next: Option<u64>,
}

/// A message that is due.
#[derive(Clone)]
pub struct Message {
    /// Number of the webhook.
    pub webhook: u32,
    /// Number of the event in the account.
    pub number: u64,
    /// When it was due.
    pub due_at: u64,
    /// Where to.
    pub url: String,
    /// What it is signed with.
    pub secrets: Vec<[u8; 32]>,
    /// What happened.
    pub event: Event,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("webhook", &self.webhook)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The message's webhook.
    pub webhook: u32,
    /// The number of its event.
    pub number: u64,
    /// When it was due.
    pub due_at: u64,
    /// Whether it was taken.
    pub taken: bool,
    /// The status of the answer, or why there was none.
    pub answer: String,
}

impl State {
    fn webhook(&self, number: u32) -> Result<&Arc<StoredWebhook>> {
        let found = self.webhooks.iter().find(|(other, _)| *other == number);
        let found = found.map(|(_, hook)| hook);
        found.ok_or_else(|| Error::NotFound {
            what: "webhook",
            name: number.to_string(),
        })
    }
}

impl Account {
    /// All webhooks, ascending by number.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Hook> {
        let state = self.0.state.load();
        let hooks = state.webhooks.iter();
        hooks
            .map(|(number, stored)| hook(*number, stored))
            .collect()
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub fn webhook(&self, number: u32) -> Result<Hook> {
        let state = self.0.state.load();
        Ok(hook(number, state.webhook(number)?))
    }

    /// Makes a webhook.
    ///
    /// # Errors
    /// [`Error::TooMany`] at as many webhooks as there may be.
    pub async fn create_webhook(&self, by: &By, new: NewWebhook) -> Result<NewSecret> {
        let secret = self.0.ports.random();
        let now = self.0.ports.clock.now_millis();
        let most = self.0.ports.bounds.webhooks;
        self.change(by, |state| {
            room(state.webhooks.len(), most, "webhooks", "webhooks")?;
            let stored = Arc::new(StoredWebhook {
                url: new.url,
                events: new.events,
                description: new.description,
                created_at: now,
                created_by: by.grant.actor(),
                secret,
                former: None,
            });
            let mut next = state.clone();
            next.outbox.webhooks += 1;
            let number = next.outbox.webhooks;
            let mut batch = Batch::default();
            batch.put(webhook::outbox_key(), rows::encode(&next.outbox));
            batch.put(webhook::key(number), rows::encode(&*stored));
            next.webhooks.push((number, Arc::clone(&stored)));
            let answer = NewSecret {
                hook: hook(number, &stored),
                secret,
                former_until: None,
            };
            Ok(change(batch, next, "webhook.create", number, answer))
        })
        .await
    }

    /// Gives a webhook another secret; the one before signs beside it for `grace_millis` more.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn rotate_webhook(
        &self,
        by: &By,
        number: u32,
        grace_millis: u64,
    ) -> Result<NewSecret> {
        let secret = self.0.ports.random();
        let now = self.0.ports.clock.now_millis();
        self.change(by, |state| {
            let before = state.webhook(number)?;
            let until = now.saturating_add(grace_millis);
            let stored = Arc::new(StoredWebhook {
                secret,
                former: (grace_millis > 0).then_some((before.secret, until)),
                ..StoredWebhook::clone(before)
            });
            let mut batch = Batch::default();
            batch.put(webhook::key(number), rows::encode(&*stored));
            let mut next = state.clone();
            for (other, hook) in &mut next.webhooks {
                if *other == number {
                    *hook = Arc::clone(&stored);
                }
            }
            let answer = NewSecret {
                hook: hook(number, &stored),
                secret,
                former_until: stored.former.map(|(_, until)| until),
            };
            Ok(change(batch, next, "webhook.rotate", number, answer))
        })
        .await
    }

    /// Deletes a webhook with the log of its deliveries.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn delete_webhook(&self, by: &By, number: u32) -> Result<()> {
        self.change(by, |state| {
            state.webhook(number)?;
            let mut batch = Batch::default();
            batch.delete(webhook::key(number));
            let mut next = state.clone();
            next.webhooks.retain(|(other, _)| *other != number);
            Ok(change(batch, next, "webhook.delete", number, ()))
        })
        .await?;
        // What is due to it is dropped when its time comes.
        loop {
            let snapshot = self.0.store.snapshot().await?;
            let (start, end) = (delivery::key(number, 0), delivery::key(number + 1, 0));
            let page = snapshot
                .scan(&start, &end, ScanLimit::rows(PURGED_ROWS))
                .await?;
            let mut batch = Batch::default();
            for (key, _) in page.rows {
                batch.delete(key);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.0.store.commit(batch, Durability::Memory).await?;
        }
    }

    /// Sends a webhook an event that says nothing, so that its owner sees it come.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn test_webhook(&self, by: &By, number: u32) -> Result<(u64, StoredDelivery)> {
        let at = self.0.ports.clock.now_millis();
        let event = self.change(by, |state| {
            state.webhook(number)?;
            let mut next = state.clone();
            let mut batch = Batch::default();
            let event = next.outbox.events;
            let test = Event {
                kind: "webhook.test".to_owned(),
                at,
                data: Vec::new(),
            };
            next.enqueue(&mut batch, number, &test);
            next.outbox.events += 1;
            batch.put(webhook::outbox_key(), rows::encode(&next.outbox));
            Ok(change(batch, next, "webhook.test", number, event))
        });
        self.stored_delivery(number, event.await?).await
    }

    /// Up to `limit` deliveries of a webhook, of the events after number `after`; oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such webhook.
    pub async fn deliveries(
        &self,
        webhook: u32,
        after: Option<u64>,
        limit: usize,
    ) -> Result<DeliveryPage> {
        self.webhook(webhook)?;
        let snapshot = self.0.store.snapshot().await?;
        let first = after.map_or(0, |after| after.saturating_add(1));
        let start = delivery::key(webhook, first);
        let end = delivery::key(webhook + 1, 0);
        let page = snapshot.scan(&start, &end, ScanLimit::rows(limit)).await?;
        let mut deliveries = Vec::with_capacity(page.rows.len());
        for (key, value) in &page.rows {
            let number = u64::from_be_bytes(rows::number(key)?);
            deliveries.push((number, rows::decode(key, value)?));
        }
        let last = deliveries.last().map(|(number, _)| *number);
        Ok(DeliveryPage {
            next: last.filter(|_| page.more),
            deliveries,
        })
    }

    /// Sends an event once more, as if it had just happened.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the webhook has no such delivery, [`Error::Conflict`] while it is on its way.
    pub async fn replay(&self, by: &By, number: u32, event: u64) -> Result<(u64, StoredDelivery)> {
        let (_, stored) = self.stored_delivery(number, event).await?;
        let now = self.0.ports.clock.now_millis();
        self.change(by, |state| {
            state.webhook(number)?;
            if stored.next_at.is_some() {
                let why = format!("the delivery {event} is on its way already");
                return Err(Error::Conflict(why));
            }
            let stored = StoredDelivery {
                attempts: 0,
                next_at: Some(now),
                ..stored
            };
            let mut batch = Batch::default();
            batch.put(delivery::key(number, event), rows::encode(&stored));
            let mut next = state.clone();
            next.due_at(&mut batch, now, number, event);
            let detail = format!("event {event}");
            let change = change(batch, next, "webhook.replay", number, (event, stored));
            Ok(Change { detail, ..change })
        })
        .await
    }

    async fn stored_delivery(&self, webhook: u32, event: u64) -> Result<(u64, StoredDelivery)> {
        self.webhook(webhook)?;
        let snapshot = self.0.store.snapshot().await?;
        let found = stored(&*snapshot, webhook, event).await?;
        let found = found.ok_or_else(|| Error::NotFound {
            what: "delivery",
            name: event.to_string(),
        })?;
        Ok((event, found))
    }

    /// When the next delivery is due, if one is on its way.
    #[must_use]
    pub fn next_delivery(&self) -> Option<u64> {
        self.0.state.load().due
    }

    /// Up to `limit` messages that are due. They stay due until [`note_attempts`](Self::note_attempts).
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn due_messages(&self, limit: usize) -> Result<Vec<Message>, StoreError> {
        let now = self.0.ports.clock.now_millis();
        let snapshot = self.0.store.snapshot().await?;
        let state = self.0.state.load_full();
        let end = delivery::due_key(now.saturating_add(1), 0, 0);
        let page = snapshot
            .scan(&Kind::Due.key(&[]), &end, ScanLimit::rows(limit))
            .await?;
        let mut messages = Vec::with_capacity(page.rows.len());
        let mut stale = Batch::default();
        for (key, _) in page.rows {
            let (due_at, webhook, number) = delivery::due(&key)?;
            let pending = stored(&*snapshot, webhook, number).await?;
            let pending = pending.filter(|pending| pending.next_at == Some(due_at));
            match (pending, state.webhook(webhook)) {
                (Some(pending), Ok(hook)) => messages.push(Message {
                    webhook,
                    number,
                    due_at,
                    url: hook.url.clone(),
                    secrets: secrets(hook, now),
                    event: pending.event,
                }),
                // The webhook is deleted, or the delivery was sent again meanwhile.
                _ => stale.delete(key),
            }
        }
        if !stale.is_empty() {
            self.commit_deliveries(stale).await?;
        }
        Ok(messages)
    }

    /// Notes what became of messages, and when those that were not taken are tried again.
    ///
    /// # Errors
    /// When the store fails; the messages will come once more.
    pub async fn note_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let now = self.0.ports.clock.now_millis();
        let snapshot = self.0.store.snapshot().await?;
        let events = self.0.state.load().outbox.events;
        let mut batch = Batch::default();
        for attempt in attempts {
            let (webhook, number) = (attempt.webhook, attempt.number);
            batch.delete(delivery::due_key(attempt.due_at, webhook, number));
            let pending = stored(&*snapshot, webhook, number).await?;
            let Some(before) = pending.filter(|one| one.next_at == Some(attempt.due_at)) else {
                continue;
            };
            let attempts = before.attempts.saturating_add(1);
            let next_at = match attempt.taken {
                true => None,
                false => next_attempt(now, attempts),
            };
            let after = StoredDelivery {
                attempts,
                next_at,
                delivered_at: attempt.taken.then_some(now).or(before.delivered_at),
                tried_at: Some(now),
                answer: attempt.answer.clone(),
                ..before
            };
            batch.put(delivery::key(webhook, number), rows::encode(&after));
            if let Some(at) = next_at {
                batch.put(delivery::due_key(at, webhook, number), Vec::new());
            }
            forget(&*snapshot, webhook, events, &mut batch).await?;
        }
        self.commit_deliveries(batch).await
    }

    /// Commits a change to deliveries that are on their way, and sees what is due after it.
    async fn commit_deliveries(&self, batch: Batch) -> Result<(), StoreError> {
        let _guard = self.0.writer.lock().await;
        self.reload().await?;
        // A crash repeats what was not synced.
        self.0.store.commit(batch, Durability::Memory).await?;
        let snapshot = self.0.store.snapshot().await?;
        let mut next = State::clone(&self.0.state.load());
        next.due = next_due(&*snapshot).await?;
        self.0.state.store(Arc::new(next));
        Ok(())
    }
}

fn hook(number: u32, stored: &Arc<StoredWebhook>) -> Hook {
    Hook {
        number,
        stored: Arc::clone(stored),
    }
}

fn secrets(hook: &StoredWebhook, now: u64) -> Vec<[u8; 32]> {
    let former = hook.former.filter(|(_, until)| now < *until);
    let former = former.map(|(secret, _)| secret);
    [hook.secret].into_iter().chain(former).collect()
}

fn change<T>(
    batch: Batch,
    state: State,
    action: &'static str,
    number: u32,
    answer: T,
) -> Change<T> {
    let url = state.webhook(number).map(|hook| host(&hook.url).to_owned());
    Change {
        batch,
        state,
        action,
        target: format!("webhook:{number}"),
        detail: url.unwrap_or_default(),
        answer,
    }
}

/// Scheme and host of a URL: its path may be a secret.
fn host(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']);
    &url[..end.map_or(url.len(), |end| authority + end)]
}

async fn stored(
    snapshot: &dyn Snapshot,
    webhook: u32,
    event: u64,
) -> Result<Option<StoredDelivery>, StoreError> {
    let key = delivery::key(webhook, event);
    let value = snapshot.get(&key).await?;
    value.map(|value| rows::decode(&key, &value)).transpose()
}

/// Forgets some deliveries of old events that have ended.
async fn forget(
    snapshot: &dyn Snapshot,
    webhook: u32,
    events: u64,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let start = delivery::key(webhook, 0);
    let end = delivery::key(webhook, events.saturating_sub(KEPT_EVENTS));
    let page = snapshot
        .scan(&start, &end, ScanLimit::rows(FORGOTTEN_ROWS))
        .await?;
    for (key, value) in page.rows {
        let old: StoredDelivery = rows::decode(&key, &value)?;
        if old.next_at.is_none() {
            batch.delete(key);
        }
    }
    Ok(())
}

/// When the first delivery that is on its way is due.
pub(super) async fn next_due(snapshot: &dyn Snapshot) -> Result<Option<u64>, StoreError> {
    let page = snapshot
        .scan(&Kind::Due.key(&[]), &Kind::Due.end(), ScanLimit::rows(1))
        .await?;
    let first = page.rows.first();
    first.map(|(key, _)| Ok(delivery::due(key)?.0)).transpose()
}

/// The webhooks, ascending by number.
pub(super) async fn webhooks(
    snapshot: &dyn Snapshot,
) -> Result<Vec<(u32, Arc<StoredWebhook>)>, StoreError> {
    let mut hooks = Vec::new();
    for (key, stored) in rows::all(snapshot, Kind::Webhook).await? {
        hooks.push((u32::from_be_bytes(rows::number(&key)?), Arc::new(stored)));
    }
    Ok(hooks)
}

/// What is next, and what was announced.
pub(super) async fn outbox(snapshot: &dyn Snapshot) -> Result<Outbox, StoreError> {
    let key = webhook::outbox_key();
    match snapshot.get(&key).await? {
        None => Ok(Outbox::default()),
        Some(value) => rows::decode(&key, &value),
    }
}
