//! `quartz-bundler MODULE.wasm FOLDER`: the JavaScript glue of a wasm module, as workerd loads it.
//!
//! What `worker-build` does, without its entry: a panic leaves the requests of the stock entry
//! hanging, so `crates/worker/entry.js` takes its place.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

/// The most memory the module may have. Cloudflare kills an isolate above 128 MB, JavaScript
/// included; an allocation that fails inside the module is a clean 500 instead.
const MEMORY_MIB: u64 = 96;
const PAGES_PER_MIB: u64 = 16;

/// What the entry needs otherwise than it is generated.
const CHANGES: [(&str, &str); 2] = [
    // workerd has a module for each file and knows no source phase.
    ("import source ", "import "),
    // The hook itself is for modules that unwind; the entry hears of every trap.
    (
        "function __wbg_call_abort_hook() {\n",
        "function __wbg_call_abort_hook() {\n    globalThis.quartzDied();\n",
    ),
];

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: quartz-bundler MODULE.wasm FOLDER");
    };
    fs::create_dir_all(&folder)?;
    let mut parsed = walrus::Module::from_file(&module)
        .with_context(|| format!("cannot read {}", module.display()))?;
    for memory in parsed.memories.iter_mut() {
        memory.maximum = Some(MEMORY_MIB * PAGES_PER_MIB);
    }
    Bindgen::new()
        .input_module("quartz", parsed)
        .module(true)?
        .typescript(false)
        // The entry starts a fresh instance after a panic.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .demangle(true)
        .generate(&folder)?;
    let glue = folder.join("quartz.js");
    let mut text = fs::read_to_string(&glue)?;
    for (generated, ours) in CHANGES {
        anyhow::ensure!(
            text.matches(generated).count() == 1,
            "wasm-bindgen no longer writes {generated:?} once; see {}",
            glue.display()
        );
        text = text.replace(generated, ours);
    }
    fs::write(glue, text)?;
    Ok(())
}
