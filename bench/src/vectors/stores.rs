//! Our stores, filled once for each program that measures them.

use std::{fs, path::PathBuf, process::Command};

use super::{
    Args,
    ours::{Loaded, Order},
    set::Set,
};
use crate::{command, results::program};

/// What a store holds of its set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) order: Order,
    /// Only so many of the vectors, the first ones.
    pub(crate) rows: Option<usize>,
    pub(crate) metadata: bool,
}

impl Variant {
    pub(crate) const PLAIN: Self = Self {
        order: Order::Given,
        rows: None,
        metadata: false,
    };

    pub(crate) fn name(self) -> String {
        let mut name = self.order.name().to_owned();
        if let Some(rows) = self.rows {
            name.push_str(&format!("-{rows}"));
        }
        if self.metadata {
            name.push_str("-metadata");
        }
        name
    }
}

/// A filled store.
pub(crate) struct Filled {
    pub(crate) path: PathBuf,
    pub(crate) loaded: Loaded,
}

/// The store of this variant; filled if it is not there.
pub(crate) fn filled(args: &Args, set: Set, variant: Variant) -> anyhow::Result<Filled> {
    let path = home(args)?.join(format!("{}-{}", set.name(), variant.name()));
    let note = path.with_extension("json");
    if !note.is_file() {
        println!("filling a store with {}, {}", set.name(), variant.name());
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        let mut load = Command::new(std::env::current_exe()?);
        load.args(["ours", "load"])
            .arg(&path)
            .arg(set.prepare(args)?)
            .args(["--order", variant.order.name()]);
        if let Some(rows) = variant.rows {
            load.args(["--rows", &rows.to_string()]);
        }
        if variant.metadata {
            load.arg("--metadata");
        }
        fs::write(&note, command::output(&mut load)?)?;
    }
    Ok(Filled {
        loaded: serde_json::from_str(&fs::read_to_string(note)?)?,
        path,
    })
}

/// Removes the stores that other programs filled.
pub(crate) fn forget_others(args: &Args) -> anyhow::Result<()> {
    let home = home(args)?;
    for entry in fs::read_dir(args.cache.join("stores"))? {
        let path = entry?.path();
        if path != home {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Where the stores of this program and of the server in use are.
pub(crate) fn home(args: &Args) -> anyhow::Result<PathBuf> {
    let home = args.cache.join("stores").join(program(&args.quartz)?);
    fs::create_dir_all(&home)?;
    Ok(home)
}
