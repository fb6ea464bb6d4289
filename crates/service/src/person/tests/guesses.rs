//! What keeps guesses, floods and leftovers away.

use super::*;
use crate::NewAccount;

#[test]
fn a_second_factor_is_asked_for_and_no_code_is_taken_twice() {
    let world = World::new();
    let (cookie, _) = world.member("ann@example.com");
    let other = world.sign_in("ann@example.com").unwrap();
    let visitor = world.visitor();
    let wrong = world.accounts.enrol(&visitor, &cookie, "wrong");
    assert!(matches!(block_on(wrong), Err(Error::Credentials)));
    let enrolment = block_on(world.accounts.enrol(&visitor, &cookie, PASSWORD)).unwrap();
    assert!(enrolment.uri.contains(&enrolment.secret));
    // Begun is not asked for yet.
    world.sign_in("ann@example.com").unwrap();
    let code = || {
        let secret = totp_rs::Secret::try_from_base32(&enrolment.secret).unwrap();
        let totp = totp_rs::Builder::new()
            .with_secret(secret)
            .build_noncompliant();
        totp.generate(world.clock.now_millis() / 1000).to_string()
    };
    let confirm = |code: &str| block_on(world.accounts.confirm_factor(&visitor, &cookie, code));
    assert_eq!(confirm("000000"), Err(Error::SecondFactor));
    let recovery = confirm(&code()).unwrap();
    assert_eq!(recovery.len(), 10);
    assert!(matches!(confirm(&code()), Err(Error::Conflict(_))));
    // Who was in by the password alone is out.
    assert_eq!(world.admit(&other).unwrap_err(), Denial::Session);
    let sign_in = |code: Option<&str>| {
        world.clock.advance(30_000);
        world
            .sign_in_with("ann@example.com", PASSWORD, code)
            .map(drop)
    };
    let first = code();
    assert_eq!(sign_in(None), Err(Error::SecondFactor));
    assert_eq!(sign_in(Some("")), Err(Error::SecondFactor));
    // A code that was taken at enrolment is none any more; the next one is good once.
    assert_eq!(sign_in(Some(&first)), Err(Error::SecondFactor));
    world.clock.advance(30_000);
    let next = code();
    assert_eq!(
        world
            .sign_in_with("ann@example.com", PASSWORD, Some(&next))
            .map(drop),
        Ok(())
    );
    let again = world.sign_in_with("ann@example.com", PASSWORD, Some(&next));
    assert_eq!(again.map(drop), Err(Error::SecondFactor));
    assert_eq!(sign_in(Some(&recovery[3])), Ok(()));
    assert_eq!(sign_in(Some(&recovery[3])), Err(Error::SecondFactor));
    // A wrong password is told before the code is looked at.
    let wrong = world.sign_in_with("ann@example.com", "wrong", Some(&recovery[4]));
    assert_eq!(wrong.map(drop), Err(Error::Credentials));
    world.clock.advance(DAY / 4);
    let off = |code: &str| {
        block_on(
            world
                .accounts
                .remove_factor(&world.visitor(), &cookie, PASSWORD, code),
        )
    };
    assert_eq!(off("123"), Err(Error::SecondFactor));
    assert_eq!(off(&recovery[4]), Ok(()));
    assert_eq!(sign_in(None), Ok(()));
}

#[test]
fn attempts_run_out() {
    let world = World::new();
    world.member("ann@example.com");
    let mut tried = 0;
    let refused = loop {
        match world.sign_in_with("ann@example.com", "wrong", None) {
            Err(Error::Credentials) => tried += 1,
            other => break other,
        }
    };
    assert!(matches!(refused, Err(Error::TooOften { .. })));
    // One of its guesses was the link of the sign-up.
    assert_eq!(tried, 9);
    // Not even the right one, for a while; for others nothing has changed.
    assert!(matches!(
        world.sign_in("ann@example.com"),
        Err(Error::TooOften { .. })
    ));
    assert_eq!(world.sign_in("bob@example.com"), Err(Error::Credentials));
    world.clock.advance(30_000);
    world.sign_in("ann@example.com").unwrap();
    let ups = (0..50)
        .filter(|i| world.sign_up(&format!("m{i}@example.com")).is_ok())
        .count();
    assert_eq!(ups, 9);
    // One address is not flooded with mail.
    let world = World::new();
    for _ in 0..8 {
        world.sign_up("victim@example.com").unwrap();
    }
    assert_eq!(world.beside.take_letters().len(), 4);
}

#[test]
fn sign_up_is_closed_unless_it_is_opened() {
    let mut world = World::new();
    world.restart(|ports| ports.people = Arc::new(PeopleSettings::default()));
    assert_eq!(world.sign_up("ann@example.com"), Err(Error::SignUpClosed));
    let mut world = World::new();
    world.restart(|ports| ports.mail = None);
    assert_eq!(world.sign_up("ann@example.com"), Err(Error::SignUpClosed));
    let reset = world.request_reset("ann@example.com");
    assert_eq!(reset, Err(Error::NoMail));
    // Without mail the operator, and nobody else, carries invitations over.
    let root = world.accounts.admit(Knock {
        credential: Credential::Key("root"),
        address: None,
    });
    let Admission::Ready(Ok(root)) = root else {
        panic!("{root:?}")
    };
    let root = world.visitor().by(root);
    let new = NewAccount {
        name: "Acme".into(),
        ..NewAccount::default()
    };
    let account = block_on(world.accounts.create(&root, new)).unwrap();
    let invite = |by: &By| world.invite(&account, by, "a@b", "owner");
    let token = invite(&root).unwrap().token;
    let (cookie, _) = world.accept(&token, PASSWORD).unwrap();
    assert!(matches!(invite(&world.by(&cookie)), Err(Error::NoMail)));
}

#[test]
fn what_nobody_confirms_is_swept() {
    let world = World::new();
    let (cookie, _) = world.member("ann@example.com");
    let before = world.rows();
    for i in 0..5 {
        world.sign_up(&format!("m{i}@example.com")).unwrap();
    }
    world.beside.settle();
    assert_eq!(world.rows().len(), before.len() + 5);
    assert_eq!(block_on(world.accounts.sweep_people(None)), Ok(None));
    assert_eq!(world.rows().len(), before.len() + 5);
    world.admit(&cookie).unwrap();
    world.clock.advance(DAY + 1);
    block_on(world.accounts.sweep_people(None)).unwrap();
    // The session too.
    assert_eq!(world.rows().len(), before.len() - 1);
}
