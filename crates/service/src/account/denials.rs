//! Denials in the audit log. They come as fast as somebody knocks, so they are gathered, and what is
//! too much is counted.

use std::sync::{Mutex, PoisonError};

use quartz_core::store::{Batch, Durability, StoreError};

use super::{Account, State};
use crate::{audit, rows::audit::Entry};

/// Denials that one flush writes; more are counted.
const GATHERED_MAX: usize = 64;

/// Denials that are not yet in the log.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<(Vec<Entry>, u64)>);

impl Gathered {
    fn add(&self, entry: Entry) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, dropped) = &mut *gathered;
        if entries.len() < GATHERED_MAX {
            entries.push(entry);
        } else {
            *dropped += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .is_empty()
    }

    fn take(&self) -> (Vec<Entry>, u64) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Account {
    /// Notes that something was refused. It is in the log after the next
    /// [`flush_denials`](Self::flush_denials).
    pub fn note_denial(&self, entry: Entry) {
        self.0.denials.add(entry);
    }

    pub(crate) fn has_denials(&self) -> bool {
        !self.0.denials.is_empty()
    }

    /// Writes the denials since the last time into the log: up to 64 of them, and how many more there
    /// were.
    ///
    /// # Errors
    /// When the store fails; the denials are lost.
    pub async fn flush_denials(&self) -> Result<(), StoreError> {
        let (entries, dropped) = self.0.denials.take();
        if entries.is_empty() {
            return Ok(());
        }
        let _guard = self.0.writer.lock().await;
        self.reload().await?;
        let mut next = State::clone(&self.0.state.load());
        let mut batch = Batch::default();
        let now = self.0.ports.clock.now_millis();
        for entry in entries {
            next.head = audit::append(&mut batch, next.head, entry);
        }
        if dropped > 0 {
            let entry = Entry {
                at: now,
                actor: "system".to_owned(),
                action: "denials.dropped".to_owned(),
                outcome: "done".to_owned(),
                detail: format!("{dropped} more requests were refused since"),
                ..Entry::default()
            };
            next.head = audit::append(&mut batch, next.head, entry);
        }
        self.publish(batch, next, Durability::Memory).await
    }
}
