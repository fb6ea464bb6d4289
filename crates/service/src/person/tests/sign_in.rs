//! Getting in and out by a password.

use std::sync::atomic::Ordering;

use super::*;
use crate::testing::CHEAP;

#[test]
fn who_signs_up_owns_an_account() {
    let mut world = World::new();
    let (cookie, info) = world.member("Ann@example.com");
    assert_eq!(info.email, "ann@example.com");
    let grant = world.admit(&cookie).unwrap();
    assert_eq!(
        (grant.role.as_str(), grant.account),
        ("owner", info.account)
    );
    assert_eq!(grant.actor(), "person:ann@example.com");
    assert_eq!(info.memberships.len(), 1);
    assert_eq!(info.memberships[0].name, "Acme");
    world.restart(|_| {});
    assert_eq!(world.admit(&cookie).unwrap().role, "owner");
    let again = world.sign_in("ann@EXAMPLE.com").unwrap();
    assert_ne!(again, cookie);
    world.admit(&again).unwrap();
    let log = block_on(world.account(info.account).audit(0, 100)).unwrap();
    let actions: Vec<_> = log
        .entries
        .iter()
        .map(|(_, linked)| &*linked.entry.action)
        .collect();
    assert_eq!(
        actions,
        ["account.create", "session.create", "session.create"]
    );
}

#[test]
fn a_link_is_good_once_for_a_day_and_with_the_password() {
    let world = World::new();
    world.sign_up("ann@example.com").unwrap();
    let token = world.token();
    let verify = |token: &str, password: &str| world.verify(token, password).map(drop);
    // A stranger has signed up with Ann's address; she clicks, and does not know the password.
    assert_eq!(verify(&token, "another one"), Err(Error::Credentials));
    assert_eq!(
        verify(&token[..token.len() - 1], PASSWORD),
        Err(Error::Link)
    );
    assert_eq!(verify(&token, PASSWORD), Ok(()));
    assert_eq!(verify(&token, PASSWORD), Err(Error::Link));
    world.sign_up("bob@example.com").unwrap();
    let token = world.token();
    world.clock.advance(DAY);
    assert_eq!(verify(&token, PASSWORD), Err(Error::Link));
}

#[test]
fn nobody_learns_who_is_there() {
    let world = World::new();
    world.member("ann@example.com");
    let rows = world.rows();
    // The answer comes before anything is looked up or written.
    assert_eq!(world.sign_up("ann@example.com"), Ok(()));
    assert_eq!(world.sign_up("bob@example.com"), Ok(()));
    let reset = |email| world.request_reset(email);
    assert_eq!(
        (reset("ann@example.com"), reset("eve@example.com")),
        (Ok(()), Ok(()))
    );
    assert_eq!(world.rows(), rows);
    let letters = world.beside.take_letters();
    let mut sent: Vec<_> = letters
        .iter()
        .map(|one| (&*one.to, &*one.subject))
        .collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [
            ("ann@example.com", "Set a new password"),
            ("ann@example.com", "You have signed up already"),
            ("bob@example.com", "Confirm your e-mail address"),
        ]
    );
    // A login costs as much, and reads the same, whether there is a person or not.
    let mut costs = Vec::new();
    for email in ["ann@example.com", "bob@example.com", "nobody@example.com"] {
        let before = world.beside.hashed.load(Ordering::Relaxed);
        assert_eq!(
            world.sign_in_with(email, "wrong password", None),
            Err(Error::Credentials)
        );
        costs.push(world.beside.hashed.load(Ordering::Relaxed) - before);
    }
    assert_eq!(costs, [1, 1, 1]);
}

#[test]
fn a_new_password_ends_the_old_one_and_every_session() {
    let world = World::new();
    let (cookie, _) = world.member("ann@example.com");
    let reset = || {
        let wanted = world.request_reset("ann@example.com");
        wanted.unwrap();
        world.token()
    };
    let set = |token: &str| {
        block_on(
            world
                .accounts
                .reset_password(&world.visitor(), token, "another horse"),
        )
    };
    let (first, second) = (reset(), reset());
    assert_eq!(set(&second), Ok(()));
    // Neither that one again nor the one before.
    assert_eq!(set(&second), Err(Error::Link));
    assert_eq!(set(&first), Err(Error::Link));
    let told = world.beside.take_letters();
    assert_eq!(told[0].subject, "Your password was changed");
    assert_eq!(world.admit(&cookie).unwrap_err(), Denial::Session);
    assert_eq!(world.sign_in("ann@example.com"), Err(Error::Credentials));
    world
        .sign_in_with("ann@example.com", "another horse", None)
        .unwrap();
    world.clock.advance(DAY);
    let late = reset();
    world.clock.advance(60 * 60 * 1000);
    assert_eq!(set(&late), Err(Error::Link));
}

#[test]
fn a_password_is_changed_by_the_one_before() {
    let world = World::new();
    let (cookie, _) = world.member("ann@example.com");
    let other = world.sign_in("ann@example.com").unwrap();
    let change = |current: &str| {
        let visitor = world.visitor();
        let changed = world
            .accounts
            .change_password(&visitor, &cookie, current, "new horse");
        block_on(changed)
    };
    assert_eq!(change("wrong"), Err(Error::Credentials));
    assert_eq!(change(PASSWORD), Ok(()));
    world.admit(&cookie).unwrap();
    assert_eq!(world.admit(&other).unwrap_err(), Denial::Session);
    world
        .sign_in_with("ann@example.com", "new horse", None)
        .unwrap();
}

#[test]
fn sessions_cannot_be_prepared_and_end() {
    let world = World::new();
    let (first, info) = world.member("ann@example.com");
    let (mallory, _) = world.member("mallory@example.com");
    // Mallory's cookie is in Ann's browser when she signs in: it is ended, not taken over.
    let wanted = SignIn {
        email: address("ann@example.com"),
        password: PASSWORD.into(),
        code: None,
        account: None,
    };
    let visitor = world.visitor();
    let signed = world.accounts.sign_in(&visitor, wanted, Some(&mallory));
    let (cookie, _) = block_on(signed).unwrap();
    assert_eq!(world.admit(&mallory).unwrap_err(), Denial::Session);
    assert_ne!(cookie, mallory);
    block_on(world.accounts.sign_out(&first)).unwrap();
    assert_eq!(world.admit(&first).unwrap_err(), Denial::Session);
    // Used, it lives; at the end of its life, it does not, though it is used.
    let begun = world.clock.now_millis();
    while world.clock.now_millis() + DAY / 2 < begun + 30 * DAY {
        world.clock.advance(DAY / 2);
        world.admit(&cookie).unwrap();
    }
    world.clock.advance(DAY / 2);
    assert_eq!(world.admit(&cookie).unwrap_err(), Denial::Session);
    // Unused, it ends after a day.
    let idle = world.sign_in("ann@example.com").unwrap();
    world.clock.advance(DAY);
    assert_eq!(world.admit(&idle).unwrap_err(), Denial::Session);
    let (one, two) = (
        world.sign_in("ann@example.com").unwrap(),
        world.sign_in("ann@example.com").unwrap(),
    );
    block_on(world.accounts.sign_out_everywhere(&one)).unwrap();
    assert_eq!(world.admit(&two).unwrap_err(), Denial::Session);
    assert_eq!(info.email, "ann@example.com");
}

#[test]
fn what_changes_something_takes_a_token_of_the_session() {
    let world = World::new();
    let (ann, info) = world.member("ann@example.com");
    let (_, other) = world.member("bob@example.com");
    assert!(world.admit_with(&ann, Some(&info.csrf_token)).is_ok());
    for wrong in ["", "x", other.csrf_token.as_str(), ann.as_str()] {
        assert_eq!(
            world.admit_with(&ann, Some(wrong)).unwrap_err(),
            Denial::Csrf
        );
    }
    for wrong in ["", "qzs_", "qz_root_x", &ann[1..], &format!("{ann}A")] {
        assert_eq!(world.admit(wrong).unwrap_err(), Denial::Session, "{wrong}");
    }
}

#[test]
fn a_password_is_hashed_anew_when_the_cost_rises() {
    let mut world = World::new();
    world.member("ann@example.com");
    let dearer = PasswordCost { passes: 2, ..CHEAP };
    world.restart(|ports| {
        let settings = PeopleSettings {
            password_cost: dearer,
            ..PeopleSettings::clone(&ports.people)
        };
        ports.people = Arc::new(settings);
    });
    let hashed = || world.beside.hashed.load(Ordering::Relaxed);
    let before = hashed();
    world.sign_in("ann@example.com").unwrap();
    assert_eq!(hashed() - before, 2);
    world.sign_in("ann@example.com").unwrap();
    assert_eq!(hashed() - before, 3);
    let person = world
        .accounts
        .people()
        .opened(PersonId::of(&address("ann@example.com")));
    let state = person.unwrap().state();
    let stored = state.person.clone().unwrap().password.unwrap();
    assert_eq!(stored.cost, dearer);
}
