//! Members: people in the account, with a role each. Nobody gives or takes away a role that can do more
//! than they can, and an account that has an owner keeps one.

use std::sync::Arc;

use quartz_core::store::Batch;

use super::{Account, By, Change, State};
use crate::{
    Email, Grant, PersonId,
    bounds::room,
    error::{Error, Result},
    person::invitation_text,
    roles::OWNER,
    rows::{
        self,
        invitation::{self, StoredInvitation},
        member::{self, StoredMember},
        profile::{self, Profile},
    },
};

/// How long an invitation is open.
const INVITATION_MILLIS: u64 = 7 * 24 * 60 * 60 * 1000;

/// A member as it is shown.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number in the account.
    pub number: u32,
    /// What is kept of it.
    pub stored: Arc<StoredMember>,
}

/// An invitation as it is shown.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its number in the account.
    pub number: u32,
    /// What is kept of it.
    pub stored: Arc<StoredInvitation>,
}

/// An invitation with its token, which goes to the invited.
#[derive(Clone)]
pub struct Invited {
    /// What accepts it.
    pub token: String,
    /// The rest.
    pub invitation: Invitation,
}

impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Invited").field(&self.invitation).finish()
    }
}

impl Account {
    /// All members, ascending by number.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let state = self.0.state.load();
        let members = state.members.iter();
        let shown = |(number, stored): &(u32, Arc<StoredMember>)| Member {
            number: *number,
            stored: Arc::clone(stored),
        };
        members.map(shown).collect()
    }

    /// All open invitations, ascending by number.
    #[must_use]
    pub fn invitations(&self) -> Vec<Invitation> {
        let now = self.0.ports.clock.now_millis();
        let state = self.0.state.load();
        let open = state
            .invitations
            .iter()
            .filter(|(_, one)| now < one.expires_at);
        let shown = |(number, stored): &(u32, Arc<StoredInvitation>)| Invitation {
            number: *number,
            stored: Arc::clone(stored),
        };
        open.map(shown).collect()
    }

    /// What a person may do here, if they are a member.
    pub(crate) fn badge(&self, person: PersonId) -> Option<Arc<Grant>> {
        self.0.state.load().badge(person)
    }

    /// Invites somebody; an invitation to the same address before is void.
    ///
    /// # Errors
    /// [`Error::Escalation`] if the role can do more than the caller, [`Error::Conflict`] if it is a member
    /// already, [`Error::TooMany`] at as many open invitations as there may be.
    pub async fn invite(&self, by: &By, email: &Email, role: &str) -> Result<Invited> {
        let now = self.0.ports.clock.now_millis();
        let random = self.0.ports.random();
        let most = self.0.ports.bounds.invitations;
        self.change(by, |state| {
            give(state, &by.grant, role)?;
            if state.member_of(email).is_some() {
                return Err(Error::Conflict(format!("{email} is a member already")));
            }
            let mut next = state.clone();
            let mut batch = Batch::default();
            next.invitations.retain(|(number, one)| {
                let stays = one.email != email.as_str() && now < one.expires_at;
                if !stays {
                    batch.delete(invitation::key(*number));
                }
                stays
            });
            room(
                next.invitations.len(),
                most,
                "open invitations",
                "invitations",
            )?;
            let number = state.profile.next_key;
            next.profile = Profile {
                next_key: number + 1,
                ..next.profile
            };
            let token = invitation_text::make(self.0.id, number, random);
            let stored = Arc::new(StoredInvitation {
                email: email.as_str().to_owned(),
                role: role.to_owned(),
                hash: blake3::hash(token.as_bytes()).into(),
                created_at: now,
                created_by: by.grant.actor(),
                expires_at: now.saturating_add(INVITATION_MILLIS),
            });
            batch.put(profile::key(), rows::encode(&next.profile));
            batch.put(invitation::key(number), rows::encode(&*stored));
            next.invitations.push((number, Arc::clone(&stored)));
            let answer = Invited {
                token: token.clone(),
                invitation: Invitation { number, stored },
            };
            let detail = format!("{email}, role {role}");
            let target = format!("invitation:{number}");
            Ok(change(
                batch,
                next,
                "invitation.create",
                target,
                detail,
                answer,
            ))
        })
        .await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn withdraw(&self, by: &By, number: u32) -> Result<()> {
        self.change(by, |state| {
            let invitation = state.invitation(number)?;
            let detail = invitation.email.clone();
            let mut batch = Batch::default();
            batch.delete(invitation::key(number));
            let mut next = state.clone();
            next.invitations.retain(|(other, _)| *other != number);
            let target = format!("invitation:{number}");
            Ok(change(
                batch,
                next,
                "invitation.withdraw",
                target,
                detail,
                (),
            ))
        })
        .await
    }

    /// The invitation that a token accepts, if it is still open.
    pub(crate) fn invitation_for(&self, number: u32, token: &str) -> Option<Arc<StoredInvitation>> {
        let now = self.0.ports.clock.now_millis();
        let state = self.0.state.load();
        let invitation = state.invitation(number).ok()?;
        let hash = blake3::hash(token.as_bytes());
        // Hashes of blake3 compare in constant time.
        let opens = now < invitation.expires_at && hash == blake3::Hash::from(invitation.hash);
        opens.then(|| Arc::clone(invitation))
    }

    /// Makes somebody a member by their invitation. Who is one already stays as they are.
    pub(crate) async fn join(
        &self,
        by: &By,
        number: u32,
        token: &str,
        email: &Email,
    ) -> Result<()> {
        if self.invitation_for(number, token).is_none() {
            return Err(Error::Link);
        }
        let now = self.0.ports.clock.now_millis();
        self.change(by, |state| {
            let invitation = state.invitation(number).map_err(|_| Error::Link)?;
            let mut batch = Batch::default();
            batch.delete(invitation::key(number));
            let mut next = state.clone();
            next.invitations.retain(|(other, _)| *other != number);
            if state.member_of(email).is_none() {
                let stored = StoredMember {
                    person: PersonId::of(email),
                    email: email.as_str().to_owned(),
                    role: invitation.role.clone(),
                    since: now,
                };
                next.enrol(&mut batch, number, stored, self.0.ports.bounds.members)?;
            }
            let detail = format!("{email}, role {}", invitation.role);
            let target = format!("member:{number}");
            Ok(change(batch, next, "member.join", target, detail, ()))
        })
        .await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::Escalation`] if the role before or the new one can do
    /// more than the caller, [`Error::Conflict`] for the last owner.
    pub async fn change_member(&self, by: &By, number: u32, role: &str) -> Result<Member> {
        self.change(by, |state| {
            let stored = state.member(number)?;
            give(state, &by.grant, role)?;
            give(state, &by.grant, &stored.role)?;
            if role != OWNER.name {
                state.not_last_owner(stored)?;
            }
            let detail = format!("{}, role {} before {}", stored.email, role, stored.role);
            let mut batch = Batch::default();
            let (next, stored) = state.with_role(&mut batch, number, stored, role);
            let target = format!("member:{number}");
            let answer = Member { number, stored };
            Ok(change(batch, next, "member.change", target, detail, answer))
        })
        .await
    }

    /// Takes a member out of the account; the person's sessions in it open nothing from then on. Whoever is
    /// a member may take themselves out.
    ///
    /// # Errors
    /// As [`change_member`](Self::change_member).
    pub async fn remove_member(&self, by: &By, number: u32) -> Result<Member> {
        self.change(by, |state| {
            let stored = Arc::clone(state.member(number)?);
            let is_self = by
                .grant
                .member
                .as_ref()
                .is_some_and(|member| member.person == stored.person)
                && by.grant.account == state.id;
            if !is_self {
                give(state, &by.grant, &stored.role)?;
            }
            state.not_last_owner(&stored)?;
            let mut batch = Batch::default();
            let next = state.without(&mut batch, number);
            let (target, detail) = (format!("member:{number}"), stored.email.clone());
            let answer = Member { number, stored };
            Ok(change(batch, next, "member.remove", target, detail, answer))
        })
        .await
    }

    /// Gives a person the role that their identity provider says, as a member who is new or as one already.
    /// Nothing is written if they have it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such role, [`Error::Conflict`] for the last owner.
    pub(crate) async fn appoint(&self, by: &By, email: &Email, role: &str) -> Result<()> {
        let has_it = |state: &State| {
            let member = state.member_of(email);
            member.is_some_and(|(_, member)| member.role == role)
        };
        if !self.is_uncertain() && has_it(&self.0.state.load()) {
            return Ok(());
        }
        let now = self.0.ports.clock.now_millis();
        self.change(by, |state| {
            if state.permissions(role).is_none() {
                return Err(no_role(role));
            }
            let mut batch = Batch::default();
            let Some((number, stored)) = state.member_of(email) else {
                let number = state.profile.next_key;
                let mut next = state.clone();
                next.profile.next_key += 1;
                batch.put(profile::key(), rows::encode(&next.profile));
                let stored = StoredMember {
                    person: PersonId::of(email),
                    email: email.as_str().to_owned(),
                    role: role.to_owned(),
                    since: now,
                };
                next.enrol(&mut batch, number, stored, self.0.ports.bounds.members)?;
                let detail = format!("{email}, role {role}, by single sign-on");
                let target = format!("member:{number}");
                return Ok(change(batch, next, "member.join", target, detail, ()));
            };
            if role != OWNER.name {
                state.not_last_owner(stored)?;
            }
            let before = &stored.role;
            let detail = format!("{email}, role {role} before {before}, by single sign-on");
            let (next, _) = state.with_role(&mut batch, number, stored, role);
            let target = format!("member:{number}");
            Ok(change(batch, next, "member.change", target, detail, ()))
        })
        .await
    }

    /// Takes a person out whom their identity provider gives no role any more, if they are a member.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the last owner.
    pub(crate) async fn dismiss(&self, by: &By, email: &Email) -> Result<()> {
        if !self.is_uncertain() && self.0.state.load().member_of(email).is_none() {
            return Ok(());
        }
        self.change(by, |state| {
            let gone = || Error::NotFound {
                what: "member",
                name: email.to_string(),
            };
            let (number, stored) = state.member_of(email).ok_or_else(gone)?;
            state.not_last_owner(stored)?;
            let mut batch = Batch::default();
            let next = state.without(&mut batch, number);
            let (target, detail) = (
                format!("member:{number}"),
                format!("{email}, by single sign-on"),
            );
            Ok(change(batch, next, "member.remove", target, detail, ()))
        })
        .await
    }

    /// Puts into the log that somebody has done something that changes no row of the account.
    pub(crate) async fn record(&self, by: &By, action: &'static str, detail: &str) -> Result<()> {
        self.change(by, |state| {
            let target = "account".to_owned();
            Ok(change(
                Batch::default(),
                state.clone(),
                action,
                target,
                detail.to_owned(),
                (),
            ))
        })
        .await
    }
}

impl State {
    pub(super) fn enrol(
        &mut self,
        batch: &mut Batch,
        number: u32,
        stored: StoredMember,
        most: usize,
    ) -> Result<()> {
        room(self.members.len(), most, "members", "members")?;
        batch.put(member::key(number), rows::encode(&stored));
        self.members.push((number, Arc::new(stored)));
        self.members.sort_unstable_by_key(|(number, _)| *number);
        self.hang_doors();
        Ok(())
    }

    fn member(&self, number: u32) -> Result<&Arc<StoredMember>> {
        let found = self.members.iter().find(|(other, _)| *other == number);
        found
            .map(|(_, member)| member)
            .ok_or_else(|| Error::NotFound {
                what: "member",
                name: number.to_string(),
            })
    }

    fn member_of(&self, email: &Email) -> Option<(u32, &Arc<StoredMember>)> {
        let mut members = self.members.iter();
        let found = members.find(|(_, member)| member.email == email.as_str());
        found.map(|(number, member)| (*number, member))
    }

    /// The state in which a member has another role.
    fn with_role(
        &self,
        batch: &mut Batch,
        number: u32,
        stored: &StoredMember,
        role: &str,
    ) -> (Self, Arc<StoredMember>) {
        let stored = Arc::new(StoredMember {
            role: role.to_owned(),
            ..stored.clone()
        });
        batch.put(member::key(number), rows::encode(&*stored));
        let mut next = self.clone();
        for (other, member) in &mut next.members {
            if *other == number {
                *member = Arc::clone(&stored);
            }
        }
        next.hang_doors();
        (next, stored)
    }

    /// The state in which a member is none.
    fn without(&self, batch: &mut Batch, number: u32) -> Self {
        batch.delete(member::key(number));
        let mut next = self.clone();
        next.members.retain(|(other, _)| *other != number);
        next.hang_doors();
        next
    }

    fn invitation(&self, number: u32) -> Result<&Arc<StoredInvitation>> {
        let found = self.invitations.iter().find(|(other, _)| *other == number);
        found.map(|(_, one)| one).ok_or_else(|| Error::NotFound {
            what: "invitation",
            name: number.to_string(),
        })
    }

    fn not_last_owner(&self, member: &StoredMember) -> Result<()> {
        let owns = |member: &StoredMember| member.role == OWNER.name;
        let owners = self.members.iter().filter(|(_, member)| owns(member));
        if owns(member) && owners.count() == 1 {
            let why = "the last owner stays: make somebody else an owner, or close the account";
            return Err(Error::Conflict(why.to_owned()));
        }
        Ok(())
    }
}

/// Checks that a role is not more than its giver has. A member has no other limits than the role, so
/// neither may the giver have any.
fn give(state: &State, giver: &Grant, role: &str) -> Result<()> {
    let permissions = state.permissions(role).ok_or_else(|| no_role(role))?;
    if let Some(permission) = permissions.beyond(giver.permissions) {
        return Err(Error::Escalation {
            permission: Some(permission),
            reason: format!(
                "the role {role:?} has the permission {permission}, which you do not have to give \
                 or take"
            ),
        });
    }
    let is_limited = !giver.prefixes.is_empty()
        || !giver.networks.is_empty()
        || giver.expires_at.is_some()
        || giver.requests_per_second().is_some();
    if is_limited {
        return Err(Error::Escalation {
            permission: None,
            reason:
                "your key is limited to namespaces, addresses, a time or a rate; a member is not"
                    .to_owned(),
        });
    }
    Ok(())
}

fn no_role(name: &str) -> Error {
    Error::NotFound {
        what: "role",
        name: name.to_owned(),
    }
}

fn change<T>(
    batch: Batch,
    state: State,
    action: &'static str,
    target: String,
    detail: String,
    answer: T,
) -> Change<T> {
    Change {
        batch,
        state,
        action,
        target,
        detail,
        answer,
    }
}
