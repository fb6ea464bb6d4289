//! Denials in the audit log.

use quartz_core::store::{Batch, Durability, StoreError};

use super::{Account, State};
use crate::{audit, denials::Denials, rows::audit::Entry};

impl Account {
    /// Notes that something was refused. It is in the log after the next
    /// [`flush_denials`](Self::flush_denials).
    pub fn note_denial(&self, entry: Entry) {
        self.0.denials.add(entry.into());
    }

    /// Notes what was refused in another place.
    pub(crate) fn note_denials(&self, entries: Vec<Entry>, dropped: u64) {
        self.0.denials.add(Denials { entries, dropped });
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
        let Denials { entries, dropped } = self.0.denials.take();
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
