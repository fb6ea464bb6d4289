//! Many accounts in one store, by id: what a native server or a cluster node holds. An account object
//! at the edge holds one, in the same layout.

use core::net::IpAddr;
use std::{fmt, sync::Arc};

use futures::lock::Mutex;
use quartz_core::{
    open_map::OpenMap,
    store::{Batch, Durability, ScanLimit, ScopedStore, Store, StoreError, prefix_end},
};
use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountId, By, Catalogue, Denial, Email, Grant, Ports,
    account::Founding,
    calendar::month_of,
    denials::Elsewhere,
    error::{Error, Result},
    gatekeeper::{Admission, Credential, Gatekeeper, Keeper, Knock},
    key_text::{self, KeyFault},
    peers::Peer,
    person::{PeopleSettings, Registry, SESSION_PREFIX, Turnstile, Visitor, csrf_holds},
    roles,
    roll::Roll,
    rows::{ACCOUNTS, Kind, audit::Entry, enrolled::Stage},
    token::{self, Claims},
};

/// Rows of a closed account removed in one commit.
const ERASE_ROWS: usize = 2048;

/// A handle on all accounts of a store. Clones share it.
#[derive(Clone)]
pub struct Accounts(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    ports: Arc<Ports>,
    root: RootKey,
    root_grant: Arc<Grant>,
    open: OpenMap<AccountId, Account>,
    /// Held while accounts come and go.
    coming: Mutex<()>,
    /// The account of this store, where each has a store of its own.
    only: Option<AccountId>,
    people: Registry,
    turnstile: Turnstile,
    elsewhere: Elsewhere,
}

/// The key that the first account's owner starts with, kept as its hash. It is no row: whoever has the
/// server's files has the server.
#[derive(Clone)]
pub struct RootKey(blake3::Hash);

impl RootKey {
    /// The key whose text is `text`. Any text will do; [`key_text::make`] makes a good one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }

    /// Whether `presented` is this key, in a time that does not depend on where they differ.
    fn opens(&self, presented: &str) -> bool {
        // Hashes of blake3 compare in constant time.
        self.0 == blake3::hash(presented.as_bytes())
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

/// What a new account is to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// Its plan; the free one if not said.
    pub plan: Option<String>,
    /// Its first member, an owner.
    pub owner: Option<Email>,
}

impl Accounts {
    /// The accounts in `store`; makes the first one if it is not there.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn new(store: Arc<dyn Store>, ports: Ports, root: RootKey) -> Result<Self> {
        let accounts = Self::over(store, ports, root, None);
        if accounts.open(AccountId::ROOT).await?.is_none() {
            let (store, ports) = (accounts.store_of(AccountId::ROOT), accounts.0.ports.clone());
            let entry = Entry {
                at: ports.clock.now_millis(),
                actor: "system".into(),
                action: "account.create".into(),
                target: "account".into(),
                outcome: "done".into(),
                ..Entry::default()
            };
            let new = Founding {
                name: "root",
                plan: Catalogue::SELF_HOSTED,
                owner: None,
            };
            Account::create(AccountId::ROOT, store, ports, &new, entry).await?;
        }
        Ok(accounts)
    }

    /// The accounts in `store` as they are. With `only`, it is for the account of this id alone, which is not
    /// the first one, and perhaps yet to be created.
    #[must_use]
    pub fn over(
        store: Arc<dyn Store>,
        ports: Ports,
        root: RootKey,
        only: Option<AccountId>,
    ) -> Self {
        let root_grant = Arc::new(Grant {
            role: roles::OPERATOR.name.to_owned(),
            permissions: roles::OPERATOR.permissions,
            ..Grant::nothing()
        });
        Self(Arc::new(Shared {
            only,
            people: Registry::new(Arc::clone(&store)),
            turnstile: Turnstile::new(),
            elsewhere: Elsewhere::default(),
            store,
            ports: Arc::new(ports),
            root,
            root_grant,
            open: OpenMap::default(),
            coming: Mutex::new(()),
        }))
    }

    /// The account, if there is one. Waits only if it is not in memory.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn open(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        if let Some(account) = self.opened(id) {
            return Ok(Some(account));
        }
        let _guard = self.0.coming.lock().await;
        if let Some(account) = self.opened(id) {
            return Ok(Some(account));
        }
        let account = Account::open(id, self.store_of(id), self.0.ports.clone()).await?;
        if let Some(account) = &account {
            self.0.open.insert(id, account.clone());
        }
        Ok(account)
    }

    /// Does something with an account, if there is one, and lets go of it if it was not in memory before.
    pub(crate) async fn at_rest(
        &self,
        id: AccountId,
        visit: impl AsyncFnOnce(&Account) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let is_used = self.0.open.contains(&id);
        if let Some(account) = self.open(id).await? {
            visit(&account).await?;
            drop(account);
            if !is_used {
                self.0.open.close(&id, may_close);
            }
        }
        Ok(())
    }

    /// Creates an account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, by: &By, new: NewAccount) -> Result<Account> {
        let ports = &self.0.ports;
        let random = || AccountId::from_random(ports.random());
        let id = self.0.only.unwrap_or_else(random);
        let entry = by.entry(ports.clock.now_millis());
        if !self.create_as(id, &new, entry).await? {
            return Err(Error::Conflict("an id came twice; try again".to_owned()));
        }
        let account = self.open(id).await?;
        account.ok_or_else(|| StoreError::Unavailable("the account is gone".to_owned()).into())
    }

    /// Creates the account of somebody who has signed up, unless that was done already.
    pub(crate) async fn found_here(
        &self,
        visitor: &Visitor,
        id: AccountId,
        new: &NewAccount,
    ) -> Result<()> {
        let owner = new.owner.as_ref().map(Email::as_str).unwrap_or_default();
        let entry = Entry {
            at: self.now_millis(),
            actor: format!("{id}/person:{owner}"),
            address: visitor.address.map(|a| a.to_string()).unwrap_or_default(),
            request_id: visitor.request_id.clone(),
            ..Entry::default()
        };
        self.create_as(id, new, entry).await.map(drop)
    }

    /// Creates an account; says whether there was none of this id. It is listed before, so that none is ever
    /// missing, and a repeat does what was cut off.
    async fn create_as(&self, id: AccountId, new: &NewAccount, by: Entry) -> Result<bool> {
        let ports = &self.0.ports;
        let plans = ports.plans.load_full();
        let plan = new.plan.as_deref().unwrap_or(&plans.default);
        if !plans.plans.contains_key(plan) {
            return Err(Error::NotFound {
                what: "plan",
                name: plan.to_owned(),
            });
        }
        let entry = Entry {
            action: "account.create".into(),
            target: "account".into(),
            detail: format!("name {:?}, plan {plan}", new.name),
            outcome: "done".into(),
            ..by
        };
        self.enrol_account(id, Some(Stage::Coming)).await?;
        let founding = Founding {
            name: &new.name,
            plan,
            owner: new.owner.as_ref(),
        };
        let is_new = self.create_here(id, &founding, entry).await?;
        self.enrol_account(id, Some(Stage::There)).await?;
        Ok(is_new)
    }

    async fn create_here(&self, id: AccountId, new: &Founding<'_>, by: Entry) -> Result<bool> {
        let _guard = self.0.coming.lock().await;
        let (store, ports) = (self.store_of(id), self.0.ports.clone());
        let there = Account::open(id, Arc::clone(&store), ports.clone()).await?;
        if there.is_some() {
            return Ok(false);
        }
        Account::create(id, store, ports, new, by).await?;
        Ok(true)
    }

    /// Ids of accounts in this store after `after`, and whether there are more.
    pub(crate) async fn ids(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<AccountId>, bool), StoreError> {
        let snapshot = self.0.store.snapshot().await?;
        let mut start = match after {
            Some(after) => prefix_end(&prefix_of(after)),
            None => ACCOUNTS.to_vec(),
        };
        let mut ids = Vec::new();
        loop {
            let page = snapshot
                .scan(&start, &prefix_end(ACCOUNTS), ScanLimit::rows(1))
                .await?;
            let Some((key, _)) = page.rows.first() else {
                return Ok((ids, false));
            };
            if ids.len() >= limit {
                return Ok((ids, true));
            }
            let id = id_behind(ACCOUNTS, key)?;
            ids.push(id);
            start = prefix_end(&prefix_of(id));
        }
    }

    /// Erases an account: every row of it, audit log included, and every person who is in no other. Its namespaces are not here; delete them
    /// before. Says whether there was one.
    ///
    /// # Errors
    /// When the store fails; what is left is erased by the next call.
    pub(crate) async fn erase(&self, id: AccountId) -> Result<bool> {
        if let Some(account) = self.open(id).await? {
            self.dismiss_members(&account).await?;
        }
        let _guard = self.0.coming.lock().await;
        self.0.open.remove(&id);
        let prefix = prefix_of(id);
        let mut found = false;
        loop {
            let snapshot = self.0.store.snapshot().await?;
            let limit = ScanLimit::rows(ERASE_ROWS);
            let page = snapshot.scan(&prefix, &prefix_end(&prefix), limit).await?;
            if page.rows.is_empty() {
                return Ok(found);
            }
            found = true;
            let mut batch = Batch::default();
            // The profile goes with the first slice, so that half an account is none.
            for (key, _) in page.rows {
                batch.delete(key);
            }
            self.0.store.commit(batch, Durability::Disk).await?;
        }
    }

    /// Accounts in memory that have a message due.
    #[must_use]
    pub fn with_due_messages(&self) -> Vec<Account> {
        let now = self.now_millis();
        self.in_memory(|account| account.next_delivery().is_some_and(|at| at <= now))
    }

    /// When the first message of the accounts in memory is due, if one is on its way.
    #[must_use]
    pub fn next_message(&self) -> Option<u64> {
        let next = self.0.open.pick(|_, account| account.next_delivery());
        next.into_iter().min()
    }

    /// Takes accounts into memory that have messages on their way: those that a process before this one
    /// has left. The host calls it once.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn find_messages(&self) -> Result<(), StoreError> {
        let snapshot = self.0.store.snapshot().await?;
        let mut start = ACCOUNTS.to_vec();
        loop {
            let page = snapshot
                .scan(&start, &prefix_end(ACCOUNTS), ScanLimit::rows(1))
                .await?;
            let Some((key, _)) = page.rows.first() else {
                return Ok(());
            };
            let id = id_behind(ACCOUNTS, key)?;
            let prefix = prefix_of(id);
            let (first, end) = (Kind::Due.key(&[]), Kind::Due.end());
            let (first, end) = ([&prefix[..], &first].concat(), [&prefix[..], &end].concat());
            let due = snapshot.scan(&first, &end, ScanLimit::rows(1)).await?;
            if !due.rows.is_empty() {
                self.open(id).await?;
            }
            start = prefix_end(&prefix);
        }
    }

    /// Lets go of accounts and people that nobody has asked for lately. The host calls it now and then.
    pub fn close_idle(&self) {
        let now = self.now_millis();
        self.0.people.close_idle(now);
        self.0.open.close_idle(now, may_close);
    }

    /// The time, milliseconds since 1970.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        self.0.ports.clock.now_millis()
    }

    /// The month, since January 1970.
    #[must_use]
    pub fn month(&self) -> u32 {
        month_of(self.now_millis())
    }

    /// The plans.
    #[must_use]
    pub fn plans(&self) -> Arc<Catalogue> {
        self.0.ports.plans.load_full()
    }

    /// Replaces the plans, which have been checked. Accounts in memory are held to them at once, others
    /// when they come.
    pub async fn set_plans(&self, catalogue: Catalogue) {
        self.0.ports.plans.store(Arc::new(catalogue));
        for account in self.in_memory(|_| true) {
            account.renew_plan().await;
        }
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.0.ports
    }

    pub(crate) fn roll(&self) -> Roll {
        Roll(Arc::clone(&self.0.store))
    }

    pub(crate) fn people(&self) -> &Registry {
        &self.0.people
    }

    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    /// How people get in.
    #[must_use]
    pub fn people_settings(&self) -> &PeopleSettings {
        &self.0.ports.people
    }

    /// The accounts in memory that are wanted.
    pub(crate) fn in_memory(&self, wanted: impl Fn(&Account) -> bool) -> Vec<Account> {
        let pick = |account: &Account| wanted(account).then(|| account.clone());
        self.0.open.pick(|_, account| pick(account))
    }

    pub(crate) fn elsewhere(&self) -> &Elsewhere {
        &self.0.elsewhere
    }

    pub(crate) fn opened(&self, id: AccountId) -> Option<Account> {
        self.0.open.get(&id)
    }

    fn store_of(&self, id: AccountId) -> Arc<dyn Store> {
        Arc::new(ScopedStore::new(Arc::clone(&self.0.store), prefix_of(id)))
    }

    /// Who knows whether to let a request in.
    #[must_use]
    pub fn keeper(&self, knock: &Knock<'_>) -> Keeper {
        let key = match knock.credential {
            Credential::Key(key) => key,
            Credential::Session { cookie, csrf } => {
                return if !cookie.starts_with(SESSION_PREFIX) {
                    Keeper::Nobody(Err(Denial::Session))
                } else if csrf.is_some_and(|token| !csrf_holds(cookie, token)) {
                    Keeper::Nobody(Err(Denial::Csrf))
                } else {
                    Keeper::Peer(Peer::Registry)
                };
            }
        };
        if key.starts_with(token::PREFIX) {
            return match Claims::parse(key) {
                Some(claims) => Keeper::Peer(Peer::Account(claims.account)),
                None => Keeper::Nobody(Err(Denial::Unknown)),
            };
        }
        let id = key_text::account(key);
        // A root key may be any text that an operator chose.
        if matches!(id, Err(_) | Ok(AccountId::ROOT)) && self.0.root.opens(key) {
            let grant = Arc::clone(&self.0.root_grant);
            let checked = grant.check(self.0.ports.clock.now_millis(), knock.address);
            return Keeper::Nobody(checked.map(|()| grant));
        }
        match id {
            Ok(id) => Keeper::Peer(Peer::Account(id)),
            Err(KeyFault::Prefix) => Keeper::Nobody(Err(Denial::Unknown)),
            Err(fault) => Keeper::Nobody(Err(Denial::Malformed(fault))),
        }
    }

    fn admit_token(&self, token: &str, address: Option<IpAddr>) -> Admission {
        let Some(claims) = Claims::parse(token) else {
            return Admission::Ready(Err(Denial::Unknown));
        };
        let (id, token) = (claims.account, token.to_owned());
        self.ask(id, address, move |account| {
            account.token_grant(&token, &claims)
        })
    }

    /// Asks an account for a grant: at once if it is in memory.
    fn ask(
        &self,
        id: AccountId,
        address: Option<IpAddr>,
        grant: impl Fn(&Account) -> Result<Arc<Grant>, Denial> + Send + 'static,
    ) -> Admission {
        if let Some(account) = self.opened(id)
            && !account.is_uncertain()
        {
            return Admission::Ready(self.checked(grant(&account), address));
        }
        let accounts = self.clone();
        Admission::Pending(Box::pin(async move {
            let account = accounts.open(id).await.map_err(Denial::Store)?;
            let account = account.ok_or(Denial::Unknown)?;
            if account.is_uncertain() {
                account.refresh().await.map_err(Denial::Store)?;
            }
            accounts.checked(grant(&account), address)
        }))
    }

    pub(crate) fn checked(
        &self,
        grant: Result<Arc<Grant>, Denial>,
        address: Option<IpAddr>,
    ) -> Result<Arc<Grant>, Denial> {
        let grant = grant?;
        grant.check(self.0.ports.clock.now_millis(), address)?;
        Ok(grant)
    }
}

impl Gatekeeper for Accounts {
    fn admit(&self, knock: Knock<'_>) -> Admission {
        let id = match self.keeper(&knock) {
            Keeper::Nobody(admitted) => return Admission::Ready(admitted),
            Keeper::Peer(Peer::Registry) => None,
            Keeper::Peer(Peer::Account(id)) => Some(id),
        };
        match (id, knock.credential) {
            (_, Credential::Session { cookie, .. }) => self.admit_session(cookie, knock.address),
            (None, Credential::Key(_)) => Admission::Ready(Err(Denial::Unknown)),
            (Some(_), Credential::Key(token)) if token.starts_with(token::PREFIX) => {
                self.admit_token(token, knock.address)
            }
            (Some(id), Credential::Key(key)) => {
                // The rule, for which no text is copied.
                if let Some(account) = self.opened(id)
                    && !account.is_uncertain()
                {
                    return Admission::Ready(self.checked(account.grant(key), knock.address));
                }
                let key = key.to_owned();
                self.ask(id, knock.address, move |account| account.grant(&key))
            }
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

/// Whether nothing is lost when the account is let go.
fn may_close(account: &Account) -> bool {
    account.is_idle() && !account.has_denials() && account.next_delivery().is_none()
}

fn prefix_of(id: AccountId) -> Vec<u8> {
    [ACCOUNTS, id.as_bytes()].concat()
}

/// The account whose id stands in a key behind a prefix.
pub(crate) fn id_behind(prefix: &[u8], key: &[u8]) -> Result<AccountId, StoreError> {
    let corrupt = || StoreError::corrupt_row(key, "not a row of an account");
    let padded = key
        .get(prefix.len()..prefix.len() + 16)
        .ok_or_else(corrupt)?;
    let len = padded.iter().position(|&byte| byte == 0).unwrap_or(16);
    let text = std::str::from_utf8(&padded[..len]).map_err(|_| corrupt())?;
    text.parse().map_err(|_| corrupt())
}
