use futures::executor::block_on;
use quartz_core::{ManualClock, store::MemoryStore};

use super::*;
use crate::{
    Accounts, Admission, Credential, Gatekeeper, Knock, NewAccount, Permission, RootKey,
    roles::{DEVELOPER, READER},
    rows::{audit::Head, role::StoredRole},
    testing::{self, BOUNDS},
    verify_chain,
};

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) accounts: Accounts,
}

impl World {
    pub(super) fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::new(1_000_000));
        let accounts = open(&store, &clock);
        Self {
            store,
            clock,
            accounts,
        }
    }

    pub(super) fn root(&self) -> By {
        by(self.admit("root").unwrap())
    }

    pub(super) fn account(&self) -> (Account, By) {
        let new = NewAccount {
            name: "Acme".into(),
            ..NewAccount::default()
        };
        let account = block_on(self.accounts.create(&self.root(), new)).unwrap();
        let owner = block_on(account.create_key(&self.root(), key("owner"))).unwrap();
        let grant = self.admit(&owner.text).unwrap();
        (account, by(grant))
    }

    fn admit(&self, key: &str) -> Result<Arc<Grant>, Denial> {
        self.admit_from(key, None)
    }

    fn admit_from(&self, key: &str, address: Option<&str>) -> Result<Arc<Grant>, Denial> {
        let knock = Knock {
            credential: Credential::Key(key),
            address: address.map(|address| address.parse().unwrap()),
        };
        match self.accounts.admit(knock) {
            Admission::Ready(answer) => answer,
            Admission::Pending(answer) => block_on(answer),
        }
    }
}

pub(super) fn open(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>) -> Accounts {
    let (ports, _) = testing::ports(clock.clone());
    block_on(Accounts::new(store.clone(), ports, RootKey::new("root"))).unwrap()
}

fn by(grant: Arc<Grant>) -> By {
    By {
        grant,
        address: None,
        request_id: "r".into(),
    }
}

pub(super) fn key(role: &str) -> NewKey {
    NewKey {
        name: "k".into(),
        role: role.into(),
        prefixes: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
        requests_per_second: None,
    }
}

#[test]
fn a_key_opens_until_it_is_revoked() {
    let world = World::new();
    let (account, owner) = world.account();
    let issued = block_on(account.create_key(&owner, key("developer"))).unwrap();
    let grant = world.admit(&issued.text).unwrap();
    assert_eq!(
        (grant.account, grant.key),
        (account.id(), issued.key.number)
    );
    assert_eq!(grant.permissions, DEVELOPER.permissions);
    world.clock.advance(5_000);
    world.admit(&issued.text).unwrap();
    let used = account.key(issued.key.number).unwrap().stored.last_used_at;
    assert_eq!(used, 1_005_000);
    block_on(account.revoke_key(&owner, issued.key.number)).unwrap();
    assert_eq!(world.admit(&issued.text).unwrap_err(), Denial::Unknown);
    let again = block_on(account.revoke_key(&owner, issued.key.number));
    assert!(matches!(again, Err(Error::NotFound { .. })));
}

/// How many there may be, and what is said to one more.
fn most(add: impl FnMut(usize) -> Result<(), Error>) -> (usize, String) {
    let mut added = (0..).map(add).enumerate();
    added
        .find_map(|(number, done)| done.err().map(|error| (number, error.to_string())))
        .unwrap()
}

#[test]
fn an_account_has_so_many_of_each() {
    let world = World::new();
    let (account, owner) = world.account();
    let (keys, why) = most(|_| block_on(account.create_key(&owner, key("reader"))).map(drop));
    // Beside that of the owner.
    assert_eq!(keys + 1, BOUNDS.api_keys);
    let said = format!(
        "an account has at most {} API keys (the limit api_keys)",
        BOUNDS.api_keys
    );
    assert_eq!(why, said);
    let role = StoredRole {
        permissions: READER.permissions,
        description: String::new(),
    };
    let put = |name: &str| block_on(account.put_role(&owner, name, role.clone()));
    let (roles, why) = most(|number| put(&format!("role{number}")).map(drop));
    assert_eq!(roles, BOUNDS.roles);
    assert!(why.contains("the limit roles"), "{why}");
    put("role0").unwrap();
    let email = |number: usize| Email::parse(&format!("ann{number}@example.com")).unwrap();
    let invite = |number| block_on(account.invite(&owner, &email(number), "reader"));
    let (members, why) = most(|number| {
        let invited = invite(number)?;
        let number_there = invited.invitation.number;
        block_on(account.join(&owner, number_there, &invited.token, &email(number)))
    });
    assert_eq!(members, BOUNDS.members);
    assert!(why.contains("the limit members"), "{why}");
    // One is left that was not accepted.
    let (invitations, why) = most(|number| invite(100 + number).map(drop));
    assert_eq!(invitations + 1, BOUNDS.invitations);
    assert!(why.contains("the limit invitations"), "{why}");
}

#[test]
fn everything_is_there_after_a_restart() {
    let mut world = World::new();
    let (account, owner) = world.account();
    let issued = block_on(account.create_key(&owner, key("reader"))).unwrap();
    let id = account.id();
    drop(account);
    world.accounts = open(&world.store, &world.clock);
    // The account is not in memory yet.
    assert_eq!(
        world.admit(&issued.text).unwrap().permissions,
        READER.permissions
    );
    let account = block_on(world.accounts.open(id)).unwrap().unwrap();
    assert_eq!(account.profile().name, "Acme");
    assert_eq!(account.keys().len(), 2);
}

#[test]
fn a_rotated_key_opens_for_its_grace() {
    let world = World::new();
    let (account, owner) = world.account();
    let issued = block_on(account.create_key(&owner, key("reader"))).unwrap();
    let number = issued.key.number;
    let rotated = block_on(account.rotate_key(&owner, number, 60_000)).unwrap();
    assert_ne!(rotated.text, issued.text);
    world.admit(&rotated.text).unwrap();
    world.admit(&issued.text).unwrap();
    world.clock.advance(60_000);
    world.admit(&rotated.text).unwrap();
    assert_eq!(world.admit(&issued.text).unwrap_err(), Denial::Unknown);
    let third = block_on(account.rotate_key(&owner, number, 0)).unwrap();
    assert_eq!(world.admit(&rotated.text).unwrap_err(), Denial::Unknown);
    world.admit(&third.text).unwrap();
}

#[test]
fn expiry_and_addresses_are_held() {
    let world = World::new();
    let (account, owner) = world.account();
    let new = NewKey {
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        expires_at: Some(1_010_000),
        ..key("reader")
    };
    let issued = block_on(account.create_key(&owner, new)).unwrap();
    let from = |address| world.admit_from(&issued.text, address).map(drop);
    assert_eq!(from(Some("10.1.1.1")), Ok(()));
    assert_eq!(from(Some("::ffff:10.1.1.1")), Ok(()));
    assert_eq!(from(Some("11.1.1.1")), Err(Denial::Address));
    assert_eq!(from(None), Err(Denial::Address));
    world.clock.advance(10_000);
    assert_eq!(from(Some("10.1.1.1")), Err(Denial::Expired));
}

#[test]
fn no_key_makes_a_greater_one() {
    let world = World::new();
    let (account, owner) = world.account();
    let limited = NewKey {
        prefixes: vec!["app-".into()],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        expires_at: Some(2_000_000),
        ..key("admin")
    };
    let limited = block_on(account.create_key(&owner, limited)).unwrap();
    let limited = by(world.admit_from(&limited.text, Some("10.0.0.1")).unwrap());
    let make = |new| block_on(account.create_key(&limited, new));

    // What is not said is inherited.
    let heir = make(key("admin")).unwrap().key.stored;
    assert_eq!(heir.prefixes, ["app-"]);
    assert_eq!(heir.expires_at, Some(2_000_000));
    assert_eq!(heir.networks, limited.grant.networks);
    let narrower = NewKey {
        prefixes: vec!["app-x".into()],
        networks: vec!["10.1.0.0/16".parse().unwrap()],
        expires_at: Some(1_500_000),
        ..key("reader")
    };
    make(narrower).unwrap();

    let escalates = |new| matches!(make(new), Err(Error::Escalation { .. }));
    assert!(escalates(key("owner")));
    for prefix in ["", "ap", "other"] {
        let prefixes = vec![prefix.into(), "app-1".into()];
        assert!(escalates(NewKey {
            prefixes,
            ..key("reader")
        }));
    }
    assert!(escalates(NewKey {
        networks: vec!["0.0.0.0/0".parse().unwrap()],
        ..key("reader")
    }));
    assert!(escalates(NewKey {
        expires_at: Some(2_000_001),
        ..key("reader")
    }));
    let slow = NewKey {
        requests_per_second: Some(5),
        ..key("admin")
    };
    let slow = block_on(account.create_key(&owner, slow)).unwrap();
    let slow = by(world.admit(&slow.text).unwrap());
    let faster = NewKey {
        requests_per_second: Some(6),
        ..key("reader")
    };
    assert!(block_on(account.create_key(&slow, faster)).is_err());
    let heir = block_on(account.create_key(&slow, key("reader"))).unwrap();
    assert_eq!(heir.key.stored.requests_per_second, Some(5));
    // Whoever rotates or widens a key holds it.
    let owners = owner.grant.key;
    assert!(block_on(account.rotate_key(&limited, owners, 0)).is_err());
    let widened = KeyChange {
        networks: Some(Vec::new()),
        ..KeyChange::default()
    };
    assert!(block_on(account.change_key(&limited, limited.grant.key, widened)).is_err());
    // Operating the server is nobody's to give.
    for role in ["operator", "none"] {
        assert!(block_on(account.create_key(&owner, key(role))).is_err());
    }
}

#[test]
fn roles_of_ones_own() {
    let world = World::new();
    let (account, owner) = world.account();
    let role = |list: &[Permission]| StoredRole {
        permissions: list.iter().copied().collect(),
        description: String::new(),
    };
    let put = |by: &By, name, list: &[Permission]| block_on(account.put_role(by, name, role(list)));
    assert_eq!(put(&owner, "writer", &[Permission::RecordsWrite]), Ok(true));
    let issued = block_on(account.create_key(&owner, key("writer"))).unwrap();
    let allowed = |permission| {
        world
            .admit(&issued.text)
            .unwrap()
            .permissions
            .allow(permission)
    };
    assert!(allowed(Permission::RecordsWrite) && !allowed(Permission::RecordsRead));
    // A role that changes takes its keys along.
    let both = [Permission::RecordsWrite, Permission::RecordsRead];
    assert_eq!(put(&owner, "writer", &both), Ok(false));
    assert!(allowed(Permission::RecordsRead));
    // Nobody gives what they do not have.
    let writer = by(world.admit(&issued.text).unwrap());
    let more = put(&writer, "writer", &[Permission::KeysWrite]);
    assert!(matches!(
        more,
        Err(Error::Escalation {
            permission: Some(Permission::KeysWrite),
            ..
        })
    ));
    assert!(put(&owner, "evil", &[Permission::Operate]).is_err());
    assert!(put(&owner, "owner", &[]).is_err());
    assert!(matches!(
        block_on(account.delete_role(&owner, "writer")),
        Err(Error::Conflict(_))
    ));
    block_on(account.revoke_key(&owner, issued.key.number)).unwrap();
    block_on(account.delete_role(&owner, "writer")).unwrap();
}

#[test]
fn a_suspended_account_lets_nobody_in() {
    let world = World::new();
    let (account, owner) = world.account();
    let issued = block_on(account.create_key(&owner, key("owner"))).unwrap();
    block_on(account.suspend(&world.root(), Some("unpaid"))).unwrap();
    assert_eq!(world.admit(&issued.text).unwrap_err(), Denial::Suspended);
    block_on(account.suspend(&world.root(), None)).unwrap();
    world.admit(&issued.text).unwrap();
    let root = block_on(world.accounts.open(AccountId::ROOT))
        .unwrap()
        .unwrap();
    assert!(block_on(root.suspend(&world.root(), Some("x"))).is_err());
}

#[test]
fn every_change_is_in_a_sound_log() {
    let world = World::new();
    let (account, owner) = world.account();
    let issued = block_on(account.create_key(&owner, key("reader"))).unwrap();
    block_on(account.revoke_key(&owner, issued.key.number)).unwrap();
    block_on(account.rename(&owner, "Acme 2")).unwrap();
    let page = block_on(account.audit(0, 100)).unwrap();
    let actions: Vec<_> = page
        .entries
        .iter()
        .map(|(_, linked)| &*linked.entry.action)
        .collect();
    let expected = [
        "account.create",
        "key.create",
        "key.create",
        "key.revoke",
        "account.rename",
    ];
    assert_eq!(actions, expected);
    assert_eq!(verify_chain(Head::default(), &page.entries), Ok(page.head));
    let text = format!("{page:?}");
    assert!(
        !text.contains(&issued.text[10..]),
        "a secret stands in the log"
    );
}

#[test]
fn accounts_are_listed_and_erased_without_a_trace() {
    let world = World::new();
    let ids: Vec<_> = (0..5).map(|_| world.account().0.id()).collect();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = block_on(world.accounts.list(after, 2)).unwrap();
        listed.extend(page.iter().map(|one| one.id));
        after = next;
        if next.is_none() {
            break;
        }
    }
    let mut expected = ids.clone();
    expected.push(AccountId::ROOT);
    expected.sort();
    assert_eq!(listed, expected);
    assert!(block_on(world.accounts.erase(ids[0])).unwrap());
    assert!(!block_on(world.accounts.erase(ids[0])).unwrap());
    assert!(block_on(world.accounts.open(ids[0])).unwrap().is_none());
    let snapshot = block_on(world.store.snapshot()).unwrap();
    let all = quartz_core::store::ScanLimit {
        rows: usize::MAX,
        bytes: usize::MAX,
    };
    for (key, value) in block_on(snapshot.scan(b"", b"", all)).unwrap().rows {
        let traces = |bytes: &[u8]| {
            let id = ids[0].as_str().as_bytes();
            bytes.windows(id.len()).any(|window| window == id)
        };
        assert!(!traces(&key) && !traces(&value));
    }
}

#[test]
fn keys_of_others_and_nonsense_stay_out() {
    let world = World::new();
    let (account, _) = world.account();
    let stranger = crate::key_text::make(account.id(), [9; 32]);
    assert_eq!(world.admit(&stranger).unwrap_err(), Denial::Unknown);
    let nobody = crate::key_text::make("nobody".parse().unwrap(), [9; 32]);
    assert_eq!(world.admit(&nobody).unwrap_err(), Denial::Unknown);
    let root = crate::key_text::make(AccountId::ROOT, [9; 32]);
    assert_eq!(world.admit(&root).unwrap_err(), Denial::Unknown);
    assert_eq!(world.admit("").unwrap_err(), Denial::Unknown);
    assert!(matches!(
        world.admit(&stranger[..40]),
        Err(Denial::Malformed(_))
    ));
}

#[test]
fn a_lost_commit_is_noticed() {
    let world = World::new();
    let (account, owner) = world.account();
    // As if a change had been dropped between its commit and its publication.
    account.0.uncertain.store(true, Ordering::Release);
    let issued = block_on(account.create_key(&owner, key("reader"))).unwrap();
    assert!(!account.is_uncertain());
    account.0.uncertain.store(true, Ordering::Release);
    world.admit(&issued.text).unwrap();
    assert!(!account.is_uncertain());
}

pub(super) fn metered(
    created_at: u64,
    rows: &[(u32, u32, u64)],
) -> quartz_core::namespace::Metered {
    quartz_core::namespace::Metered {
        created_at,
        bytes: 10,
        vectors: 1,
        rows: rows
            .iter()
            .map(|&(hour, payer, units)| (hour, payer, quartz_core::usage::Usage::write(units)))
            .collect(),
    }
}

#[test]
fn usage_is_taken_over_once_however_often_it_is_told() {
    let mut world = World::new();
    let (account, _) = world.account();
    let id = account.id();
    let tell = |account: &Account, metered| block_on(account.roll_up(&[("ns", metered)])).unwrap();
    let written = |account: &Account| account.balance().used.write_units;
    tell(&account, metered(1, &[(0, 1, 5)]));
    tell(&account, metered(1, &[(0, 1, 5)]));
    assert_eq!(written(&account), 5);
    // The hour goes on, another begins; the clock of the host jumps back.
    tell(&account, metered(1, &[(0, 1, 7), (1, 1, 2), (0, 2, 1)]));
    assert_eq!(written(&account), 10);
    tell(&account, metered(1, &[(0, 1, 7), (1, 1, 2)]));
    assert_eq!(written(&account), 10);
    // A crash took what was not synced along, and it is counted anew.
    tell(&account, metered(1, &[(0, 1, 5)]));
    tell(&account, metered(1, &[(0, 1, 7)]));
    assert_eq!(written(&account), 10);
    // The namespace is deleted and another one of its name comes in the same hour.
    block_on(account.forget_namespace("ns")).unwrap();
    assert_eq!(account.balance().stock.bytes, 0);
    tell(&account, metered(2, &[(0, 1, 3)]));
    assert_eq!(written(&account), 13);
    assert_eq!(account.balance().stock.bytes, 10);
    drop(account);
    world.accounts = open(&world.store, &world.clock);
    let account = block_on(world.accounts.open(id)).unwrap().unwrap();
    assert_eq!(written(&account), 13);
    tell(&account, metered(2, &[(0, 1, 3)]));
    assert_eq!(written(&account), 13);
    let query = UsageQuery {
        from_hour: 0,
        to_hour: 1,
        namespace: None,
        payer: None,
        hours: 1,
        by_namespace: false,
        by_key: true,
    };
    let lines = block_on(account.usage(&query)).unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| (line.payer, line.used.write_units))
        .collect();
    assert_eq!(lines, [(Some(1), 10), (Some(2), 1)]);
}

#[test]
fn an_operator_looks_and_is_seen_looking() {
    let world = World::new();
    let (account, by) = world.account();
    let refused = block_on(account.impersonate(&by, "curious", 1000));
    assert!(matches!(refused, Err(Error::Escalation { .. })));
    let root = world.root();
    let issued = block_on(account.impersonate(&root, "ticket 7", 60_000)).unwrap();
    let grant = world.admit(&issued.text).unwrap();
    for &permission in Permission::ALL {
        let sees = permission.as_str().ends_with(":read");
        assert_eq!(grant.allows(permission).is_ok(), sees, "{permission}");
    }
    let log = block_on(account.audit(0, 100)).unwrap();
    let entry = &log.entries.last().unwrap().1.entry;
    assert_eq!(
        (&*entry.action, &*entry.actor),
        ("account.impersonate", "root/root")
    );
    assert!(entry.detail.contains("ticket 7"), "{}", entry.detail);
    world.clock.advance(60_000);
    assert_eq!(world.admit(&issued.text).unwrap_err(), Denial::Expired);
    let again = block_on(account.impersonate(&root, "ticket 8", 60_000)).unwrap();
    block_on(account.revoke_key(&by, again.key.number)).unwrap();
    assert_eq!(world.admit(&again.text).unwrap_err(), Denial::Unknown);
}
