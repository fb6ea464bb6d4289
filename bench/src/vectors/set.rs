//! The sets of vectors, and what is made from each before anything is measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Args;
use crate::command;

/// Which data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// The folder given with --data
    Real,
    /// 1,000,000 × 384, made here
    #[value(name = "synthetic-384")]
    Synthetic384,
    /// 200,000 × 1,536, made here
    #[value(name = "synthetic-1536")]
    Synthetic1536,
}

impl Set {
    pub(crate) const ALL: [Self; 3] = [Self::Real, Self::Synthetic384, Self::Synthetic1536];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Synthetic384 => "synthetic-384",
            Self::Synthetic1536 => "synthetic-1536",
        }
    }

    /// Rows and dimension of the made ones.
    const fn shape(self) -> Option<(usize, usize)> {
        match self {
            Self::Real => None,
            Self::Synthetic384 => Some((1_000_000, 384)),
            Self::Synthetic1536 => Some((200_000, 1536)),
        }
    }

    /// The numbers of first rows that measures also look at alone.
    const fn firsts(self) -> &'static [usize] {
        match self {
            Self::Real => &[CHURN_ROWS],
            Self::Synthetic384 => &[GROWTH_ROWS],
            Self::Synthetic1536 => &[],
        }
    }

    /// The folder with the set and what is derived from it; made if it is not there.
    pub(crate) fn prepare(self, args: &Args) -> anyhow::Result<PathBuf> {
        let home = args.cache.join("sets").join(self.name());
        if home.join("filters.json").is_file() {
            return Ok(home);
        }
        println!("preparing the set {}", self.name());
        let source = match self.shape() {
            None => args.data.clone(),
            Some((rows, dimension)) => {
                let made = args.cache.join(self.name());
                command::output(
                    python(args, "synthetic.py")
                        .arg(&made)
                        .args([rows, dimension].map(|number| number.to_string())),
                )?;
                made
            }
        };
        command::output(
            python(args, "prepare.py")
                .arg(fs::canonicalize(source)?)
                .arg(&home)
                .args(self.firsts().iter().map(ToString::to_string)),
        )?;
        Ok(home)
    }
}

/// Rows that are left when half of the real set has been updated or deleted.
pub(crate) const CHURN_ROWS: usize = 60_000;
/// The tenth of the large set that its growth is measured from.
pub(crate) const GROWTH_ROWS: usize = 100_000;

/// One of the scripts, without the settings that would slow its linear algebra down.
pub(crate) fn python(args: &Args, script: &str) -> Command {
    let mut command = Command::new(&args.python);
    command
        .arg(Path::new("bench/rivals").join(script))
        .env_remove("OPENBLAS_CORETYPE")
        .env_remove("OPENBLAS_L2_SIZE");
    command
}
