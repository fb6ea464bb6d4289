//! From an invitation to a member, and out again.

use super::{
    Email, PersonId, Visitor, invitation_text, letters, password::StoredPassword, second_factor,
    session::SessionInfo,
};
use crate::{
    Account, AccountId, Accounts, By, Invited, Letter, Permission,
    error::{Error, Result},
    peers::{AccountAsk, Ask, RegistryAsk},
    rows::person::StoredPerson,
};

impl Accounts {
    /// Invites somebody to an account by mail. Where there is no mail, the operator carries the token over.
    ///
    /// # Errors
    /// As [`Account::invite`], and [`Error::NoMail`].
    pub async fn invite(
        &self,
        account: &Account,
        by: &By,
        email: &Email,
        role: &str,
    ) -> Result<Invited> {
        let ports = self.ports();
        if ports.mail.is_none() && by.grant.allows(Permission::Operate).is_err() {
            return Err(Error::NoMail);
        }
        let invited = account.invite(by, email, role).await?;
        let inviter = match &by.grant.member {
            Some(member) => member.email.as_str(),
            None => "Its operator",
        };
        let name = account.profile().name;
        let letter = letters::invitation(&ports.people, email, &name, inviter, &invited.token);
        self.mail(letter);
        Ok(invited)
    }

    /// Whether invitations go out by mail; if not, whoever invites gets the token.
    #[must_use]
    pub fn sends_mail(&self) -> bool {
        self.ports().mail.is_some()
    }

    /// Accepts an invitation and signs in. Who is there already shows the password that they have; who is
    /// new sets one, the token having proved that they read mail to the address.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Credentials`], [`Error::SecondFactor`], [`Error::TooOften`].
    pub async fn accept(
        &self,
        visitor: &Visitor,
        token: &str,
        password: &str,
        code: Option<&str>,
        former: Option<&str>,
    ) -> Result<(String, SessionInfo)> {
        let (id, number) = invitation_text::parse(token).ok_or(Error::Link)?;
        let pass = super::Attempt::Guess;
        self.turnstile()
            .pass(pass, visitor.address, visitor.now_micros)?;
        let invited = self.invited(id, number, token).await?;
        let email = invited.and_then(|email| Email::parse(&email));
        let email = email.ok_or(Error::Link)?;
        self.turnstile()
            .guess(PersonId::of(&email), visitor.now_micros)?;
        let person = self.people().open(PersonId::of(&email)).await?;
        let state = person.state();
        let known = state.person.as_ref();
        let new = match known {
            Some(known) => {
                let stored = known.password.as_ref();
                if !StoredPassword::opens(stored, self.ports(), password).await {
                    return Err(Error::Credentials);
                }
                let totp = known.totp.as_ref().filter(|totp| totp.confirmed);
                if totp.is_some_and(|totp| !second_factor::fits(totp, code, self.now_millis())) {
                    return Err(Error::SecondFactor);
                }
                None
            }
            None => Some(StoredPassword::make(self.ports(), password).await),
        };
        let now = self.now_millis();
        // First the person: an account that they are not yet a member of does no harm, and should this be
        // the last that is done, the invitation is still open.
        let entered = person.change(now, |draft| {
            let stored = draft.state.person.clone();
            let mut stored = match (stored, new) {
                (Some(stored), None) => stored,
                (None, Some(password)) => StoredPerson {
                    email: email.as_str().to_owned(),
                    created_at: now,
                    password,
                    accounts: Vec::new(),
                    totp: None,
                    identities: Vec::new(),
                },
                _ => {
                    return Err(Error::Conflict(
                        "you came twice at once; try again".to_owned(),
                    ));
                }
            };
            if let Some(totp) = stored.totp.as_mut().filter(|totp| totp.confirmed) {
                second_factor::spend(totp, code, now)?;
            }
            if !stored.accounts.contains(&id) {
                stored.accounts.push(id);
            }
            draft.put_person(stored);
            Ok(())
        });
        entered.await?;
        let join = AccountAsk::Join {
            visitor: visitor.clone(),
            number,
            token: token.to_owned(),
            email,
        };
        self.ask_peer(Ask::Account(id, join)).await?;
        let cookie = self.begin(&person, id, visitor, former, |_| Ok(())).await?;
        let info = self.session_info(&cookie).await?;
        Ok((cookie, info))
    }

    /// Takes a member out of an account.
    ///
    /// # Errors
    /// As [`Account::remove_member`].
    pub async fn remove_member(&self, account: &Account, by: &By, number: u32) -> Result<()> {
        let member = account.remove_member(by, number).await?;
        self.forget_account(vec![member.stored.person], account.id())
            .await
    }

    /// Takes the person of a session out of the account that it acts in.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the last owner.
    pub async fn leave(&self, account: &Account, by: &By) -> Result<()> {
        let member = by.grant.member.as_ref().ok_or(Error::Session)?;
        let members = account.members();
        let own = members
            .iter()
            .find(|one| one.stored.person == member.person);
        let number = own.ok_or(Error::Session)?.number;
        self.remove_member(account, by, number).await
    }

    /// Lets every member of an account forget it, before it is erased.
    pub(crate) async fn dismiss_members(&self, account: &Account) -> Result<()> {
        let members = account.members();
        let people: Vec<_> = members.iter().map(|one| one.stored.person).collect();
        match people.is_empty() {
            true => Ok(()),
            false => self.forget_account(people, account.id()).await,
        }
    }

    pub(super) async fn forget_account(
        &self,
        people: Vec<PersonId>,
        account: AccountId,
    ) -> Result<()> {
        let ask = Ask::Registry(RegistryAsk::Forget { people, account });
        self.ask_peer(ask).await.map(drop)
    }

    pub(crate) async fn forget_here(&self, person: PersonId, account: AccountId) -> Result<()> {
        let Some(person) = self.people().open_existing(person).await? else {
            return Ok(());
        };
        let left = person.change(self.now_millis(), |draft| {
            draft.leave(account);
            Ok(())
        });
        left.await
    }

    /// Sends a letter; nobody waits for it.
    pub(crate) fn mail(&self, letter: Letter) {
        let ports = self.ports();
        let Some(mail) = &ports.mail else { return };
        let sent = mail.send(letter);
        (ports.spawn)(Box::pin(async move {
            if let Err(error) = sent.await {
                tracing::error!(%error, "a mail could not be sent");
            }
        }));
    }

    /// Whether there is anything of anybody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_people(&self) -> Result<bool> {
        Ok(self.people().has_any().await?)
    }

    /// Removes what has ended of people in a slice of their rows; says where the next slice begins. The
    /// host calls it now and then.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn sweep_people(&self, after: Option<PersonId>) -> Result<Option<PersonId>> {
        let (now, settings) = (self.now_millis(), &self.ports().people);
        let seen_before = now.saturating_sub(settings.session_idle_millis);
        let (overdue, next) = self.people().overdue(after, now, seen_before).await?;
        for id in overdue {
            let person = self.people().open(id).await?;
            let swept = person.change(now, |draft| {
                draft.end_sessions(|_, session| session.seen_at < seen_before);
                Ok(())
            });
            swept.await?;
        }
        Ok(next)
    }
}
