//! Approximate search beside its rivals: same data, same threads, each figure with its recall.
//!
//! The sets and all built indexes are kept in the cache folder: a rival's index by data, parameters and
//! version, our stores by the program that filled them.

mod curve;
mod measures;
mod ours;
mod rivals;
mod set;
mod stores;

use std::{collections::HashMap, mem, path::PathBuf, process::Command};

pub(crate) use self::{
    curve::Curve,
    ours::{Ours, run as run_ours},
};
use self::{measures::Measure, ours::Speed, set::Set, stores::Variant};
use crate::{command, record::Record, results::Results};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The real set, in the layout of the real embeddings
    #[arg(long)]
    data: PathBuf,
    /// Where sets, indexes and stores are kept between runs
    #[arg(long)]
    cache: PathBuf,
    /// The `quartz` binary to measure
    #[arg(long)]
    quartz: PathBuf,
    /// A Python with the rivals
    #[arg(long)]
    python: PathBuf,
    /// Where the record goes
    #[arg(long, default_value = "bench/record")]
    record: PathBuf,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Only these sets
    #[arg(long, value_enum, value_delimiter = ',')]
    set: Vec<Set>,
    /// Only the real set, and a quarter of the queries; leaves no record
    #[arg(long)]
    quick: bool,
}

impl Args {
    fn wants(&self, set: Set) -> bool {
        let named = self.set.is_empty() || self.set.contains(&set);
        named && (set == Set::Real || !self.quick)
    }

    const fn queries(&self) -> usize {
        if self.quick { 250 } else { 1000 }
    }
}

/// Measures everything that was asked for and writes the record, which also has what the same program
/// measured before.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let results = Results::open(&args.cache, &args.quartz)?;
    stores::forget_others(args)?;
    let mut bench = Bench {
        args,
        record: Record::default(),
        rivals: HashMap::new(),
        ours: HashMap::new(),
    };
    for measure in Measure::ALL {
        if args.only.is_empty() || args.only.contains(&measure) {
            measure.run(&mut bench)?;
            let found = mem::take(&mut bench.record);
            if !args.quick {
                results.keep(&format!("{measure:?}"), &found)?;
            }
        }
    }
    if args.quick {
        return Ok(());
    }
    let mut record = results.record(Measure::ALL.map(|measure| format!("{measure:?}")))?;
    for line in rivals::versions(args)? {
        record.note(&line);
    }
    record.write(&args.record, "-vectors")
}

/// How often speeds that are compared are measured.
const TURNS: usize = 3;

/// What the measures work with.
struct Bench<'a> {
    args: &'a Args,
    record: Record,
    /// What is already measured.
    rivals: HashMap<String, Vec<Curve>>,
    ours: HashMap<String, Speed>,
}

impl Bench<'_> {
    /// Our speed on a store, in a process of its own.
    fn ours(&mut self, set: Set, variant: Variant, queries: &[&str]) -> anyhow::Result<Speed> {
        let key = format!("{} {} {queries:?}", set.name(), variant.name());
        if let Some(speed) = self.ours.get(&key) {
            return Ok(speed.clone());
        }
        let speed = measure(self.args, set, variant, queries)?;
        self.keep_ours(set, variant, queries, &speed);
        Ok(speed)
    }

    fn keep_ours(&mut self, set: Set, variant: Variant, queries: &[&str], speed: &Speed) {
        let key = format!("{} {} {queries:?}", set.name(), variant.name());
        self.record
            .curve(&format!("{}, {}", set.name(), variant.name()), &speed.curve);
        self.ours.insert(key, speed.clone());
    }

    /// Curves of a family of rivals on a set.
    fn rivals(&mut self, set: Set, script: &str, only: &str) -> anyhow::Result<Vec<Curve>> {
        let key = format!("{} {script} {only}", set.name());
        if let Some(curves) = self.rivals.get(&key) {
            return Ok(curves.clone());
        }
        let curves = rivals::measure(self.args, set, script, only)?;
        self.keep_rivals(set, script, only, &curves);
        Ok(curves)
    }

    fn keep_rivals(&mut self, set: Set, script: &str, only: &str, curves: &[Curve]) {
        let key = format!("{} {script} {only}", set.name());
        for curve in curves {
            self.record.curve(set.name(), curve);
        }
        self.rivals.insert(key, curves.to_vec());
    }

    /// Measures our speed and that of families of rivals (script and members) in turns, so that what else the machine
    /// does meets all alike; the fastest turn of each effort counts.
    fn in_turns(
        &mut self,
        set: Set,
        families: &[(&str, &str)],
        queries: &[&str],
    ) -> anyhow::Result<()> {
        let turn = || -> anyhow::Result<(Speed, Vec<Vec<Curve>>)> {
            let rivals = families
                .iter()
                .map(|(script, only)| rivals::measure(self.args, set, script, only));
            let rivals = rivals.collect::<Result<_, _>>()?;
            Ok((measure(self.args, set, Variant::PLAIN, queries)?, rivals))
        };
        let (mut ours, mut rivals) = turn()?;
        for _ in 1..TURNS {
            let (again, others) = turn()?;
            ours.curve.keep_faster(&again.curve);
            for (curve, other) in rivals.iter_mut().flatten().zip(others.iter().flatten()) {
                curve.keep_faster(other);
            }
        }
        self.keep_ours(set, Variant::PLAIN, queries, &ours);
        for ((script, only), curves) in families.iter().zip(rivals) {
            self.keep_rivals(set, script, only, &curves);
        }
        Ok(())
    }
}

fn measure(args: &Args, set: Set, variant: Variant, queries: &[&str]) -> anyhow::Result<Speed> {
    let store = stores::filled(args, set, variant)?;
    let text = command::output(
        Command::new(std::env::current_exe()?)
            .args(["ours", "curve"])
            .arg(store.path)
            .arg(set.prepare(args)?)
            .args(["--queries", &args.queries().to_string()])
            .args(queries),
    )?;
    Ok(serde_json::from_str(&text)?)
}
