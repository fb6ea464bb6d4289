//! Denials on their way to the audit logs. They come as fast as somebody knocks, so they are gathered, and
//! what is too much is counted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    Account, AccountId, Accounts, By,
    error::{Error, Result},
    peers::{AccountAsk, Ask},
    rows::audit::Entry,
};

/// Denials of an account that are kept until the next flush; more are counted.
const GATHERED_MAX: usize = 64;
/// Accounts elsewhere of which denials are kept. An object at the edge serves few, the registry all.
const ELSEWHERE_MAX: usize = 64;

/// Denials that are not yet in the log, and how many more there were.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Mutex<Denials>);

/// Entries for a log, and how many more were refused.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    pub(crate) entries: Vec<Entry>,
    pub(crate) dropped: u64,
}

impl Denials {
    fn add(&mut self, more: Self) {
        let room = GATHERED_MAX.saturating_sub(self.entries.len());
        self.dropped += more.dropped + more.entries.len().saturating_sub(room) as u64;
        self.entries.extend(more.entries.into_iter().take(room));
    }
}

impl From<Entry> for Denials {
    fn from(entry: Entry) -> Self {
        Self {
            entries: vec![entry],
            dropped: 0,
        }
    }
}

impl Gathered {
    pub(crate) fn add(&self, denials: Denials) {
        self.inside().add(denials);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inside().entries.is_empty()
    }

    pub(crate) fn take(&self) -> Denials {
        std::mem::take(&mut *self.inside())
    }

    fn inside(&self) -> MutexGuard<'_, Denials> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Denials to accounts that are not in memory here, and may be in another place.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere(Mutex<BTreeMap<AccountId, Denials>>);

impl Elsewhere {
    fn add(&self, id: AccountId, entry: Entry) {
        let mut accounts = self.inside();
        if accounts.len() < ELSEWHERE_MAX || accounts.contains_key(&id) {
            accounts.entry(id).or_default().add(entry.into());
        }
    }

    fn inside(&self) -> MutexGuard<'_, BTreeMap<AccountId, Denials>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// Notes that something was refused to whoever asked. It is in their account's log after the next
    /// [`flush_denials`](Self::flush_denials).
    pub fn note_denial(&self, by: &By, action: &str, code: &str) {
        let entry = Entry {
            action: action.to_owned(),
            outcome: code.to_owned(),
            ..by.entry(self.now_millis())
        };
        self.note_denied(by.grant.account, entry);
    }

    pub(crate) fn note_denied(&self, id: AccountId, entry: Entry) {
        match self.opened(id) {
            Some(account) => account.note_denial(entry),
            None => self.elsewhere().add(id, entry),
        }
    }

    /// Whether something was refused that is not in a log yet.
    #[must_use]
    pub fn has_denials(&self) -> bool {
        !self.elsewhere().inside().is_empty() || !self.with_denials().is_empty()
    }

    /// Writes the denials of accounts in memory into their logs, and tells other accounts theirs. The host calls
    /// it now and then.
    ///
    /// # Errors
    /// When the store fails, or an account cannot be asked; what was for it is lost.
    pub async fn flush_denials(&self) -> Result<()> {
        let elsewhere = std::mem::take(&mut *self.elsewhere().inside());
        for (id, Denials { entries, dropped }) in elsewhere {
            let denied = AccountAsk::Denied { entries, dropped };
            self.ask_peer(Ask::Account(id, denied)).await?;
        }
        for account in self.with_denials() {
            account.flush_denials().await.map_err(Error::Store)?;
        }
        Ok(())
    }

    fn with_denials(&self) -> Vec<Account> {
        self.in_memory(Account::has_denials)
    }
}
