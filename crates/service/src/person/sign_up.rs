//! Signing up: an account of one's own, after the address has proved to be one's own.

use super::{
    Attempt, Email, PersonId, Visitor, letters,
    password::StoredPassword,
    secret::{self, LINK_PREFIX},
    session::SessionInfo,
};
use crate::{
    AccountId, Accounts,
    accounts::NewAccount,
    error::{Error, Result},
    peers::{AccountAsk, Ask},
    rows::{
        link::{Purpose, StoredLink},
        person::StoredPerson,
    },
};

/// How long a link of a sign-up is good.
const LINK_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Who wants an account.
#[derive(Clone)]
pub struct SignUp {
    /// Their address.
    pub email: Email,
    /// The password that they want.
    pub password: String,
    /// What they call the account.
    pub account_name: String,
}

impl std::fmt::Debug for SignUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignUp")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    /// Sends a link by mail that founds the account. Whoever has an account gets another mail; the answer
    /// is the same, and it comes before anything is looked up.
    ///
    /// # Errors
    /// [`Error::SignUpClosed`] where strangers may not, [`Error::TooOften`].
    pub fn sign_up(&self, visitor: &Visitor, wanted: SignUp) -> Result<()> {
        let ports = self.ports();
        if !ports.people.sign_up || ports.mail.is_none() {
            return Err(Error::SignUpClosed);
        }
        let now = visitor.now_micros;
        self.turnstile()
            .pass(Attempt::SignUp, visitor.address, now)?;
        if !self.turnstile().may_mail(PersonId::of(&wanted.email), now) {
            return Ok(());
        }
        let accounts = self.clone();
        (ports.spawn)(Box::pin(async move {
            if let Err(error) = accounts.prepare(wanted).await {
                tracing::warn!(%error, "a sign-up was not taken");
            }
        }));
        Ok(())
    }

    async fn prepare(&self, wanted: SignUp) -> Result<()> {
        let ports = self.ports();
        let SignUp {
            email,
            password,
            account_name,
        } = wanted;
        let person = self.people().open(PersonId::of(&email)).await?;
        if person.state().person.is_some() {
            self.mail(letters::known_already(&ports.people, &email));
            return Ok(());
        }
        let password = StoredPassword::make(ports, &password).await;
        let password = password.ok_or(Error::Credentials)?;
        let token = secret::make(LINK_PREFIX, person.id(), ports.random());
        let link = StoredLink {
            purpose: Purpose::SignUp {
                email: email.as_str().to_owned(),
                account: AccountId::from_random(ports.random()),
                account_name,
                password,
            },
            expires_at: self.now_millis().saturating_add(LINK_MILLIS),
        };
        let hash = blake3::hash(token.as_bytes()).into();
        let changed = person.change(self.now_millis(), |draft| {
            draft.put_link(hash, link);
            Ok(())
        });
        changed.await?;
        self.mail(letters::verify(&ports.people, &email, &token));
        Ok(())
    }

    /// Takes the link of a sign-up, with the password: the link alone must not let in the reader of a
    /// mailbox into what a stranger has prepared. Founds the account and signs in.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Credentials`], [`Error::TooOften`].
    pub async fn verify(
        &self,
        visitor: &Visitor,
        token: &str,
        password: &str,
    ) -> Result<(String, SessionInfo)> {
        let secret = secret::parse(LINK_PREFIX, token).ok_or(Error::Link)?;
        self.may_guess(visitor, secret.person)?;
        let person = self.people().open_existing(secret.person).await?;
        let person = person.ok_or(Error::Link)?;
        let now = self.now_millis();
        let state = person.state();
        // Who has come another way meanwhile logs in by what they have set then.
        if state.person.is_some() {
            return Err(Error::Link);
        }
        let link = state.link(&secret.hash, now).ok_or(Error::Link)?;
        let Purpose::SignUp {
            email,
            account,
            account_name,
            password: stored,
        } = &link.purpose
        else {
            return Err(Error::Link);
        };
        if !StoredPassword::opens(Some(stored), self.ports(), password).await {
            return Err(Error::Credentials);
        }
        let address = Email::parse(email).ok_or(Error::Link)?;
        let new = NewAccount {
            name: account_name.clone(),
            owner: Some(address.clone()),
            ..NewAccount::default()
        };
        let found = AccountAsk::Found {
            visitor: visitor.clone(),
            new,
        };
        self.ask_peer(Ask::Account(*account, found)).await?;
        let cookie = self.begin(&person, *account, visitor, None, |draft| {
            if draft.state.person.is_some() || draft.state.link(&secret.hash, now).is_none() {
                return Err(Error::Link);
            }
            draft.drop_links(|_, _| true);
            draft.put_person(StoredPerson {
                email: email.clone(),
                created_at: now,
                password: Some(stored.clone()),
                accounts: vec![*account],
                totp: None,
                identities: Vec::new(),
            });
            Ok(())
        });
        let cookie = cookie.await?;
        let info = self.session_info(&cookie).await?;
        Ok((cookie, info))
    }
}
