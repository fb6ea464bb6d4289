//! Sends what is in the outboxes of accounts, as long as the server runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quartz_service::{Accounts, Courier};
use tokio::task::JoinSet;

/// Between looks for messages that are due.
const PAUSE: Duration = Duration::from_secs(1);
/// Accounts whose messages are sent at once: one whose receivers are slow holds up no other.
const ACCOUNTS: usize = 64;
/// Messages of one account that are on their way at once.
const MESSAGES: usize = 16;

/// Runs until it is dropped.
pub(super) async fn run(accounts: Accounts, courier: Arc<dyn Courier>) {
    if let Err(error) = accounts.find_messages().await {
        tracing::warn!(%error, "messages to webhooks could not be looked for at the start");
    }
    let mut sending = JoinSet::new();
    let mut busy = HashMap::new();
    loop {
        for account in accounts.with_due_messages() {
            if busy.len() >= ACCOUNTS {
                break;
            }
            let id = account.id();
            if !busy.values().any(|other| *other == id) {
                let (courier, now) = (Arc::clone(&courier), accounts.now_millis());
                let task = sending.spawn(async move {
                    let sent = quartz_http::deliver(&account, &*courier, now, MESSAGES).await;
                    if let Err(error) = &sent {
                        tracing::warn!(account = %id, %error, "messages to webhooks are kept back");
                        // What cannot be noted is not to be sent again at once.
                        tokio::time::sleep(PAUSE).await;
                    }
                });
                busy.insert(task.id(), id);
            }
        }
        tokio::select! {
            Some(sent) = sending.join_next_with_id() => match sent {
                Ok((task, ())) => drop(busy.remove(&task)),
                Err(error) => {
                    tracing::error!(%error, "sending messages to webhooks failed");
                    busy.remove(&error.id());
                }
            },
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
