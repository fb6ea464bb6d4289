use futures::executor::block_on;

use super::{
    tests::{World, key, metered, open},
    *,
};
use crate::{
    Error,
    rows::delivery::{Datum, StoredDelivery},
    testing::BOUNDS,
};

fn hook(url: &str, events: &[&str]) -> NewWebhook {
    NewWebhook {
        url: url.into(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        description: String::new(),
    }
}

fn due(account: &Account) -> Vec<Message> {
    block_on(account.due_messages(16)).unwrap()
}

/// Webhook, number and type of what is due.
fn kinds(account: &Account) -> Vec<(u32, u64, String)> {
    let due = due(account).into_iter();
    due.map(|one| (one.webhook, one.number, one.event.kind))
        .collect()
}

fn attempt(message: &Message, taken: bool) -> Attempt {
    Attempt {
        webhook: message.webhook,
        number: message.number,
        due_at: message.due_at,
        taken,
        answer: if taken { "200" } else { "503" }.into(),
    }
}

fn note(account: &Account, taken: bool) {
    let attempts: Vec<_> = due(account).iter().map(|one| attempt(one, taken)).collect();
    block_on(account.note_attempts(&attempts)).unwrap();
}

fn delivery(account: &Account, webhook: u32, at: usize) -> StoredDelivery {
    let page = block_on(account.deliveries(webhook, None, 100)).unwrap();
    page.deliveries[at].1.clone()
}

#[test]
fn an_event_is_in_the_outbox_with_what_happened() {
    let mut world = World::new();
    let (account, by) = world.account();
    block_on(account.create_key(&by, key("reader"))).unwrap();
    assert_eq!(account.next_delivery(), None, "nobody wants to know");
    block_on(account.create_webhook(&by, hook("https://a.test/x", &[]))).unwrap();
    let only = hook("https://b.test/y", &["key.revoked"]);
    block_on(account.create_webhook(&by, only)).unwrap();
    let issued = block_on(account.create_key(&by, key("reader"))).unwrap();
    block_on(account.revoke_key(&by, issued.key.number)).unwrap();
    let expected = [
        (1, 0, "key.created".to_owned()),
        (1, 1, "key.revoked".to_owned()),
        (2, 1, "key.revoked".to_owned()),
    ];
    assert_eq!(kinds(&account), expected);
    let message = &due(&account)[0];
    assert_eq!(message.url, "https://a.test/x");
    let number = Datum::Number(issued.key.number.into());
    assert_eq!(message.event.data[0], ("key".to_owned(), number));
    // A process that is killed loses none: what is committed is found again.
    let id = account.id();
    drop(account);
    world.accounts = open(&world.store, &world.clock);
    assert!(world.accounts.with_due_messages().is_empty());
    block_on(world.accounts.find_messages()).unwrap();
    let found = world.accounts.with_due_messages();
    let found: Vec<_> = found.iter().map(Account::id).collect();
    assert_eq!(found, [id]);
    let account = block_on(world.accounts.open(id)).unwrap().unwrap();
    assert_eq!(kinds(&account), expected);
    note(&account, true);
    assert!(kinds(&account).is_empty());
    assert_eq!(account.next_delivery(), None);
    let delivered = delivery(&account, 2, 0);
    assert_eq!((delivered.attempts, &*delivered.answer), (1, "200"));
    assert_eq!(delivered.delivered_at, Some(1_000_000));
}

#[test]
fn what_is_not_taken_comes_again_ever_more_rarely() {
    let world = World::new();
    let (account, by) = world.account();
    block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    block_on(account.create_key(&by, key("reader"))).unwrap();
    let mut attempts = 0;
    while let Some(next) = account.next_delivery() {
        let now = account.0.ports.clock.now_millis();
        if next > now {
            world.clock.advance(next - now - 1);
            assert!(due(&account).is_empty(), "not before its time");
            world.clock.advance(1);
        }
        note(&account, false);
        attempts += 1;
    }
    assert_eq!(attempts, 10);
    let failed = delivery(&account, 1, 0);
    assert_eq!((failed.attempts, &*failed.answer), (10, "503"));
    assert_eq!((failed.next_at, failed.delivered_at), (None, None));
    // Sent again by hand, it is as new.
    block_on(account.replay(&by, 1, 0)).unwrap();
    let twice = block_on(account.replay(&by, 1, 0));
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    assert_eq!(kinds(&account), [(1, 0, "key.created".to_owned())]);
    note(&account, false);
    assert_eq!(delivery(&account, 1, 0).attempts, 1);
    world.clock.advance(5_000);
    note(&account, true);
    assert_eq!(account.next_delivery(), None);
    let missing = block_on(account.replay(&by, 1, 9));
    assert!(matches!(
        missing,
        Err(Error::NotFound {
            what: "delivery",
            ..
        })
    ));
}

#[test]
fn an_answer_that_comes_late_changes_nothing() {
    let world = World::new();
    let (account, by) = world.account();
    block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    block_on(account.create_key(&by, key("reader"))).unwrap();
    let message = due(&account).remove(0);
    note(&account, true);
    block_on(account.note_attempts(&[attempt(&message, false)])).unwrap();
    let delivered = delivery(&account, 1, 0);
    assert_eq!((delivered.attempts, delivered.next_at), (1, None));
}

#[test]
fn a_deleted_webhook_gets_nothing_more_and_leaves_nothing() {
    let world = World::new();
    let (account, by) = world.account();
    block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    block_on(account.create_key(&by, key("reader"))).unwrap();
    block_on(account.delete_webhook(&by, 1)).unwrap();
    assert!(due(&account).is_empty());
    assert_eq!(account.next_delivery(), None);
    let again = block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    assert_eq!(again.hook.number, 2, "no number comes twice");
    let gone = block_on(account.deliveries(1, None, 10));
    assert!(matches!(
        gone,
        Err(Error::NotFound {
            what: "webhook",
            ..
        })
    ));
    for kind in [rows::Kind::Delivery, rows::Kind::Due] {
        let snapshot = block_on(account.0.store.snapshot()).unwrap();
        let limit = quartz_core::store::ScanLimit::rows(10);
        let left = block_on(snapshot.scan(&kind.key(&[]), &kind.end(), limit)).unwrap();
        assert!(left.rows.is_empty(), "{kind:?}");
    }
}

#[test]
fn two_secrets_sign_for_a_while() {
    let world = World::new();
    let (account, by) = world.account();
    let first = block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    let second = block_on(account.rotate_webhook(&by, 1, 1000)).unwrap();
    assert_ne!(first.secret, second.secret);
    block_on(account.create_key(&by, key("reader"))).unwrap();
    assert_eq!(due(&account)[0].secrets, [second.secret, first.secret]);
    world.clock.advance(1000);
    assert_eq!(due(&account)[0].secrets, [second.secret]);
    // Neither they nor the path of the URL are in the log.
    let log = format!("{:?}", block_on(account.audit(0, 100)).unwrap());
    assert!(log.contains("https://a.test"), "{log}");
    assert!(!log.contains("whsec_"), "{log}");
}

#[test]
fn an_account_has_so_many_webhooks() {
    let world = World::new();
    let (account, by) = world.account();
    for _ in 0..BOUNDS.webhooks {
        block_on(account.create_webhook(&by, hook("https://a.test/", &[]))).unwrap();
    }
    let more = block_on(account.create_webhook(&by, hook("https://a.test/", &[])));
    assert!(matches!(more, Err(Error::TooMany { most, .. }) if most == BOUNDS.webhooks));
}

#[test]
fn budgets_are_noticed_once_a_month() {
    let world = World::new();
    let (account, by) = world.account();
    let catalogue = world.accounts.plans();
    block_on(account.set_plan(&by, &catalogue, "pay-as-you-go")).unwrap();
    block_on(account.create_webhook(&by, hook("https://a.test/", &["budget.80", "budget.100"])))
        .unwrap();
    block_on(account.set_budget(&by, Some(1_000))).unwrap();
    // A write unit beyond the included million costs two millionths.
    let tell = |hour: u32, beyond: u64| {
        let told = metered(1, &[(hour, 1, 1_000_000 + beyond)]);
        block_on(account.roll_up(&[("ns", told)])).unwrap();
    };
    let sent = || {
        let kinds: Vec<_> = due(&account)
            .into_iter()
            .map(|one| one.event.kind)
            .collect();
        note(&account, true);
        kinds
    };
    tell(0, 399);
    assert!(sent().is_empty());
    tell(0, 400);
    assert_eq!(sent(), ["budget.80"]);
    tell(0, 450);
    assert!(sent().is_empty());
    tell(0, 600);
    tell(0, 700);
    assert_eq!(sent(), ["budget.100"]);
    // Another budget begins anew; one that is passed at once says so.
    block_on(account.set_budget(&by, Some(1_600))).unwrap();
    assert_eq!(sent(), ["budget.80"]);
    // So does another month, on the same budget.
    let month_millis = 31 * 24 * 3_600_000;
    world.clock.advance(month_millis);
    tell(31 * 24, 1_000);
    assert_eq!(sent(), ["budget.80", "budget.100"]);
}
