//! People in one store and each account in another, as at the edge; questions between them may be lost, or
//! their answers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use futures::FutureExt as _;
use quartz_core::{
    VectorCache,
    directory::Directory,
    store::{BoxFuture, StoreError},
};

use super::{
    single_sign_on::{identity, settings},
    *,
};
use crate::{
    Namespaces, NewAccount,
    peers::{Answer, Ask, Peer, Peers},
    rows,
    testing::Provider,
};

/// The stores, and the way between them.
#[derive(Clone)]
struct Apart(Arc<Places>);

struct Places {
    /// The registry at no id.
    stores: Mutex<BTreeMap<Option<AccountId>, Accounts>>,
    ports: Ports,
    beside: Beside,
    /// Questions until one is lost.
    left: AtomicI64,
    /// Whether only the answer of that one is lost.
    is_answered: AtomicBool,
}

impl Peers for Apart {
    fn ask(&self, _own: &Accounts, ask: Ask) -> BoxFuture<'static, Result<Answer>> {
        let lost = || Error::Store(StoreError::Unavailable("lost".to_owned()));
        let is_lost = self.0.left.fetch_sub(1, Ordering::Relaxed) == 0;
        let is_answered = !is_lost || self.0.is_answered.load(Ordering::Relaxed);
        let asked = self.at(match ask.to() {
            Peer::Account(id) => Some(id),
            Peer::Registry => None,
        });
        Box::pin(async move {
            if !is_answered {
                return Err(lost());
            }
            let ask = rows::decode(b"", &rows::encode(&ask))?;
            let answer = rows::encode(&asked.answer(ask).await?);
            match is_lost {
                true => Err(lost()),
                false => Ok(rows::decode(b"", &answer)?),
            }
        })
    }
}

impl Apart {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(sso: Option<Arc<SingleSignOn>>) -> Self {
        let clock = Arc::new(ManualClock::new(1_000_000));
        let (mut ports, beside) = testing::ports(clock);
        ports.sso = sso;
        Self(Arc::new(Places {
            stores: Mutex::default(),
            ports,
            beside,
            left: AtomicI64::new(-1),
            is_answered: AtomicBool::new(false),
        }))
    }

    fn at(&self, place: Option<AccountId>) -> Accounts {
        let open = || {
            let ports = Ports {
                peers: Arc::new(self.clone()),
                ..self.0.ports.clone()
            };
            let store = Arc::new(MemoryStore::default());
            Accounts::over(store, ports, RootKey::new("root"), place)
        };
        let mut stores = self.0.stores.lock().unwrap();
        stores.entry(place).or_insert_with(open).clone()
    }

    fn found_root(&self) {
        let (id, visitor, new) = (AccountId::ROOT, Self::visitor(), NewAccount::default());
        block_on(self.at(Some(id)).found_here(&visitor, id, &new)).unwrap();
    }

    fn root(&self) -> Account {
        let there = self.at(Some(AccountId::ROOT));
        block_on(there.open(AccountId::ROOT)).unwrap().unwrap()
    }

    fn registry(&self) -> Accounts {
        self.at(None)
    }

    /// Loses the question after so many, or its answer.
    fn lose(&self, number: i64, is_answered: bool) {
        self.0.left.store(number, Ordering::Relaxed);
        self.0.is_answered.store(is_answered, Ordering::Relaxed);
    }

    /// Whether the one to be lost was not reached. From now on none is.
    fn is_whole(&self) -> bool {
        self.0.left.swap(-1, Ordering::Relaxed) >= 0
    }

    fn visitor() -> Visitor {
        Visitor {
            address: None,
            request_id: "r".into(),
            now_micros: 1,
        }
    }

    fn token(&self) -> String {
        let letters = self.0.beside.take_letters();
        let (_, rest) = letters[0].text.split_once('#').unwrap();
        rest.split('\n').next().unwrap().to_owned()
    }

    /// The token of a sign-up.
    fn signed_up(&self, email: &str) -> String {
        let wanted = SignUp {
            email: address(email),
            password: PASSWORD.into(),
            account_name: "Acme".into(),
        };
        self.registry().sign_up(&Self::visitor(), wanted).unwrap();
        self.token()
    }

    fn verify(&self, token: &str) -> Result<(String, SessionInfo)> {
        block_on(self.registry().verify(&Self::visitor(), token, PASSWORD))
    }

    fn sign_in(&self, email: &str) -> Result<(String, SessionInfo)> {
        let wanted = SignIn {
            email: address(email),
            password: PASSWORD.into(),
            code: None,
            account: None,
        };
        block_on(self.registry().sign_in(&Self::visitor(), wanted, None))
    }

    fn accept(&self, token: &str) -> Result<(String, SessionInfo)> {
        let visitor = Self::visitor();
        let registry = self.registry();
        block_on(registry.accept(&visitor, token, PASSWORD, None, None))
    }

    fn admit(&self, cookie: &str) -> Result<Arc<Grant>, Denial> {
        let credential = Credential::Session { cookie, csrf: None };
        let knock = Knock {
            credential,
            address: None,
        };
        match self.registry().admit(knock) {
            Admission::Ready(answer) => answer,
            Admission::Pending(answer) => block_on(answer),
        }
    }

    /// An account, in whose store it is and on whose behalf the holder of a cookie acts.
    fn account(&self, cookie: &str) -> (Accounts, Account, By) {
        let by = Self::visitor().by(self.admit(cookie).unwrap());
        let there = self.at(Some(by.grant.account));
        let account = block_on(there.open(by.grant.account)).unwrap().unwrap();
        (there, account, by)
    }

    /// The token of an invitation.
    fn invited(&self, inviter: &str, email: &str) -> String {
        let (there, account, by) = self.account(inviter);
        block_on(there.invite(&account, &by, &address(email), "reader")).unwrap();
        self.token()
    }

    fn listed(&self) -> Vec<AccountId> {
        let list = |after| block_on(self.registry().list(after, 10));
        let (mut page, next) = list(None).unwrap();
        assert_eq!(next, None);
        page.retain(|one| !one.id.is_root());
        page.into_iter().map(|one| one.id).collect()
    }

    fn with_namespaces<T>(&self, work: impl AsyncFnOnce(&Namespaces<'_>) -> T) -> T {
        let (store, clock) = (Arc::new(MemoryStore::default()), &self.0.ports.clock);
        let spawn = Arc::clone(&self.0.ports.spawn);
        let directory = Directory::new(store, Arc::clone(clock), VectorCache::new(0), spawn);
        let namespaces = Namespaces {
            directory: &block_on(directory).unwrap(),
            elsewhere: &|_| async { Ok(()) }.boxed(),
        };
        block_on(work(&namespaces))
    }
}

#[test]
fn people_work_in_accounts_that_are_elsewhere() {
    let apart = Apart::new();
    let (ann, info) = apart.verify(&apart.signed_up("ann@example.com")).unwrap();
    assert_eq!(info.memberships[0].name, "Acme");
    assert_eq!(apart.listed(), [info.account]);
    let (bob, bobs) = apart
        .accept(&apart.invited(&ann, "bob@example.com"))
        .unwrap();
    assert_eq!((bobs.account, &*bobs.grant.role), (info.account, "reader"));
    let (there, account, by) = apart.account(&ann);
    let bobs_number = account.members().last().unwrap().number;
    block_on(there.remove_member(&account, &by, bobs_number)).unwrap();
    assert_eq!(apart.admit(&bob).unwrap_err(), Denial::Session);
    assert!(matches!(
        apart.sign_in("bob@example.com"),
        Err(Error::Credentials)
    ));
    block_on(account.suspend(&by, Some("unpaid"))).unwrap();
    assert_eq!(apart.admit(&ann).unwrap_err(), Denial::Suspended);
}

/// Plays with each question lost in turn, or its answer, until there is none to lose.
fn with_losses(play: impl Fn(&Apart, i64, bool) -> bool) {
    with_losses_in(Apart::new, play);
}

fn with_losses_in(new: impl Fn() -> Apart, play: impl Fn(&Apart, i64, bool) -> bool) {
    for is_answered in [false, true] {
        let whole = (0..100).find(|&number| play(&new(), number, is_answered));
        assert!(whole.is_some_and(|number| number > 1), "{whole:?}");
    }
}

#[test]
fn a_sign_up_that_was_cut_off_is_finished_by_another_try() {
    with_losses(|apart, number, is_answered| {
        let token = apart.signed_up("ann@example.com");
        apart.lose(number, is_answered);
        let first = apart.verify(&token);
        let is_whole = apart.is_whole();
        assert_eq!(first.is_ok(), is_whole);
        let again = first.or_else(|_| apart.verify(&token));
        let (cookie, info) = again.or_else(|_| apart.sign_in("ann@example.com")).unwrap();
        assert_eq!(apart.admit(&cookie).unwrap().role, "owner");
        assert_eq!(apart.listed(), [info.account]);
        let settled = block_on(apart.registry().unsettled(None)).unwrap();
        assert_eq!(settled, (vec![], None));
        is_whole
    });
}

#[test]
fn an_acceptance_that_was_cut_off_is_finished_by_another_try() {
    with_losses(|apart, number, is_answered| {
        let (ann, anns) = apart.verify(&apart.signed_up("ann@example.com")).unwrap();
        let token = apart.invited(&ann, "bob@example.com");
        apart.lose(number, is_answered);
        let first = apart.accept(&token);
        let is_whole = apart.is_whole();
        let again = first.or_else(|_| apart.accept(&token));
        let (bob, bobs) = again.or_else(|_| apart.sign_in("bob@example.com")).unwrap();
        assert_eq!(bobs.account, anns.account);
        assert_eq!(apart.admit(&bob).unwrap().role, "reader");
        let (_, account, _) = apart.account(&ann);
        assert_eq!(account.members().len(), 2);
        is_whole
    });
}

#[test]
fn a_closing_that_was_cut_off_is_finished_or_has_not_begun() {
    with_losses(|apart, number, is_answered| {
        let (ann, anns) = apart.verify(&apart.signed_up("ann@example.com")).unwrap();
        let token = apart.invited(&ann, "bob@example.com");
        let (bob, _) = apart.accept(&token).unwrap();
        let (there, account, by) = apart.account(&ann);
        drop(account);
        apart.lose(number, is_answered);
        let closed = apart.with_namespaces(async |all| there.close(&by, anns.account, all).await);
        let is_whole = apart.is_whole();
        assert_eq!(closed.is_ok(), is_whole);
        let (unsettled, _) = block_on(apart.registry().unsettled(None)).unwrap();
        for id in unsettled {
            let there = apart.at(Some(id));
            apart
                .with_namespaces(async |all| there.settle(id, all).await)
                .unwrap();
        }
        if number == 0 && !is_whole {
            // It was not said that it is closed, and it is not.
            assert_eq!(apart.listed(), [anns.account]);
            assert!(apart.admit(&ann).is_ok() && apart.admit(&bob).is_ok());
        } else {
            assert_eq!(apart.listed(), []);
            assert!(apart.sign_in("bob@example.com").is_err());
            for cookie in [&ann, &bob] {
                assert_eq!(apart.admit(cookie).unwrap_err(), Denial::Session);
            }
        }
        let (unsettled, _) = block_on(apart.registry().unsettled(None)).unwrap();
        assert_eq!(unsettled, []);
        is_whole
    });
}

/// Somebody signs in at a provider, as one of these groups.
fn by_provider(apart: &Apart, provider: &Provider, groups: &[&str]) -> Result<SessionInfo> {
    let (registry, visitor) = (apart.registry(), Apart::visitor());
    let (kept, _) = block_on(registry.begin_sso(&visitor, "/")).unwrap();
    let (state, code) = provider.sign_in(Ok(identity("ann@example.com", groups)));
    let answer = SsoAnswer {
        state,
        code: Ok(code),
        issuer: None,
    };
    let finished = registry.finish_sso(&visitor, Some(&kept), answer, None);
    block_on(finished).map(|(_, info, _)| info)
}

#[test]
fn a_single_sign_on_that_was_cut_off_is_finished_by_another_try() {
    let provider = Arc::new(Provider::default());
    let new = || {
        let apart = Apart::with(Some(settings(&provider, None, AccountId::ROOT)));
        apart.found_root();
        apart
    };
    with_losses_in(new, |apart, number, is_answered| {
        apart.lose(number, is_answered);
        let first = by_provider(apart, &provider, &["staff"]);
        let is_whole = apart.is_whole();
        assert_eq!(first.is_ok(), is_whole);
        let info = first.or_else(|_| by_provider(apart, &provider, &["staff"]));
        assert_eq!(info.unwrap().grant.role, "developer");
        assert_eq!(apart.root().members().len(), 1);
        is_whole
    });
    with_losses_in(new, |apart, number, is_answered| {
        by_provider(apart, &provider, &["chiefs"]).unwrap();
        apart.lose(number, is_answered);
        let first = by_provider(apart, &provider, &[]);
        let is_whole = apart.is_whole();
        let refused = |answer: &Result<_>| matches!(answer, Err(Error::SsoRefused(_)));
        assert!(!is_whole || refused(&first), "{first:?}");
        // Who was let go of on another try is known to nobody any more, and refused all the same.
        assert!(refused(&by_provider(apart, &provider, &[])));
        assert_eq!(apart.root().members().len(), 0);
        assert!(!block_on(apart.registry().has_people()).unwrap());
        is_whole
    });
}

#[test]
fn who_has_no_role_at_a_provider_is_in_the_log_of_its_account() {
    let provider = Arc::new(Provider::default());
    let sso = settings(&provider, None, AccountId::ROOT);
    let apart = Apart::with(Some(sso));
    assert!(matches!(
        by_provider(&apart, &provider, &["staff"]),
        Err(Error::NotFound {
            what: "account",
            ..
        })
    ));
    apart.found_root();
    assert!(by_provider(&apart, &provider, &["elsewhere"]).is_err());
    block_on(apart.registry().flush_denials()).unwrap();
    let account = apart.root();
    block_on(account.flush_denials()).unwrap();
    let log = block_on(account.audit(0, 100)).unwrap().entries;
    let (_, last) = log.last().unwrap();
    assert_eq!(last.entry.outcome, "sso_refused");
}
