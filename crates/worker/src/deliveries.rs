//! Sends what is in the outboxes of the accounts in an object, a bounded number of messages in an alarm.

use std::{cell::Cell, sync::Arc};

use quartz_core::store::StoreError;
use quartz_service::{Account, Accounts, Network};

use crate::courier::FetchCourier;

/// Messages of one account at once: as many connections as the platform opens at the same time, beyond which
/// a message would wait while its time runs.
const MESSAGES: usize = 6;
/// Accounts in one alarm: with their messages fewer than the 50 requests that the free plan allows it.
const ACCOUNTS: usize = 8;

/// The messages of accounts on their way to webhooks.
pub(crate) struct Deliveries {
    courier: FetchCourier,
    /// Whether the accounts that had something to send before this instance are in memory.
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

    /// Sends some of what is due, that first which has waited longest.
    pub(crate) async fn send(&self, accounts: &Accounts) -> Result<(), StoreError> {
        if !self.found.get() {
            accounts.find_messages().await?;
            self.found.set(true);
        }
        let mut due = accounts.with_due_messages();
        due.sort_unstable_by_key(Account::next_delivery);
        for account in due.iter().take(ACCOUNTS) {
            let now = accounts.now_millis();
            quartz_http::deliver(account, &self.courier, now, MESSAGES).await?;
        }
        Ok(())
    }
}
