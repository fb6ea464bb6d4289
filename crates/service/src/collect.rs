//! From namespaces to their accounts: what was used, taken over as often as one likes.

use std::{collections::BTreeMap, mem};

use quartz_core::{
    directory::Directory,
    namespace::{Metered, Namespace},
};

use crate::{
    AccountId, Accounts,
    account::PART,
    error::{Error, Result},
};

/// Namespaces that the walk at the start looks at before it lists the next ones.
const WALK_NAMESPACES: usize = 100;

impl Accounts {
    /// Lets the accounts take over what open namespaces have counted since the last time; with
    /// `only`, one account's. A namespace whose account is gone is left alone.
    ///
    /// # Errors
    /// When the store fails; what is not taken over is the next time.
    pub async fn collect_from(&self, directory: &Directory, only: Option<AccountId>) -> Result<()> {
        let wanted = |name: &str| only.is_none_or(|only| owner(name).0 == Some(only));
        let mut by_owner = BTreeMap::<_, Vec<_>>::new();
        for (name, namespace) in directory.open_namespaces(wanted) {
            match namespace.flush_usage().await {
                Ok(()) | Err(quartz_core::Error::Closed) => {}
                Err(error) => return Err(from_core(error)),
            }
            // One that is being deleted is collected by whoever deletes it.
            if namespace.exists()
                && !namespace.is_closed()
                && let Some(from) = namespace.take_metered()
            {
                let (owner, _) = owner(&name);
                let told = (name, namespace, from);
                by_owner.entry(owner).or_default().push(told);
            }
        }
        for (id, namespaces) in by_owner {
            if let Err(error) = self.take_over(id, &namespaces).await {
                for (_, namespace, from) in &namespaces {
                    namespace.set_metered(*from);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets a namespace's account take over what it has counted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn collect(&self, name: &str, namespace: &Namespace) -> Result<()> {
        let namespaces = [(name.to_owned(), namespace.clone(), 0)];
        self.take_over(owner(name).0, &namespaces).await
    }

    /// Lets an account take over what namespaces of its own have counted from an hour on, in one commit.
    async fn take_over(
        &self,
        id: Option<AccountId>,
        namespaces: &[(String, Namespace, u32)],
    ) -> Result<()> {
        let account = match id {
            Some(id) => self.open(id).await?,
            None => None,
        };
        let Some(account) = account else {
            return Ok(());
        };
        let mut told = Vec::with_capacity(namespaces.len());
        for (name, namespace, from) in namespaces {
            let metered = namespace.metered(*from).await.map_err(from_core)?;
            told.push((owner(name).1, metered));
        }
        Ok(account.roll_up(&told).await?)
    }

    /// Lets a namespace's account take over what one that is elsewhere has told, or a part of one: a
    /// partition has a place of its own and counts for itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn told(&self, name: &str, part: Option<u16>, metered: Metered) -> Result<()> {
        let (Some(id), own) = owner(name) else {
            return Ok(());
        };
        let Some(account) = self.open(id).await? else {
            return Ok(());
        };
        let own = match part {
            None => own.to_owned(),
            Some(part) => format!("{own}{PART}{part}"),
        };
        Ok(account.roll_up(&[(&own, metered)]).await?)
    }

    /// Lets a namespace's account know that it is deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, name: &str) -> Result<()> {
        let (Some(id), own) = owner(name) else {
            return Ok(());
        };
        match self.open(id).await? {
            None => Ok(()),
            Some(account) => Ok(account.forget_namespace(own).await?),
        }
    }

    /// Takes over what every namespace has counted that is not open: what a process that was killed had not
    /// taken over. Costs a look at each, and leaves nothing open; the host runs it once, beside the first
    /// requests.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn collect_all(&self, directory: &Directory) -> Result<()> {
        let mut after = None;
        loop {
            let page = directory.metered_at_rest(after.as_deref(), WALK_NAMESPACES);
            let mut page = page.await.map_err(from_core)?;
            let mut by_owner = BTreeMap::<_, Vec<_>>::new();
            for (name, metered) in &mut page.items {
                if let (Some(id), own) = owner(name) {
                    let told = (own, mem::take(metered));
                    by_owner.entry(id).or_default().push(told);
                }
            }
            for (id, told) in by_owner {
                self.at_rest(id, async |account| account.roll_up(&told).await)
                    .await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// The account of a namespace, by the name in the directory, and the name that the account knows.
fn owner(name: &str) -> (Option<AccountId>, &str) {
    let Some(owned) = name.strip_prefix(quartz_core::keys::catalog::OWNED) else {
        return (Some(AccountId::ROOT), name);
    };
    match owned.split_once('/') {
        Some((id, own)) => (id.parse().ok(), own),
        None => (None, name),
    }
}

fn from_core(error: quartz_core::Error) -> Error {
    match error {
        quartz_core::Error::Store(error) => Error::Store(error),
        other => Error::Conflict(other.to_string()),
    }
}
