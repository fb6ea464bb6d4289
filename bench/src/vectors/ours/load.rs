//! Filling a store by ordinary writes: a thousand records a commit, each durable before the next.

use std::{fs, time::Instant};

use anyhow::Context;
use clap::ValueEnum;
use futures::executor::block_on;
use quartz_core::{
    namespace::{Action, Change, Contents, Namespace, Operation, Precondition},
    record::{Field, Metadata},
};
use serde::{Deserialize, Serialize};

use super::{CACHE_BYTES, Place, open};
use crate::{
    data::{Integers, Matrix},
    vectors::set::CHURN_ROWS,
};

const RECORDS_PER_WRITE: usize = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// In which order, and with which changes afterwards
    #[arg(long, value_enum, default_value_t = Order::Given)]
    order: Order,
    /// Only so many of the vectors, the first ones
    #[arg(long)]
    rows: Option<usize>,
    /// With the metadata that the filters look at
    #[arg(long)]
    metadata: bool,
}

/// How the vectors come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// As they are in the file, which is no order at all
    Given,
    /// Topic after topic
    Topic,
    /// A quarter with wrong vectors at first, which are then updated; and a quarter more than in the
    /// end, which are then deleted
    Churn,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Topic => "topic",
            Self::Churn => "churn",
        }
    }
}

/// How the filling went.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Loaded {
    /// Vectors written a second, durable and searchable.
    pub(crate) rate: f64,
    /// The same with the time for what the index has put off, which a server does when it has time.
    #[serde(default)]
    pub(crate) rate_tended: f64,
    /// Of the whole, the longest single write of 1,000, in milliseconds.
    pub(crate) longest_ms: f64,
    pub(crate) vectors: usize,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let base = Matrix::read(&args.place.set.join("base.f16.npy"))?;
    let metadata = if args.metadata {
        Some(Fields::read(args)?)
    } else {
        None
    };
    let opened = open(&args.place.store, CACHE_BYTES)?;
    let upsert = |id: usize, vector: Vec<f32>| Operation {
        id: id.to_string(),
        precondition: Precondition::None,
        action: Action::Upsert(Contents {
            vector: Some(vector),
            metadata: metadata
                .as_ref()
                .map(|fields| fields.of(id))
                .unwrap_or_default(),
            ..Contents::default()
        }),
    };
    let rows = args.rows.unwrap_or(base.len());
    let mut writer = Writer::new(&opened.namespace);
    match args.order {
        Order::Given => {
            for row in 0..rows {
                writer.add(upsert(row, base.row(row)))?;
            }
        }
        Order::Topic => {
            for row in Integers::read(&args.place.set.join("order_topic.npy"))?.items {
                writer.add(upsert(row as usize, base.row(row as usize)))?;
            }
        }
        Order::Churn => {
            let quarter = rows / 4;
            anyhow::ensure!(CHURN_ROWS == rows - quarter, "the truth is for other rows");
            for row in 0..rows {
                let stale = if row < quarter {
                    quarter - 1 - row
                } else {
                    row
                };
                writer.add(upsert(row, base.row(stale)))?;
            }
            for row in 0..quarter {
                writer.add(upsert(row, base.row(row)))?;
                writer.add(Operation {
                    id: (CHURN_ROWS + row).to_string(),
                    precondition: Precondition::None,
                    action: Action::Delete,
                })?;
            }
        }
    }
    let loaded = writer.finish()?;
    println!("{}", serde_json::to_string(&loaded)?);
    block_on(opened.namespace.close());
    Ok(())
}

struct Writer<'a> {
    namespace: &'a Namespace,
    waiting: Vec<Operation>,
    seconds: f64,
    longest: f64,
    done: usize,
}

impl<'a> Writer<'a> {
    const fn new(namespace: &'a Namespace) -> Self {
        Self {
            namespace,
            waiting: Vec::new(),
            seconds: 0.0,
            longest: 0.0,
            done: 0,
        }
    }

    fn add(&mut self, operation: Operation) -> anyhow::Result<()> {
        self.waiting.push(operation);
        if self.waiting.len() == RECORDS_PER_WRITE {
            self.flush()?;
        }
        Ok(())
    }

    /// Only the writes count, not the reading of the file.
    fn flush(&mut self) -> anyhow::Result<()> {
        let operations = std::mem::take(&mut self.waiting);
        self.done += operations.len();
        let started = Instant::now();
        block_on(self.namespace.write(Change::Apply(operations)))?;
        let seconds = started.elapsed().as_secs_f64();
        self.seconds += seconds;
        self.longest = self.longest.max(seconds);
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Loaded> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let started = Instant::now();
        while self.namespace.wants_tending() {
            block_on(self.namespace.write(Change::Tend { clusters: 16 }))?;
        }
        let tended = self.seconds + started.elapsed().as_secs_f64();
        Ok(Loaded {
            rate: self.done as f64 / self.seconds,
            rate_tended: self.done as f64 / tended,
            longest_ms: self.longest * 1000.0,
            vectors: self.done,
        })
    }
}

/// What the filters look at.
struct Fields {
    near: Vec<i32>,
    dice: Vec<i32>,
    /// `pos`, `cat` and `len` of the real set.
    own: Vec<Metadata>,
}

impl Fields {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let set = &args.place.set;
        let mut own = vec![];
        if let Ok(lines) = fs::read_to_string(set.join("base.jsonl")) {
            for line in lines.lines() {
                let record: serde_json::Value = serde_json::from_str(line)?;
                let string = |name: &str| record[name].as_str().context("no string");
                own.push(Metadata::from([
                    ("pos".into(), Field::String(string("pos")?.into())),
                    ("cat".into(), Field::String(string("cat")?.into())),
                    (
                        "len".into(),
                        Field::Number(record["len"].as_f64().context("no number")?),
                    ),
                ]));
            }
        }
        Ok(Self {
            near: Integers::read(&set.join("near.npy"))?.items,
            dice: Integers::read(&set.join("dice.npy"))?.items,
            own,
        })
    }

    fn of(&self, row: usize) -> Metadata {
        let mut fields = self.own.get(row).cloned().unwrap_or_default();
        fields.insert("near".into(), Field::Number(f64::from(self.near[row])));
        fields.insert("dice".into(), Field::Number(f64::from(self.dice[row])));
        fields
    }
}
