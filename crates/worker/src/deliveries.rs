//! Sends what is in the outbox of the account in an object, a bounded number of messages in an alarm.

use std::{cell::Cell, sync::Arc};

use quartz_core::store::StoreError;
use quartz_service::{Accounts, Network};

use crate::courier::FetchCourier;

/// Messages at once: as many connections as the platform opens at the same time, beyond which a message would
/// wait while its time runs.
const MESSAGES: usize = 6;
/// Times that so many are sent in one alarm: fewer than the 50 requests that the free plan allows it.
const ROUNDS: usize = 8;

/// The messages of an account on their way to webhooks.
pub(crate) struct Deliveries {
    courier: FetchCourier,
    /// Whether the account is in memory if it had something to send before this instance.
    found: Cell<bool>,
}

impl Deliveries {
    /// None yet; they may go into these networks too.
    pub(crate) fn new(allowed: Arc<[Network]>) -> Self {
        Self {
            courier: FetchCourier::new(allowed),
            found: Cell::new(false),
        }
    }

    /// Whether there is something to send, now or later.
    pub(crate) async fn are_there(&self, accounts: &Accounts) -> Result<bool, StoreError> {
        if !self.found.get() {
            accounts.find_messages().await?;
            self.found.set(true);
        }
        Ok(accounts.next_message().is_some())
    }

    /// Sends some of what is due.
    pub(crate) async fn send(&self, accounts: &Accounts) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let due = accounts.with_due_messages();
            let Some(account) = due.first() else {
                break;
            };
            let now = accounts.now_millis();
            quartz_http::deliver(account, &self.courier, now, MESSAGES).await?;
        }
        Ok(())
    }
}
