//! A run in steps: each says what it does, how long it took and, if it fails, what to do.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How many checks passed and failed. Every test counts, and every step that is not made of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Steps {
    start: Instant,
    done: Vec<(&'static str, Duration)>,
    tally: Tally,
}

impl Steps {
    /// No step yet.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            done: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// One step. `remedy` is shown if it fails.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        remedy: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let result = self.time(name, remedy, work);
        match result {
            Ok(_) => self.tally.passed += 1,
            Err(_) => self.tally.failed += 1,
        }
        result
    }

    /// A step made of tests. `count` finds out how they went, whether or not the step failed.
    pub(crate) fn run_tests(
        &mut self,
        name: &'static str,
        remedy: &str,
        work: impl FnOnce() -> Result<()>,
        count: impl FnOnce() -> Option<Tally>,
    ) -> Result<()> {
        let result = self.time(name, remedy, work);
        let counted = count().unwrap_or_default();
        self.tally.passed += counted.passed;
        // A step can fail without a failed test, when it does not compile for instance.
        self.tally.failed += counted.failed.max(u64::from(result.is_err()));
        result
    }

    fn time<T>(
        &mut self,
        name: &'static str,
        remedy: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        self.done.push((name, took));
        match &result {
            Ok(_) => println!("=== {name}: done in {:.1} s", took.as_secs_f64()),
            Err(error) => {
                println!(
                    "=== {name}: FAILED after {:.1} s: {error:#}",
                    took.as_secs_f64()
                );
                println!("    What to do: {remedy}");
            }
        }
        result
    }

    /// Prints how long everything took and, as the last line, how it went.
    pub(crate) fn finish(&self) {
        println!("\nTime of each step:");
        for (name, took) in &self.done {
            println!("  {:>7.1} s  {name}", took.as_secs_f64());
        }
        println!("  {:>7.1} s  in all\n", self.start.elapsed().as_secs_f64());
        println!("{} passed, {} failed", self.tally.passed, self.tally.failed);
    }
}
