//! Closing an account: nobody gets in, its namespaces go, then itself. Every step may be repeated, so what
//! is cut off is finished by a repeat, or by [`Accounts::settle`].

use quartz_core::{
    directory::Directory,
    namespace::ListRange,
    store::{BoxFuture, StoreError},
};

use crate::{
    AccountId, Accounts, By,
    error::{Error, Result},
    rows::enrolled::Stage,
};

/// Why a closed account is suspended until it is gone.
const CLOSED: &str = "closed by its owner";
/// Namespaces that are deleted before the next ones are listed.
const NAMESPACES: usize = 100;

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
    /// [`Error::Conflict`] for the first account; when a store fails, what is left is erased by the next call
    /// or by [`settle`](Self::settle).
    pub async fn close(&self, by: &By, id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
        if id.is_root() {
            let why = "the account that runs the server cannot be closed";
            return Err(Error::Conflict(why.to_owned()));
        }
        self.enrol_account(id, Some(Stage::Closing)).await?;
        if let Some(account) = self.open(id).await? {
            // From now on nobody gets in who could write.
            account.suspend(by, Some(CLOSED)).await?;
        }
        self.finish(id, namespaces).await
    }

    /// Finishes what was cut off while an account of this store was created or closed, and has it listed as what
    /// it is.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn settle(&self, id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
        match self.open(id).await?.is_some() && !self.is_closing(id).await? {
            true => self.enrol_account(id, Some(Stage::There)).await,
            false => self.finish(id, namespaces).await,
        }
    }

    /// Whether an account of this store is being closed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_closing(&self, id: AccountId) -> Result<bool> {
        let account = self.open(id).await?;
        Ok(account.is_some_and(|one| one.profile().suspended.as_deref() == Some(CLOSED)))
    }

    /// Accounts of a slice of the list after `after` that are to be [settled](Self::settle), and where the next
    /// slice begins, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unsettled(
        &self,
        after: Option<AccountId>,
    ) -> Result<(Vec<AccountId>, Option<AccountId>)> {
        Ok(self.roll().unsettled(after, self.now_millis()).await?)
    }

    async fn finish(&self, id: AccountId, namespaces: &Namespaces<'_>) -> Result<()> {
        delete_all(id, namespaces).await?;
        self.erase(id).await?;
        // What a request that was let in before has still created.
        delete_all(id, namespaces).await?;
        self.enrol_account(id, None).await?;
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
