//! `cargo xtask fuzz`: mutated input for every parser.

use anyhow::{Result, bail};

use crate::{
    process::{self, output, program, root},
    setup::{self, Tool, tool},
};

const QUICK_SECONDS: u32 = 60;

/// What to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Every target for a minute; without it, each until it fails or is interrupted
    #[arg(long)]
    quick: bool,
    /// Only this target
    target: Option<String>,
}

/// Runs the targets.
pub(crate) fn run(args: &Args) -> Result<()> {
    let fuzz = tool(Tool::Fuzz)?;
    setup::need("c++", &["g++"])?;
    let all = output(program(&fuzz).args(["fuzz", "list"]))?;
    let targets: Vec<_> = all
        .lines()
        .filter(|name| args.target.as_ref().is_none_or(|only| only == name))
        .collect();
    if targets.is_empty() {
        bail!(
            "there is no such target; there are: {}",
            all.replace('\n', " ")
        );
    }
    for target in targets {
        println!("\n=== fuzz {target}");
        let corpus = root().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        let mut command = program(&fuzz);
        // Coverage needs flags that a stable compiler keeps to itself. The code under test has no
        // unsafe code, so that sanitizers, which are slow, would find nothing.
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fuzz", "run", "--sanitizer", "none", target])
            .arg(corpus)
            .arg(root().join("fuzz/seeds").join(target))
            .args([
                "--",
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
            ]);
        if args.quick {
            command.arg(format!("-max_total_time={QUICK_SECONDS}"));
        }
        if let Err(error) = process::run(&mut command) {
            bail!(
                "{error}\nthe input is in fuzz/artifacts/{target}; repeat it with \
                 `cargo fuzz run --sanitizer none {target} FILE`, fix the fault, and add the input \
                 to fuzz/seeds/{target}"
            );
        }
    }
    Ok(())
}
