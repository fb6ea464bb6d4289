//! Writes that may succeed only once, repeated under their idempotency keys, also after a crash.

use fastrand::Rng;
use quartz_client::{BatchOperation, Client, Namespace, OperationKind};
use serde_json::value::to_raw_value;

use super::{Answer, Round};

const NAMESPACE: &str = "once";

/// One writer with names of its own.
pub(super) struct Once {
    number: u32,
    rng: Rng,
    /// Version by serial number.
    acknowledged: Vec<u64>,
    in_flight: bool,
}

/// Alternately a batch and a put; both demand that there is no such record.
async fn write(namespace: &Namespace, name: &str, serial: usize) -> quartz_client::Result<u64> {
    if serial.is_multiple_of(2) {
        let put = namespace.put(name, name.to_owned()).if_absent();
        return put.idempotency_key(name).await.map(|put| put.version);
    }
    let operation = |id: String| BatchOperation {
        op: OperationKind::Put,
        id,
        value: Some(to_raw_value(name).unwrap()),
        if_absent: Some(true),
        ..BatchOperation::default()
    };
    let operations = [operation(name.to_owned()), operation(format!("{name}-too"))];
    let batch = namespace.batch(operations).idempotency_key(name);
    batch.await.map(|batch| batch.version)
}

impl Once {
    pub(super) fn new(number: u32, rng: Rng) -> Self {
        Self {
            number,
            rng,
            acknowledged: Vec::new(),
            in_flight: false,
        }
    }

    fn name(&self, serial: usize) -> String {
        format!("{}-{serial}", self.number)
    }

    pub(super) async fn run(&mut self, client: &Client, round: &Round) {
        let namespace = client.namespace(NAMESPACE);
        loop {
            let next = self.acknowledged.len();
            let serial = match self.rng.usize(..4) {
                0 if next > 0 => self.rng.usize(..next),
                _ => next,
            };
            self.in_flight = serial == next;
            match round.judge(write(&namespace, &self.name(serial), serial).await) {
                Answer::Acknowledged(version) if serial == next => {
                    self.acknowledged.push(version);
                    self.in_flight = false;
                }
                Answer::Acknowledged(version) => {
                    assert_eq!(version, self.acknowledged[serial], "a repeat");
                }
                Answer::Refused => panic!("{} was done twice", self.name(serial)),
                Answer::Unknown => return,
            }
        }
    }

    /// A repeat gets the first answer, or does what was not done; it never fails.
    pub(super) async fn verify(&mut self, client: &Client) {
        let namespace = client.namespace(NAMESPACE);
        let next = self.acknowledged.len();
        if self.in_flight {
            let version = write(&namespace, &self.name(next), next).await;
            self.acknowledged.push(version.unwrap());
            self.in_flight = false;
        }
        let recent = next.saturating_sub(30)..self.acknowledged.len();
        let early = (0..10).map(|_| self.rng.usize(..next.max(1)));
        for serial in recent.chain(early.collect::<Vec<_>>()) {
            let Some(&version) = self.acknowledged.get(serial) else {
                continue;
            };
            let name = self.name(serial);
            let repeated = write(&namespace, &name, serial).await.unwrap();
            assert_eq!(repeated, version, "{name}");
        }
        for (first, versions) in self.acknowledged.chunks(500).enumerate() {
            let serials = (first * 500..).zip(versions);
            let mut expected = Vec::new();
            for (serial, &version) in serials {
                expected.push((self.name(serial), version));
                if !serial.is_multiple_of(2) {
                    expected.push((format!("{}-too", self.name(serial)), version));
                }
            }
            let ids = expected.iter().map(|(name, _)| name.clone());
            let fetched = namespace.fetch(ids).await.unwrap();
            let found = fetched.records.into_iter();
            assert_eq!(
                found.map(|r| (r.id, r.version)).collect::<Vec<_>>(),
                expected
            );
        }
    }
}
