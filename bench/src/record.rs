use std::{fmt::Write as _, fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

use crate::{command, vectors::Curve};

/// Measurements of one run.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Record {
    rows: Vec<Row>,
    notes: Vec<String>,
    curves: Vec<(String, Curve)>,
}

#[derive(Deserialize, Serialize)]
struct Row {
    what: String,
    ours: String,
    rival: String,
    ratio: String,
    bar: String,
}

impl Record {
    /// Adds a measurement beside a rival's and prints it.
    pub(crate) fn add(&mut self, what: &str, ours: f64, unit: &str, rival: (&str, f64), bar: f64) {
        let ratio = ours / rival.1;
        self.row(
            what,
            &format!("{} {unit}", figure(ours)),
            &format!("{}: {} {unit}", rival.0, figure(rival.1)),
            Some(ratio),
            &format!("≥ {bar} ×"),
            Some(ratio >= bar),
        );
    }

    /// Adds a measurement with a bar of its own, without a rival.
    pub(crate) fn add_bar(&mut self, what: &str, ours: f64, unit: &str, bar: &str, reached: bool) {
        let ours = format!("{} {unit}", figure(ours));
        self.row(what, &ours, "", None, bar, Some(reached));
    }

    /// Adds a row and prints it. Without a verdict it is there for comparison.
    pub(crate) fn row(
        &mut self,
        what: &str,
        ours: &str,
        rival: &str,
        ratio: Option<f64>,
        bar: &str,
        reached: Option<bool>,
    ) {
        let row = Row {
            what: what.to_owned(),
            ours: ours.to_owned(),
            rival: rival.to_owned(),
            ratio: ratio
                .map(|ratio| format!("{ratio:.2} ×"))
                .unwrap_or_default(),
            bar: match reached {
                Some(true) => format!("{bar}: reached"),
                Some(false) => format!("{bar}: MISSED"),
                None => bar.to_owned(),
            },
        };
        println!(
            "{:<44} {:>18}   {:<44} {:>9}   {}",
            row.what, row.ours, row.rival, row.ratio, row.bar
        );
        self.rows.push(row);
    }

    /// Adds what another one has.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.notes.extend(other.notes);
        self.curves.extend(other.curves);
    }

    /// Adds a line below the table.
    pub(crate) fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    /// Keeps a whole curve for the record.
    pub(crate) fn curve(&mut self, on: &str, curve: &Curve) {
        self.curves.push((on.to_owned(), curve.clone()));
    }

    /// Writes a dated table, DATE and this ending being its name.
    pub(crate) fn write(&self, directory: &Path, ending: &str) -> anyhow::Result<()> {
        let date = command::output(Command::new("date").arg("+%Y-%m-%d"))?
            .trim()
            .to_owned();
        let revision = command::output(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or("unknown");
        let cpu = cpu.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
        let cores = std::thread::available_parallelism()?;
        let simd = quartz_core_level();
        let mut text = format!(
            "# {date}, revision {}\n\nMachine: {cores} cores {cpu} ({simd}), shared with other work: \
             ratios within this run count, absolute figures are orientation.\n\n\
             | measure | QuartzDB | rival, same run | ratio | bar |\n|---|---:|---:|---:|---|\n",
            revision.trim()
        );
        for Row {
            what,
            ours,
            rival,
            ratio,
            bar,
        } in &self.rows
        {
            writeln!(text, "| {what} | {ours} | {rival} | {ratio} | {bar} |")?;
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            writeln!(text, "- {note}")?;
        }
        self.write_curves(&mut text)?;
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{date}{ending}.md"));
        fs::write(&path, text)?;
        println!("\nwritten to {}", path.display());
        Ok(())
    }
}

impl Record {
    fn write_curves(&self, text: &mut String) -> anyhow::Result<()> {
        for (on, curve) in &self.curves {
            write!(text, "\n## {on}: {}\n", curve.name)?;
            if curve.build_cpu_seconds > 0.0 {
                write!(
                    text,
                    "\nBuilt in {:.0} s, {} MB.\n",
                    curve.build_cpu_seconds,
                    curve.file_bytes / 1_000_000
                )?;
            }
            text.push_str(
                "\n| effort | recall@10 | queries/s | p50 µs | p99 µs | clusters | codes | reranked |\n\
                 |---|---:|---:|---:|---:|---:|---:|---:|\n",
            );
            for point in &curve.points {
                writeln!(
                    text,
                    "| {} | {:.4} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} | {:.0} |",
                    point.effort,
                    point.recall,
                    point.rate,
                    point.p50_us,
                    point.p99_us,
                    point.clusters,
                    point.codes,
                    point.reranked
                )?;
            }
        }
        Ok(())
    }
}

fn quartz_core_level() -> String {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    match (has("avx512f"), has("avx2")) {
        (true, _) => "AVX-512".into(),
        (false, true) => "AVX2".into(),
        _ => std::env::consts::ARCH.into(),
    }
}

fn figure(number: f64) -> String {
    if number >= 100.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}
