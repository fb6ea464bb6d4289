use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::command;

/// Measurements of one run.
#[derive(Default)]
pub(crate) struct Record {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    ours: String,
    rival: String,
    ratio: String,
    bar: String,
}

impl Record {
    /// Adds a measurement and prints it.
    pub(crate) fn add(&mut self, what: &str, ours: f64, unit: &str, rival: (&str, f64), bar: f64) {
        let ratio = ours / rival.1;
        let verdict = if ratio >= bar { "reached" } else { "MISSED" };
        let row = Row {
            what: what.to_owned(),
            ours: format!("{} {unit}", figure(ours)),
            rival: format!("{}: {} {unit}", rival.0, figure(rival.1)),
            ratio: format!("{ratio:.2} ×"),
            bar: format!("≥ {bar} ×: {verdict}"),
        };
        println!(
            "{:<44} {:>18}   {:<44} {:>9}   {}",
            row.what, row.ours, row.rival, row.ratio, row.bar
        );
        self.rows.push(row);
    }

    /// Adds a measurement with a bar of its own, without a rival.
    pub(crate) fn add_bar(&mut self, what: &str, ours: f64, unit: &str, bar: &str, reached: bool) {
        let verdict = if reached { "reached" } else { "MISSED" };
        let row = Row {
            what: what.to_owned(),
            ours: format!("{} {unit}", figure(ours)),
            rival: String::new(),
            ratio: String::new(),
            bar: format!("{bar}: {verdict}"),
        };
        println!(
            "{:<44} {:>18}   {:<44} {:>9}   {}",
            row.what, row.ours, "", "", row.bar
        );
        self.rows.push(row);
    }

    /// Writes a dated table.
    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<()> {
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
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{date}.md"));
        fs::write(&path, text)?;
        println!("\nwritten to {}", path.display());
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
