//! What the accounts and the registry, which keeps the people and the list of the accounts, ask of each other.
//! In a server both are in one store; at the edge each account is an object of its own, and the registry another.

use std::{fmt, sync::Arc};

use futures::future::join_all;
use quartz_core::store::{BoxFuture, StoreError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Account, AccountId, Accounts, AuditEntry, Email, Grant, NewAccount, PersonId, Visitor,
    error::{Error, Result},
    rows::enrolled::Stage,
};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An account.
    Account(AccountId),
    /// The people, and the list of the accounts.
    Registry,
}

/// A question or a request. Repeating one does no harm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// To an account.
    Account(AccountId, AccountAsk),
    /// To the registry.
    Registry(RegistryAsk),
}

/// What an account is asked. It may hold a secret, so it does not print itself.
#[derive(Clone, Serialize, Deserialize)]
pub enum AccountAsk {
    /// What it is: [`Answer::Described`].
    Describe,
    /// What a person may do: [`Answer::Standing`].
    Standing(PersonId),
    /// Whom a token invites: [`Answer::Invited`].
    Invitation {
        /// Number of the invitation.
        number: u32,
        /// Its token.
        token: String,
    },
    /// To take in somebody who was invited.
    Join {
        /// Where from.
        visitor: Visitor,
        /// Number of the invitation.
        number: u32,
        /// Its token.
        token: String,
        /// Who.
        email: Email,
    },
    /// To be, if it is not yet.
    Found {
        /// Where from.
        visitor: Visitor,
        /// As what.
        new: NewAccount,
    },
    /// To note that somebody has signed in.
    SignedIn {
        /// Where from.
        visitor: Visitor,
        /// Who.
        person: PersonId,
        /// By what, if not by a password.
        how: String,
    },
    /// To give somebody the role that their identity provider says; to let go of them if it says none.
    Appoint {
        /// Where from.
        visitor: Visitor,
        /// Who.
        email: Email,
        /// The role's name.
        role: Option<String>,
    },
    /// To note what was refused in another place.
    Denied {
        /// Entries of the log.
        entries: Vec<AuditEntry>,
        /// How many more there were.
        dropped: u64,
    },
}

/// What the registry is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RegistryAsk {
    /// To let people forget an account that they are no members of any more.
    Forget {
        /// Who.
        people: Vec<PersonId>,
        /// What.
        account: AccountId,
    },
    /// To list an account, or if it is at no stage, not to list it any more.
    Enrol {
        /// Which.
        account: AccountId,
        /// How far it is.
        stage: Option<Stage>,
    },
    /// For a page of the accounts: [`Answer::Page`].
    List {
        /// The last one of the page before.
        after: Option<AccountId>,
        /// How many at most.
        limit: usize,
    },
}

/// What they answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// What the account is, if there is one.
    Described(Option<Description>),
    /// What the person may do, if they are a member.
    Standing(Option<Standing>),
    /// The invited one's address, if the invitation is open.
    Invited(Option<String>),
    /// Ids, ascending, and whether there are more.
    Page(Vec<AccountId>, bool),
}

/// An account, as far as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// Name of its plan.
    pub plan: String,
    /// Why it is suspended, if it is.
    pub suspended: Option<String>,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}

/// A member, as the account sees them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// What they may do. One that has come from elsewhere is shared with nobody.
    #[serde(serialize_with = "bare", deserialize_with = "shared")]
    pub grant: Arc<Grant>,
    /// What the account is called.
    pub account_name: String,
    /// Whether the account lets nobody in.
    pub is_suspended: bool,
}

/// Brings a question to whoever is asked, and the answer back.
pub trait Peers: Send + Sync + 'static {
    /// Asks. `own` is what the one who asks has in its own store.
    ///
    /// # Errors
    /// Those of whoever is asked; when they cannot be, those of a store that is unavailable.
    fn ask(&self, own: &Accounts, ask: Ask) -> BoxFuture<'static, Result<Answer>>;
}

/// For a server: all of them are in its store, whose accounts are their own list.
#[derive(Clone, Copy, Debug)]
pub struct AllHere;

impl Peers for AllHere {
    fn ask(&self, own: &Accounts, ask: Ask) -> BoxFuture<'static, Result<Answer>> {
        let own = own.clone();
        Box::pin(async move {
            match ask {
                Ask::Registry(RegistryAsk::Enrol { .. }) => Ok(Answer::Done),
                Ask::Registry(RegistryAsk::List { after, limit }) => {
                    let (ids, more) = own.ids(after, limit).await?;
                    Ok(Answer::Page(ids, more))
                }
                ask => own.answer(ask).await,
            }
        })
    }
}

impl fmt::Debug for AccountAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountAsk(…)")
    }
}

impl Ask {
    /// Who is asked.
    #[must_use]
    pub const fn to(&self) -> Peer {
        match self {
            Self::Account(id, _) => Peer::Account(*id),
            Self::Registry(_) => Peer::Registry,
        }
    }
}

impl Accounts {
    /// Answers from this store.
    ///
    /// # Errors
    /// As what is asked for.
    pub async fn answer(&self, ask: Ask) -> Result<Answer> {
        match ask {
            Ask::Account(id, ask) => self.answer_as(id, ask).await,
            Ask::Registry(RegistryAsk::Forget { people, account }) => {
                for person in people {
                    self.forget_here(person, account).await?;
                }
                Ok(Answer::Done)
            }
            Ask::Registry(RegistryAsk::Enrol { account, stage }) => {
                self.roll().enrol(account, stage, self.now_millis()).await?;
                Ok(Answer::Done)
            }
            Ask::Registry(RegistryAsk::List { after, limit }) => {
                let (ids, more) = self.roll().list(after, limit).await?;
                Ok(Answer::Page(ids, more))
            }
        }
    }

    async fn answer_as(&self, id: AccountId, ask: AccountAsk) -> Result<Answer> {
        if let AccountAsk::Found { visitor, new } = ask {
            self.found_here(&visitor, id, &new).await?;
            return Ok(Answer::Done);
        }
        let account = self.open(id).await?;
        if let Some(account) = account.as_ref().filter(|account| account.is_uncertain()) {
            account.refresh().await?;
        }
        match ask {
            AccountAsk::Describe => Ok(Answer::Described(account.map(|one| one.description()))),
            AccountAsk::Standing(person) => {
                let standing = account.and_then(|account| account.standing(person));
                Ok(Answer::Standing(standing))
            }
            AccountAsk::Invitation { number, token } => {
                let found = account.and_then(|account| account.invitation_for(number, &token));
                Ok(Answer::Invited(found.map(|found| found.email.clone())))
            }
            AccountAsk::Join {
                visitor,
                number,
                token,
                email,
            } => {
                let account = account.ok_or(Error::Link)?;
                let by = visitor.member(id, number, &email);
                account.join(&by, number, &token, &email).await?;
                Ok(Answer::Done)
            }
            AccountAsk::SignedIn {
                visitor,
                person,
                how,
            } => {
                if let Some(account) = account
                    && let Some(grant) = account.badge(person)
                {
                    let by = visitor.by(grant);
                    account.record(&by, "session.create", &how).await?;
                }
                Ok(Answer::Done)
            }
            AccountAsk::Appoint {
                visitor,
                email,
                role,
            } => {
                let account = account.ok_or_else(|| Error::NotFound {
                    what: "account",
                    name: id.to_string(),
                })?;
                let by = visitor.member(id, 0, &email);
                match role {
                    Some(role) => account.appoint(&by, &email, &role).await?,
                    None => account.dismiss(&by, &email).await?,
                }
                Ok(Answer::Done)
            }
            AccountAsk::Denied { entries, dropped } => {
                if let Some(account) = account {
                    account.note_denials(entries, dropped);
                }
                Ok(Answer::Done)
            }
            AccountAsk::Found { .. } => Err(strange()),
        }
    }

    pub(crate) async fn ask_peer(&self, ask: Ask) -> Result<Answer> {
        self.ports().peers.ask(self, ask).await
    }

    /// What a person may do in an account, wherever it is.
    pub(crate) async fn standing(
        &self,
        account: AccountId,
        person: PersonId,
    ) -> Result<Option<Standing>> {
        let ask = Ask::Account(account, AccountAsk::Standing(person));
        match self.ask_peer(ask).await? {
            Answer::Standing(standing) => Ok(standing),
            _ => Err(strange()),
        }
    }

    pub(crate) async fn invited(
        &self,
        account: AccountId,
        number: u32,
        token: &str,
    ) -> Result<Option<String>> {
        let token = token.to_owned();
        let ask = AccountAsk::Invitation { number, token };
        match self.ask_peer(Ask::Account(account, ask)).await? {
            Answer::Invited(email) => Ok(email),
            _ => Err(strange()),
        }
    }

    pub(crate) async fn enrol_account(
        &self,
        account: AccountId,
        stage: Option<Stage>,
    ) -> Result<()> {
        let ask = Ask::Registry(RegistryAsk::Enrol { account, stage });
        self.ask_peer(ask).await.map(drop)
    }

    /// A page of accounts by id, after `after`, and where the next one begins, if there is one.
    ///
    /// # Errors
    /// When a store fails or holds damaged data, or an account cannot be asked.
    pub async fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<Description>, Option<AccountId>)> {
        let ask = Ask::Registry(RegistryAsk::List { after, limit });
        let Answer::Page(ids, more) = self.ask_peer(ask).await? else {
            return Err(strange());
        };
        let next = ids.last().copied().filter(|_| more);
        let asked = ids
            .into_iter()
            .map(|id| self.ask_peer(Ask::Account(id, AccountAsk::Describe)));
        let mut accounts = Vec::new();
        for answer in join_all(asked).await {
            match answer? {
                // One that is coming or going is listed, and is none.
                Answer::Described(described) => accounts.extend(described),
                _ => return Err(strange()),
            }
        }
        Ok((accounts, next))
    }
}

impl Account {
    /// What it is, as far as others see it.
    #[must_use]
    pub fn description(&self) -> Description {
        let profile = self.profile();
        Description {
            id: self.id(),
            name: profile.name,
            plan: profile.plan,
            suspended: profile.suspended,
            created_at: profile.created_at,
        }
    }

    fn standing(&self, person: PersonId) -> Option<Standing> {
        let profile = self.profile();
        Some(Standing {
            grant: self.badge(person)?,
            account_name: profile.name,
            is_suspended: profile.suspended.is_some(),
        })
    }
}

fn bare<S: Serializer>(grant: &Arc<Grant>, to: S) -> Result<S::Ok, S::Error> {
    Grant::serialize(grant, to)
}

fn shared<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Grant>, D::Error> {
    Grant::deserialize(from).map(Arc::new)
}

/// Whoever was asked has answered something else.
fn strange() -> Error {
    StoreError::Unavailable("the answer is to another question".to_owned()).into()
}
