mod apart;
mod guesses;
mod members;
mod sign_in;
mod single_sign_on;

use std::sync::Arc;

use futures::executor::block_on;
use quartz_core::{
    Clock as _, ManualClock,
    store::{MemoryStore, ScanLimit, Store},
};

use super::*;
use crate::{
    Account, AccountId, Accounts, Admission, By, Credential, Denial, Error, Gatekeeper, Invited,
    Knock, Ports, RootKey,
    error::Result,
    testing::{self, Beside},
};

const PASSWORD: &str = "correct horse";
const DAY: u64 = 24 * 60 * 60 * 1000;

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    accounts: Accounts,
    ports: Ports,
    beside: Beside,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::new(1_000_000));
        let (ports, beside) = testing::ports(clock.clone());
        let accounts = open(&store, &ports);
        Self {
            store,
            clock,
            accounts,
            ports,
            beside,
        }
    }

    /// Everything forgotten that is not in the store.
    fn restart(&mut self, change: impl FnOnce(&mut Ports)) {
        change(&mut self.ports);
        self.accounts = open(&self.store, &self.ports);
    }

    fn visitor(&self) -> Visitor {
        Visitor {
            address: None,
            request_id: "r".into(),
            now_micros: self.clock.now_millis() * 1000,
        }
    }

    /// The token in the only letter that has come.
    #[track_caller]
    fn token(&self) -> String {
        let letters = self.beside.take_letters();
        assert_eq!(letters.len(), 1);
        let (_, rest) = letters[0].text.split_once('#').unwrap();
        rest.split('\n').next().unwrap().to_owned()
    }

    fn sign_up(&self, email: &str) -> Result<()> {
        self.accounts.sign_up(
            &self.visitor(),
            SignUp {
                email: address(email),
                password: PASSWORD.into(),
                account_name: "Acme".into(),
            },
        )
    }

    /// An account of somebody who has signed up; a cookie.
    fn member(&self, email: &str) -> (String, SessionInfo) {
        self.sign_up(email).unwrap();
        let token = self.token();
        block_on(self.accounts.verify(&self.visitor(), &token, PASSWORD)).unwrap()
    }

    fn sign_in_with(&self, email: &str, password: &str, code: Option<&str>) -> Result<String> {
        let wanted = SignIn {
            email: address(email),
            password: password.into(),
            code: code.map(str::to_owned),
            account: None,
        };
        let signed = block_on(self.accounts.sign_in(&self.visitor(), wanted, None));
        signed.map(|(cookie, _)| cookie)
    }

    fn sign_in(&self, email: &str) -> Result<String> {
        self.sign_in_with(email, PASSWORD, None)
    }

    fn admit(&self, cookie: &str) -> Result<Arc<Grant>, Denial> {
        self.admit_with(cookie, None)
    }

    fn admit_with(&self, cookie: &str, csrf: Option<&str>) -> Result<Arc<Grant>, Denial> {
        let knock = Knock {
            credential: Credential::Session { cookie, csrf },
            address: None,
        };
        match self.accounts.admit(knock) {
            Admission::Ready(answer) => answer,
            Admission::Pending(answer) => block_on(answer),
        }
    }

    fn by(&self, cookie: &str) -> By {
        self.visitor().by(self.admit(cookie).unwrap())
    }

    fn account(&self, id: AccountId) -> Account {
        block_on(self.accounts.open(id)).unwrap().unwrap()
    }

    /// A new member of an account, invited with a cookie; the member's cookie.
    fn invited(&self, inviter: &str, email: &str, role: &str) -> String {
        let by = self.by(inviter);
        let account = self.account(by.grant.account);
        self.invite(&account, &by, email, role).unwrap();
        self.accept(&self.token(), PASSWORD).unwrap().0
    }

    fn invite(&self, account: &Account, by: &By, email: &str, role: &str) -> Result<Invited> {
        block_on(self.accounts.invite(account, by, &address(email), role))
    }

    fn request_reset(&self, email: &str) -> Result<()> {
        self.accounts.request_reset(&self.visitor(), address(email))
    }

    fn accept(&self, token: &str, password: &str) -> Result<(String, SessionInfo)> {
        let visitor = self.visitor();
        block_on(self.accounts.accept(&visitor, token, password, None, None))
    }

    fn verify(&self, token: &str, password: &str) -> Result<(String, SessionInfo)> {
        block_on(self.accounts.verify(&self.visitor(), token, password))
    }

    /// Every row there is.
    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let snapshot = block_on(self.store.snapshot()).unwrap();
        let page = block_on(snapshot.scan(&[], &[0xFF; 8], ScanLimit::rows(100_000))).unwrap();
        assert!(!page.more);
        let rows = page.rows.iter();
        rows.map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    fn holds(&self, text: &[u8]) -> bool {
        let within = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        self.rows()
            .iter()
            .any(|(key, value)| within(key) || within(value))
    }
}

fn open(store: &Arc<MemoryStore>, ports: &Ports) -> Accounts {
    block_on(Accounts::new(
        store.clone(),
        ports.clone(),
        RootKey::new("root"),
    ))
    .unwrap()
}

fn address(email: &str) -> Email {
    Email::parse(email).unwrap()
}
