//! Counters that several writers raise by reading, adding one, and writing on condition.

use fastrand::Rng;
use quartz_client::Client;

use super::{Answer, Round};

const NAMESPACE: &str = "counters";
const COUNTERS: usize = 3;

/// One of the writers.
pub(super) struct Counters {
    rng: Rng,
    acknowledged: [u64; COUNTERS],
    in_flight: Option<usize>,
}

impl Counters {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            rng,
            acknowledged: [0; COUNTERS],
            in_flight: None,
        }
    }

    pub(super) async fn run(&mut self, client: &Client, round: &Round) {
        let namespace = client.namespace(NAMESPACE);
        loop {
            let counter = self.rng.usize(..COUNTERS);
            let key = format!("counter-{counter}");
            let found = namespace.get(&key).await;
            // A namespace that nobody has written to yet.
            let missing = found
                .as_ref()
                .is_err_and(|error| error.status() == Some(404));
            let current = if missing {
                None
            } else {
                match round.judge_read(found) {
                    Answer::Acknowledged(found) => found,
                    Answer::Refused => unreachable!("a read has no condition"),
                    Answer::Unknown => return,
                }
            };
            let put = match &current {
                None => namespace.put(&key, "1").if_absent(),
                Some(value) => {
                    let number: u64 = value.text().unwrap().parse().unwrap();
                    let next = (number + 1).to_string();
                    namespace.put(&key, next).if_version(value.version)
                }
            };
            self.in_flight = Some(counter);
            match round.judge(put.await) {
                Answer::Acknowledged(_) => self.acknowledged[counter] += 1,
                Answer::Refused => {}
                Answer::Unknown => return,
            }
            self.in_flight = None;
        }
    }
}

/// Each counter is the sum of what was acknowledged, or one more for a write in flight.
pub(super) async fn verify(writers: &mut [Counters], client: &Client) {
    let namespace = client.namespace(NAMESPACE);
    for counter in 0..COUNTERS {
        let found = match namespace.get(&format!("counter-{counter}")).await {
            Ok(found) => found,
            Err(error) if error.status() == Some(404) => None,
            Err(error) => panic!("{error}"),
        };
        let found: u64 = found.map_or(0, |value| value.text().unwrap().parse().unwrap());
        let acknowledged: u64 = writers.iter().map(|w| w.acknowledged[counter]).sum();
        let in_flight = writers.iter().filter(|w| w.in_flight == Some(counter));
        let most = acknowledged + in_flight.count() as u64;
        assert!(
            (acknowledged..=most).contains(&found),
            "counter {counter} is {found}, acknowledged {acknowledged}, at most {most}"
        );
        // Whoever was in flight, from here on it counts as acknowledged.
        writers[0].acknowledged[counter] += found - acknowledged;
    }
    for writer in writers {
        writer.in_flight = None;
    }
    verify_usage(client).await;
}

/// Each write of the namespace took a version and costs a unit, in one commit: neither is without the
/// other, whenever the server was killed.
async fn verify_usage(client: &Client) {
    let version = match client.namespace(NAMESPACE).describe().await {
        Ok(info) => info.version,
        Err(error) if error.status() == Some(404) => 0,
        Err(error) => panic!("{error}"),
    };
    let report = client.usage(&[("namespace", NAMESPACE)]).await.unwrap();
    assert_eq!(
        report.total.write_units, version,
        "units paid and writes done"
    );
}
