//! Closing an account: nobody gets in, its namespaces go, then itself. Every step may be repeated, so what
//! a crash cuts off is finished by [`Accounts::finish_closings`].

use quartz_core::{
    directory::Directory,
    namespace::ListRange,
    store::{BoxFuture, StoreError},
};

use crate::{Account, AccountId, Accounts, By, error::Result};

/// Why a closed account is suspended until it is gone.
const CLOSED: &str = "closed by its owner";
/// Namespaces that are deleted before the next ones are listed.
const NAMESPACES: usize = 100;
/// Accounts that are looked at in one call.
const ACCOUNTS: usize = 200;

/// Where the namespaces of accounts are.
pub struct Namespaces<'a> {
    /// Those that are here, and the names of the others.
    pub directory: &'a Directory,
    /// Erases what is kept of a namespace elsewhere, in an object of its own. Repeating it does no harm.
    pub elsewhere: &'a (dyn Fn(&str) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync),
}

impl Accounts {
    /// Closes an account.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) for the first account; when a store fails, what is left is
    /// erased by the next call or by [`finish_closings`](Self::finish_closings).
    pub async fn close(&self, by: &By, id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
        if let Some(account) = self.open(id).await? {
            // From now on nobody gets in who could write.
            account.suspend(by, Some(CLOSED)).await?;
        }
        self.finish(id, namespaces).await
    }

    /// Finishes what was cut off among some accounts after `after`. Gives the last of them if there are more.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn finish_closings(
        &self,
        namespaces: &Namespaces<'_>,
        after: Option<AccountId>,
    ) -> Result<Option<AccountId>> {
        let (accounts, more) = self.list(after, ACCOUNTS).await?;
        let last = accounts.last().map(Account::id);
        let closed = |account: &&Account| account.profile().suspended.as_deref() == Some(CLOSED);
        let closed: Vec<_> = accounts.iter().filter(closed).map(Account::id).collect();
        drop(accounts);
        for id in closed {
            self.finish(id, namespaces).await?;
        }
        Ok(last.filter(|_| more))
    }

    async fn finish(&self, id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
        delete_all(id, namespaces).await?;
        self.erase(id).await?;
        // What a request that was let in before has still created.
        delete_all(id, namespaces).await?;
        tracing::info!(account = %id, "an account was closed");
        Ok(())
    }
}

async fn delete_all(id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
    let stored = |error| match error {
        quartz_core::Error::Store(error) => error,
        other => StoreError::Unavailable(other.to_string()),
    };
    loop {
        let range = ListRange {
            prefix: id.scope(),
            after: None,
            limit: NAMESPACES,
        };
        let page = namespaces.directory.list(&range).await.map_err(stored)?;
        if page.items.is_empty() {
            return Ok(());
        }
        for entry in page.items {
            (namespaces.elsewhere)(&entry.name).await?;
            let deleted = namespaces.directory.delete(&entry.name).await;
            deleted.map_err(stored)?;
        }
    }
}
