use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::source::Extent;

/// What an import or export has done.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Summary {
    pub(in crate::cli) records: u64,
    pub(in crate::cli) seconds: f64,
}

impl Summary {
    pub(in crate::cli) fn rate(&self) -> f64 {
        self.records as f64 / self.seconds.max(0.001)
    }
}

/// A bar with rate and time left on standard error; nothing if that is not a terminal.
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
    extent: Extent,
    begun: Instant,
    start: u64,
    position: u64,
}

impl Progress {
    pub(super) fn new(extent: &Extent, start: u64) -> Self {
        let bar = match extent {
            Extent::Records(total) => bar(
                *total,
                "{bar:32.cyan/dim} {human_pos}/{human_len} records  {per_sec:.bold}  {eta} left",
            ),
            Extent::Bytes { total, .. } => bar(
                *total,
                "{bar:32.cyan/dim} {bytes}/{total_bytes}  {msg}  {eta} left",
            ),
            Extent::Unknown => bar(0, "{spinner} {msg}"),
        };
        if let Extent::Records(_) = extent {
            bar.set_position(start);
            bar.reset_eta();
        }
        Self {
            bar,
            extent: extent.clone(),
            begun: Instant::now(),
            start,
            position: start,
        }
    }

    /// A bar for a known number of records.
    pub(in crate::cli) fn records(total: u64) -> Self {
        Self::new(&Extent::Records(total), 0)
    }

    /// The first `position` records are done.
    pub(in crate::cli) fn set(&mut self, position: u64) {
        self.position = position;
        match &self.extent {
            Extent::Records(_) => self.bar.set_position(position),
            Extent::Bytes { read, .. } => {
                self.bar.set_position(read.load(Ordering::Relaxed));
                self.bar.set_message(self.words());
            }
            Extent::Unknown => self.bar.set_message(self.words()),
        }
    }

    fn words(&self) -> String {
        let summary = self.summary();
        let rate = HumanCount(summary.rate() as u64);
        format!("{} records  {rate}/s", HumanCount(self.position))
    }

    fn summary(&self) -> Summary {
        Summary {
            records: self.position - self.start,
            seconds: self.begun.elapsed().as_secs_f64(),
        }
    }

    /// Takes the bar away.
    pub(in crate::cli) fn finish(self) -> Summary {
        self.bar.finish_and_clear();
        self.summary()
    }
}

fn bar(total: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─");
    let bar = ProgressBar::new(total).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
