//! What is announced goes into the outbox, in the commit of what happened.

use quartz_core::store::Batch;

use super::State;
use crate::{
    rows::{
        self,
        delivery::{self, Datum, Event, StoredDelivery},
        webhook,
    },
    webhook::Notice,
};

impl State {
    /// Puts an event into the outbox of each webhook that wants it.
    pub(super) fn announce(&mut self, batch: &mut Batch, event: &Event) {
        let wanting = self.webhooks.iter();
        let wanting = wanting.filter(|(_, hook)| hook.wants(&event.kind));
        let wanting: Vec<_> = wanting.map(|(number, _)| *number).collect();
        for webhook in &wanting {
            self.enqueue(batch, *webhook, event);
        }
        if !wanting.is_empty() {
            self.outbox.events += 1;
            batch.put(webhook::outbox_key(), rows::encode(&self.outbox));
        }
    }

    pub(super) fn enqueue(&mut self, batch: &mut Batch, webhook: u32, event: &Event) {
        let number = self.outbox.events;
        let stored = StoredDelivery {
            event: event.clone(),
            attempts: 0,
            next_at: Some(event.at),
            delivered_at: None,
            tried_at: None,
            answer: String::new(),
        };
        batch.put(delivery::key(webhook, number), rows::encode(&stored));
        self.due_at(batch, event.at, webhook, number);
    }

    pub(super) fn due_at(&mut self, batch: &mut Batch, at: u64, webhook: u32, number: u64) {
        batch.put(delivery::due_key(at, webhook, number), Vec::new());
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Announces what the month's usage has come to, each notice once a month.
    pub(super) fn notice(&mut self, batch: &mut Batch, now: u64) {
        let balance = self.balance(now);
        if self.outbox.month != balance.month {
            self.outbox.month = balance.month;
            self.outbox.announced = 0;
        }
        let cost = self.plan.cost_micros(&balance.used);
        let budget = self.profile.budget_micros;
        let spent = |percent: u128| {
            budget.is_some_and(|budget| u128::from(cost) * 100 >= u128::from(budget) * percent)
        };
        let over = |most: Option<u64>, is: u64| most.is_some_and(|most| is >= most);
        let stock = balance.stock;
        let reached = [
            (Notice::Budget80, spent(80)),
            (Notice::Budget100, spent(100)),
            (Notice::Included, self.plan.is_used_up(&balance.used)),
            (Notice::Storage, over(self.plan.storage_bytes, stock.bytes)),
            (Notice::Vectors, over(self.plan.vectors, stock.vectors)),
        ];
        for (notice, reached) in reached {
            if !reached || self.outbox.announced & notice as u8 != 0 {
                continue;
            }
            self.outbox.announced |= notice as u8;
            batch.put(webhook::outbox_key(), rows::encode(&self.outbox));
            let number = |name: &str, number: u64| (name.to_owned(), Datum::Number(number));
            let data = match notice {
                Notice::Budget80 | Notice::Budget100 => vec![
                    number("budget_micros", budget.unwrap_or_default()),
                    number("cost_micros", cost),
                ],
                Notice::Included => vec![
                    number("write_units", balance.used.write_units),
                    number("read_units", balance.used.read_units),
                    number("query_units", balance.used.query_units),
                ],
                Notice::Storage => vec![number("stored_bytes", stock.bytes)],
                Notice::Vectors => vec![number("stored_vectors", stock.vectors)],
            };
            tracing::info!(account = %self.id, event = notice.event(), "an account is noticed");
            let event = Event {
                kind: notice.event().to_owned(),
                at: now,
                data,
            };
            self.announce(batch, &event);
        }
    }

    /// Lets the notices about the budget come again, for there is another one.
    pub(super) fn renew_budget_notices(&mut self, batch: &mut Batch) {
        self.outbox.announced &= !Notice::BUDGET;
        batch.put(webhook::outbox_key(), rows::encode(&self.outbox));
    }
}
