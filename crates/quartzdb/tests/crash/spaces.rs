//! Namespaces that come and go.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use quartz_client::Client;

use super::{Answer, Round};

/// Names begin with this.
const PREFIX: &str = "space-";
const NAMES: usize = 6;

/// The writer.
#[derive(Default)]
pub(super) struct Spaces {
    /// What is in each namespace that is there.
    there: BTreeMap<String, String>,
    /// A name, and what it holds if the write in flight was done: nothing if it was a deletion.
    in_flight: Option<(String, Option<String>)>,
    serial: usize,
}

impl Spaces {
    pub(super) async fn run(&mut self, client: &Client, round: &Round) {
        loop {
            self.serial += 1;
            let name = format!("{PREFIX}{}", self.serial % NAMES);
            let namespace = client.namespace(&name);
            let after = if self.there.contains_key(&name) {
                None
            } else {
                Some(format!("in its life {}", self.serial))
            };
            self.in_flight = Some((name.clone(), after.clone()));
            let answer = match &after {
                Some(value) => namespace.put("k", value.clone()).await.map(drop),
                None => namespace.delete_namespace().await,
            };
            match round.judge(answer) {
                Answer::Acknowledged(()) => self.settle(),
                Answer::Refused => unreachable!("there was no condition"),
                Answer::Unknown => return,
            }
        }
    }

    fn settle(&mut self) {
        match self.in_flight.take() {
            Some((name, Some(value))) => drop(self.there.insert(name, value)),
            Some((name, None)) => drop(self.there.remove(&name)),
            None => {}
        }
    }

    pub(super) async fn verify(&mut self, client: &Client) {
        let mut found = BTreeMap::new();
        let mut names = client.namespaces().prefix(PREFIX).page_size(2).stream();
        while let Some(entry) = names.try_next().await.unwrap() {
            let namespace = client.namespace(&entry.name);
            match namespace.get("k").await.unwrap() {
                Some(value) => {
                    assert_eq!(namespace.describe().await.unwrap().records, 1);
                    found.insert(entry.name, value.text().unwrap().to_owned());
                }
                None => panic!("{} was created without its record", entry.name),
            }
        }
        if found != self.there {
            self.settle();
        }
        assert_eq!(found, self.there);
        self.in_flight = None;
        for name in (0..NAMES).map(|number| format!("{PREFIX}{number}")) {
            let described = client.namespace(&name).describe().await;
            assert_eq!(described.is_ok(), found.contains_key(&name), "{name}");
        }
    }
}
