//! Getting in by an identity provider.

use super::*;
use crate::{Identity, IdentityFault, testing::Provider};

/// A server whose root account a provider's people are in.
struct Sso {
    world: World,
    provider: Arc<Provider>,
}

pub(super) fn identity(email: &str, groups: &[&str]) -> Identity {
    Identity {
        subject: format!("subject of {}", email.to_lowercase()),
        email: Some(email.to_owned()),
        email_verified: Some(true),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

impl Sso {
    fn new() -> Self {
        Self::with(None, AccountId::ROOT)
    }

    fn with(default_role: Option<&str>, account: AccountId) -> Self {
        let (mut world, provider) = (World::new(), Arc::new(Provider::default()));
        world.restart(|ports| ports.sso = Some(settings(&provider, default_role, account)));
        Self { world, provider }
    }

    fn begin(&self) -> String {
        let visitor = self.world.visitor();
        let begun = self.world.accounts.begin_sso(&visitor, "/console/");
        let (kept, url) = block_on(begun).unwrap();
        assert!(url.starts_with("https://id.example/sign-in?"), "{url}");
        kept
    }

    fn finish(&self, kept: &str, (state, code): (String, String)) -> Result<(String, SessionInfo)> {
        let answer = SsoAnswer {
            state,
            code: Ok(code),
            issuer: None,
        };
        self.answer(kept, answer)
    }

    fn answer(&self, kept: &str, answer: SsoAnswer) -> Result<(String, SessionInfo)> {
        let visitor = self.world.visitor();
        let finished = self
            .world
            .accounts
            .finish_sso(&visitor, Some(kept), answer, None);
        let (cookie, info, return_to) = block_on(finished)?;
        assert_eq!(return_to, "/console/");
        Ok((cookie, info))
    }

    fn sign_in(&self, who: Identity) -> Result<(String, SessionInfo)> {
        let kept = self.begin();
        self.finish(&kept, self.provider.sign_in(Ok(who)))
    }

    fn members(&self) -> Vec<(String, String)> {
        let members = self.world.account(AccountId::ROOT).members();
        let shown = |one: &crate::Member| (one.stored.email.clone(), one.stored.role.clone());
        members.iter().map(shown).collect()
    }

    /// Action, outcome and detail of every entry of the root account's log.
    fn log(&self) -> Vec<(String, String, String)> {
        let account = self.world.account(AccountId::ROOT);
        block_on(account.flush_denials()).unwrap();
        let entries = block_on(account.audit(0, 1000)).unwrap().entries;
        let told = entries.into_iter().map(|(_, linked)| linked.entry);
        told.map(|entry| (entry.action, entry.outcome, entry.detail))
            .collect()
    }
}

pub(super) fn settings(
    provider: &Arc<Provider>,
    default_role: Option<&str>,
    account: AccountId,
) -> Arc<SingleSignOn> {
    let roles = [
        ("staff", "developer"),
        ("chiefs", "admin"),
        ("none", "nothing"),
    ];
    let role = |(group, role): (&str, &str)| (group.to_owned(), role.to_owned());
    Arc::new(SingleSignOn {
        provider: provider.clone(),
        attempts: SsoAttempts::new([1; 32]),
        account,
        roles: roles.map(role).into(),
        default_role: default_role.map(str::to_owned),
    })
}

fn refused<T>(answer: Result<T>) -> String {
    match answer {
        Err(Error::SsoRefused(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it got in"),
    }
}

fn member(email: &str, role: &str) -> (String, String) {
    (email.to_owned(), role.to_owned())
}

#[test]
fn groups_are_roles_and_are_followed_at_every_login() {
    let sso = Sso::new();
    // The first of the setting counts, not the first of the person.
    let (cookie, info) = sso
        .sign_in(identity("Ann@example.com", &["other", "chiefs", "staff"]))
        .unwrap();
    assert_eq!(info.email, "ann@example.com");
    let grant = sso.world.admit(&cookie).unwrap();
    assert_eq!(
        (grant.role.as_str(), grant.account),
        ("developer", AccountId::ROOT)
    );
    // The session that is there follows too.
    let (second, _) = sso
        .sign_in(identity("ann@example.com", &["chiefs"]))
        .unwrap();
    assert_eq!(sso.world.admit(&cookie).unwrap().role, "admin");
    assert_eq!(sso.world.admit(&second).unwrap().role, "admin");
    sso.sign_in(identity("ann@example.com", &["chiefs"]))
        .unwrap();
    assert_eq!(sso.members(), [member("ann@example.com", "admin")]);
    // Who is in none of the groups any more is out, everywhere and at once.
    let why = refused(sso.sign_in(identity("ann@example.com", &["other"])));
    assert!(why.contains("none of your groups"), "{why}");
    assert_eq!(sso.world.admit(&cookie).unwrap_err(), Denial::Session);
    assert_eq!(sso.members(), []);
    assert!(!sso.world.holds(b"subject of ann"));
    let actions: Vec<_> = sso
        .log()
        .into_iter()
        .map(|(action, outcome, _)| format!("{action} {outcome}"))
        .collect();
    assert_eq!(
        actions,
        [
            "account.create done",
            "member.join done",
            "session.create done",
            "member.change done",
            "session.create done",
            "session.create done",
            "member.remove done",
            "session.create sso_refused",
        ]
    );
    let (cookie, _) = sso
        .sign_in(identity("ann@example.com", &["staff"]))
        .unwrap();
    assert_eq!(sso.world.admit(&cookie).unwrap().role, "developer");
}

#[test]
fn who_is_in_no_group_gets_the_default_role_or_nothing() {
    let sso = Sso::new();
    refused(sso.sign_in(identity("ann@example.com", &[])));
    let rows = sso.world.rows().len();
    refused(sso.sign_in(identity("bob@example.com", &["other"])));
    assert_eq!(sso.world.rows().len(), rows);
    // A role that the account does not have.
    let why = refused(sso.sign_in(identity("bob@example.com", &["none"])));
    assert!(why.contains("\"nothing\""), "{why}");
    assert_eq!(sso.world.rows().len(), rows);
    let sso = Sso::with(Some("reader"), AccountId::ROOT);
    let (_, info) = sso.sign_in(identity("ann@example.com", &[])).unwrap();
    assert_eq!(info.grant.role, "reader");
    let (_, info) = sso
        .sign_in(identity("ann@example.com", &["chiefs"]))
        .unwrap();
    assert_eq!(info.grant.role, "admin");
}

#[test]
fn it_ends_once_where_it_has_begun_and_in_time() {
    let sso = Sso::new();
    let ann = || Ok(identity("ann@example.com", &["staff"]));
    let failed = |answer: Result<(String, SessionInfo)>| answer.map(drop).unwrap_err();
    let kept = sso.begin();
    let brought = sso.provider.sign_in(ann());
    // Somebody else's browser, or none.
    let other = sso.begin();
    assert_eq!(
        failed(sso.finish(&other, brought.clone())),
        Error::SsoAttempt
    );
    let visitor = sso.world.visitor();
    let nothing = sso.world.accounts.finish_sso(
        &visitor,
        None,
        SsoAnswer {
            state: brought.0.clone(),
            code: Ok(brought.1.clone()),
            issuer: None,
        },
        None,
    );
    assert_eq!(block_on(nothing).map(drop), Err(Error::SsoAttempt));
    let wrong = ("x".to_owned(), brought.1.clone());
    assert_eq!(failed(sso.finish(&kept, wrong)), Error::SsoAttempt);
    sso.finish(&kept, brought.clone()).unwrap();
    assert_eq!(
        failed(sso.finish(&kept, brought.clone())),
        Error::SsoAttempt
    );
    // A code that was made for another attempt, which has another nonce and another verifier.
    let kept = sso.begin();
    let (state, _) = sso.provider.sign_in(ann());
    sso.begin();
    let (_, code) = sso.provider.sign_in(ann());
    assert_eq!(failed(sso.finish(&kept, (state, code))), Error::SsoFailed);
    let kept = sso.begin();
    let late = sso.provider.sign_in(ann());
    sso.world.clock.advance(10 * 60 * 1000);
    assert_eq!(failed(sso.finish(&kept, late)), Error::SsoAttempt);
}

#[test]
fn what_a_provider_does_not_vouch_for_is_refused() {
    let sso = Sso::new();
    let ann = identity("ann@example.com", &["staff"]);
    let unverified = Identity {
        email_verified: Some(false),
        ..ann.clone()
    };
    assert!(refused(sso.sign_in(unverified)).contains("not verified"));
    for email in [None, Some("ann"), Some("ann@example.com\r\nx")] {
        let nobody = Identity {
            email: email.map(str::to_owned),
            ..ann.clone()
        };
        assert!(refused(sso.sign_in(nobody)).contains("no e-mail address"));
    }
    for subject in [String::new(), "x".repeat(256)] {
        refused(sso.sign_in(Identity {
            subject,
            ..ann.clone()
        }));
    }
    assert_eq!(sso.members(), []);
    // Not said is not denied.
    let unsaid = Identity {
        email_verified: None,
        ..ann.clone()
    };
    let (cookie, _) = sso.sign_in(unsaid).unwrap();
    // The address has gone over to somebody else there: they do not get what is hers.
    let other = Identity {
        subject: "somebody else".into(),
        groups: Vec::new(),
        ..ann
    };
    assert!(refused(sso.sign_in(other)).contains("somebody else's"));
    assert_eq!(sso.members(), [member("ann@example.com", "developer")]);
    sso.world.admit(&cookie).unwrap();
}

#[test]
fn what_a_provider_answers_is_told() {
    let sso = Sso::new();
    let failed = |fault: IdentityFault| {
        let kept = sso.begin();
        let brought = sso.provider.sign_in(Err(fault));
        sso.finish(&kept, brought).map(drop).unwrap_err()
    };
    let unavailable = IdentityFault::Unavailable("secret".into());
    assert_eq!(failed(unavailable), Error::SsoUnavailable);
    let refusal = IdentityFault::Refused("secret".into());
    assert_eq!(failed(refusal), Error::SsoFailed);
    let answered = |code: std::result::Result<&str, &str>, issuer: Option<&str>| {
        let kept = sso.begin();
        let (state, good) = sso
            .provider
            .sign_in(Ok(identity("ann@example.com", &["staff"])));
        let answer = SsoAnswer {
            state,
            code: code.map(|_| good).map_err(str::to_owned),
            issuer: issuer.map(str::to_owned),
        };
        sso.answer(&kept, answer).map(drop)
    };
    let why = refused(answered(Err("access_denied"), None));
    assert!(why.ends_with("access_denied"), "{why}");
    // What is no code of the protocol is not repeated.
    let why = refused(answered(Err("call 555-0100 at once"), None));
    assert!(why.ends_with("an error"), "{why}");
    // A provider that another one's answer is passed off as (RFC 9207).
    let mixed = answered(Ok(""), Some("https://evil.example"));
    assert_eq!(mixed, Err(Error::SsoFailed));
    assert_eq!(answered(Ok(""), Some(Provider::ISSUER)), Ok(()));
    let log = sso.log();
    let outcomes: Vec<_> = log.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
    assert_eq!(
        outcomes.iter().filter(|one| **one == "sso_failed").count(),
        2
    );
    assert_eq!(
        outcomes.iter().filter(|one| **one == "sso_refused").count(),
        2
    );
    assert!(!log.iter().any(|(_, _, detail)| detail.contains("secret")));
}

#[test]
fn there_is_no_password_but_one_that_was_set() {
    let sso = Sso::new();
    let email = "ann@example.com";
    sso.sign_in(identity(email, &["staff"])).unwrap();
    assert_eq!(sso.world.sign_in(email), Err(Error::Credentials));
    assert_eq!(
        sso.world.sign_in_with(email, "", None),
        Err(Error::Credentials)
    );
    sso.world.request_reset(email).unwrap();
    let token = sso.world.token();
    let visitor = sso.world.visitor();
    let set = sso
        .world
        .accounts
        .reset_password(&visitor, &token, PASSWORD);
    block_on(set).unwrap();
    sso.world.sign_in(email).unwrap();
}

#[test]
fn a_provider_lets_into_its_own_account_only() {
    let mut sso = Sso::new();
    let email = "ann@example.com";
    let (_, own) = sso.world.member(email);
    let (cookie, info) = sso.sign_in(identity(email, &["staff"])).unwrap();
    assert_eq!(info.account, AccountId::ROOT);
    assert_eq!(info.memberships.len(), 1);
    assert_eq!(info.memberships[0].account, AccountId::ROOT);
    let switch = |cookie: &str, account| {
        let visitor = sso.world.visitor();
        block_on(sso.world.accounts.switch(&visitor, cookie, account)).map(|(cookie, _)| cookie)
    };
    assert!(matches!(
        switch(&cookie, own.account),
        Err(Error::Conflict(_))
    ));
    // Not by a detour over the cookie that it gets for its own account either.
    let same = switch(&cookie, AccountId::ROOT).unwrap();
    assert!(matches!(
        switch(&same, own.account),
        Err(Error::Conflict(_))
    ));
    // With the password, into both.
    let by_password = sso.world.sign_in(email).unwrap();
    let there = switch(&by_password, AccountId::ROOT).unwrap();
    assert_eq!(sso.world.admit(&there).unwrap().role, "developer");
    // What a provider's session ends is in its account too.
    let own_session = sso.world.sign_in(email).unwrap();
    block_on(sso.world.accounts.sign_out_everywhere(&same)).unwrap();
    assert_eq!(sso.world.admit(&there).unwrap_err(), Denial::Session);
    sso.world.admit(&own_session).unwrap();
    let there = switch(&own_session, AccountId::ROOT).unwrap();
    // Out of the provider's account, and still in the own one.
    refused(sso.sign_in(identity(email, &[])));
    assert_eq!(sso.world.admit(&there).unwrap_err(), Denial::Session);
    let still = sso.world.sign_in(email).unwrap();
    assert_eq!(sso.world.admit(&still).unwrap().account, own.account);
    // Another account than the first.
    let provider = Arc::clone(&sso.provider);
    sso.world
        .restart(|ports| ports.sso = Some(settings(&provider, None, own.account)));
    let (_, info) = sso
        .sign_in(identity("bob@example.com", &["staff"]))
        .unwrap();
    assert_eq!(info.account, own.account);
}

#[test]
fn who_came_by_invitation_is_not_taken_out_by_a_provider_that_never_let_them_in() {
    let sso = Sso::new();
    let account = sso.world.account(AccountId::ROOT);
    let root = By {
        grant: Arc::new(crate::Grant {
            permissions: crate::roles::OPERATOR.permissions,
            ..crate::Grant::nothing()
        }),
        address: None,
        request_id: "r".into(),
    };
    let invite = |email: &str, role: &str| {
        sso.world.invite(&account, &root, email, role).unwrap();
        sso.world.accept(&sso.world.token(), PASSWORD).unwrap();
    };
    invite("bob@example.com", "owner");
    invite("eve@example.com", "reader");
    refused(sso.sign_in(identity("eve@example.com", &[])));
    assert!(sso.members().contains(&member("eve@example.com", "reader")));
    // Who gets in once is the provider's to place; the last owner stays one and does not get in.
    sso.sign_in(identity("eve@example.com", &["chiefs"]))
        .unwrap();
    assert!(sso.members().contains(&member("eve@example.com", "admin")));
    for groups in [&["staff"][..], &[]] {
        let answer = sso.sign_in(identity("bob@example.com", groups)).map(drop);
        assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
    }
    assert!(sso.members().contains(&member("bob@example.com", "owner")));
}

#[test]
fn without_a_provider_there_is_no_single_sign_on() {
    let world = World::new();
    let visitor = world.visitor();
    let begun = block_on(world.accounts.begin_sso(&visitor, "/"));
    assert_eq!(begun.map(drop), Err(Error::SsoNotConfigured));
    let answer = SsoAnswer {
        state: "x".into(),
        code: Ok("x".into()),
        issuer: None,
    };
    let finished = world.accounts.finish_sso(&visitor, None, answer, None);
    assert_eq!(block_on(finished).map(drop), Err(Error::SsoNotConfigured));
}
