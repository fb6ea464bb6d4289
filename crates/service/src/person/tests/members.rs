//! Members, invitations, and what is left of them.

use super::*;
use crate::rows::role::StoredRole;

#[test]
fn members_do_what_their_role_says() {
    let world = World::new();
    let (owner, info) = world.member("ann@example.com");
    let reader = world.invited(&owner, "bob@example.com", "reader");
    let account = world.account(info.account);
    assert_eq!(world.admit(&reader).unwrap().role, "reader");
    let by = world.by(&owner);
    let members = account.members();
    let bob = members
        .iter()
        .find(|one| one.stored.email == "bob@example.com")
        .unwrap();
    block_on(account.change_member(&by, bob.number, "developer")).unwrap();
    // At once, in the session that is there.
    assert_eq!(world.admit(&reader).unwrap().role, "developer");
    let own = StoredRole {
        permissions: crate::roles::READER.permissions,
        description: String::new(),
    };
    block_on(account.put_role(&by, "own", own)).unwrap();
    block_on(account.change_member(&by, bob.number, "own")).unwrap();
    assert!(matches!(
        block_on(account.delete_role(&by, "own")),
        Err(Error::Conflict(_))
    ));
    let missing = block_on(account.change_member(&by, bob.number, "none"));
    assert!(matches!(missing, Err(Error::NotFound { what: "role", .. })));
    block_on(world.accounts.remove_member(&account, &by, bob.number)).unwrap();
    assert_eq!(world.admit(&reader).unwrap_err(), Denial::Session);
    // He was in no other account: nothing is left of him but in the log.
    assert_eq!(world.sign_in("bob@example.com"), Err(Error::Credentials));
    let log = block_on(account.audit(0, 100)).unwrap();
    let actions: Vec<_> = log
        .entries
        .iter()
        .map(|(_, linked)| &*linked.entry.action)
        .collect();
    for action in [
        "invitation.create",
        "member.join",
        "member.change",
        "member.remove",
    ] {
        assert!(actions.contains(&action), "{actions:?}");
    }
}

#[test]
fn nobody_gives_more_than_they_have() {
    let world = World::new();
    let (owner, info) = world.member("ann@example.com");
    let admin = world.invited(&owner, "bob@example.com", "admin");
    let account = world.account(info.account);
    let by = world.by(&admin);
    let escalates = |result: Result<()>| matches!(result, Err(Error::Escalation { .. }));
    let eve = address("eve@example.com");
    assert!(escalates(
        block_on(account.invite(&by, &eve, "owner")).map(drop)
    ));
    let number = |email: &str| {
        let members = account.members();
        members
            .iter()
            .find(|one| one.stored.email == email)
            .unwrap()
            .number
    };
    let (ann, bob) = (number("ann@example.com"), number("bob@example.com"));
    assert!(escalates(
        block_on(account.change_member(&by, bob, "owner")).map(drop)
    ));
    assert!(escalates(
        block_on(account.change_member(&by, ann, "reader")).map(drop)
    ));
    assert!(escalates(
        block_on(account.remove_member(&by, ann)).map(drop)
    ));
    // A key that is limited cannot make somebody who is not.
    let limited = Grant {
        prefixes: vec!["a".into()],
        account: info.account,
        permissions: by.grant.permissions,
        ..Grant::nothing()
    };
    let limited = world.visitor().by(Arc::new(limited));
    assert!(escalates(
        block_on(account.invite(&limited, &eve, "reader")).map(drop)
    ));
}

#[test]
fn the_last_owner_stays() {
    let world = World::new();
    let (owner, info) = world.member("ann@example.com");
    let account = world.account(info.account);
    let by = world.by(&owner);
    let ann = account.members()[0].number;
    let conflicts = |result: Result<()>| matches!(result, Err(Error::Conflict(_)));
    assert!(conflicts(block_on(world.accounts.leave(&account, &by))));
    assert!(conflicts(
        block_on(account.change_member(&by, ann, "admin")).map(drop)
    ));
    assert!(conflicts(block_on(
        world.accounts.remove_member(&account, &by, ann)
    )));
    let second = world.invited(&owner, "bob@example.com", "owner");
    block_on(world.accounts.leave(&account, &by)).unwrap();
    assert_eq!(world.admit(&owner).unwrap_err(), Denial::Session);
    assert!(conflicts(block_on(
        world.accounts.leave(&account, &world.by(&second))
    )));
}

#[test]
fn an_invitation_is_for_one_address_and_one_time() {
    let world = World::new();
    let (ann, info) = world.member("ann@example.com");
    let (bob, bobs) = world.member("bob@example.com");
    let account = world.account(info.account);
    let by = world.by(&ann);
    let invite = || {
        world
            .invite(&account, &by, "bob@example.com", "reader")
            .unwrap();
        world.token()
    };
    let accept = |token: &str, password: &str| world.accept(token, password);
    let (old, token) = (invite(), invite());
    // The second takes the place of the first, and somebody who is there shows who they are.
    assert!(matches!(accept(&old, PASSWORD), Err(Error::Link)));
    assert!(matches!(
        accept(&token, "not Bob's"),
        Err(Error::Credentials)
    ));
    let (cookie, session) = accept(&token, PASSWORD).unwrap();
    assert!(matches!(accept(&token, PASSWORD), Err(Error::Link)));
    assert_eq!(
        (session.account, session.memberships.len()),
        (info.account, 2)
    );
    let again = world.invite(&account, &by, "bob@example.com", "reader");
    assert!(matches!(again, Err(Error::Conflict(_))));
    // From one of his accounts to the other: the cookie before is none any more.
    let visitor = world.visitor();
    let switched = world.accounts.switch(&visitor, &cookie, bobs.account);
    let (next, _) = block_on(switched).unwrap();
    assert_eq!(world.admit(&next).unwrap().account, bobs.account);
    assert_eq!(world.admit(&cookie).unwrap_err(), Denial::Session);
    let foreign = world.accounts.switch(&visitor, &ann, bobs.account);
    assert!(matches!(
        block_on(foreign),
        Err(Error::NotFound {
            what: "account",
            ..
        })
    ));
    world.admit(&bob).unwrap();
    // One that is withdrawn, and one that is late.
    world.invite(&account, &by, "c@d", "reader").unwrap();
    let token = world.token();
    let number = account.invitations()[0].number;
    block_on(account.withdraw(&by, number)).unwrap();
    assert!(matches!(accept(&token, PASSWORD), Err(Error::Link)));
    world.invite(&account, &by, "c@d", "reader").unwrap();
    let token = world.token();
    world.clock.advance(7 * DAY);
    assert!(matches!(accept(&token, PASSWORD), Err(Error::Link)));
    assert!(account.invitations().is_empty());
}

#[test]
fn nothing_is_left_of_a_closed_account() {
    let world = World::new();
    let before = world.rows();
    let (ann, info) = world.member("ann@example.com");
    let bob = world.invited(&ann, "bob@example.com", "reader");
    let (_, cleos) = world.member("cleo@example.com");
    let cleo = world.invited(&ann, "dora@example.com", "admin");
    let account = world.account(info.account);
    let by = world.by(&ann);
    world
        .invite(&account, &by, "eve@example.com", "reader")
        .unwrap();
    let reset = world.request_reset("bob@example.com");
    reset.unwrap();
    world.beside.settle();
    drop(account);
    for id in [info.account, cleos.account] {
        assert!(world.holds(id.as_str().as_bytes()));
        assert!(block_on(world.accounts.erase(id)).unwrap());
    }
    for text in [
        "ann@",
        "bob@",
        "cleo@",
        "dora@",
        "eve@",
        info.account.as_str(),
        cleos.account.as_str(),
    ] {
        assert!(!world.holds(text.as_bytes()), "{text}");
    }
    assert_eq!(world.rows(), before);
    for cookie in [ann, bob, cleo] {
        assert_eq!(world.admit(&cookie).unwrap_err(), Denial::Session);
    }
}

#[test]
fn who_is_in_two_accounts_stays_when_one_is_closed() {
    let world = World::new();
    let (ann, anns) = world.member("ann@example.com");
    let (bob, bobs) = world.member("bob@example.com");
    let guest = world.invited(&ann, "bob@example.com", "reader");
    assert!(block_on(world.accounts.erase(anns.account)).unwrap());
    assert_eq!(world.admit(&guest).unwrap_err(), Denial::Session);
    assert_eq!(world.admit(&bob).unwrap().account, bobs.account);
    assert!(!world.holds(anns.account.as_str().as_bytes()));
}

#[test]
fn no_secret_is_in_the_store() {
    let world = World::new();
    world.sign_up("ann@example.com").unwrap();
    let link = world.token();
    assert!(!world.holds(link.as_bytes()));
    let (cookie, info) = world.verify(&link, PASSWORD).unwrap();
    let account = world.account(info.account);
    let by = world.by(&cookie);
    let invited = world.invite(&account, &by, "b@c", "reader");
    let invitation = invited.unwrap().token;
    for secret in [&link, &cookie, &invitation, &info.csrf_token, PASSWORD] {
        assert!(!world.holds(secret.as_bytes()));
        // Nor its part that is random, by itself.
        assert!(!world.holds(&secret.as_bytes()[secret.len() - 12..]));
    }
}
