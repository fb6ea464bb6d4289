//! Single sign-on against a real provider.

use std::{ffi::OsStr, path::Path};

use anyhow::Result;

use crate::{
    edge::{self, Tools},
    process::{self, program, root},
    server,
    setup::{self, Dependencies},
};

/// Plays people who sign in at an OpenID Connect provider, and what is tried against them, at the server; the play
/// is in `xtask/sso/play.py`.
pub(crate) fn natively() -> Result<()> {
    play(&["native".as_ref(), server::binary().as_ref()], &[])
}

/// The same at a Worker on the real runtime, and what a provider there might try, whose tokens are forged.
pub(crate) fn at_the_edge(worker: &Path) -> Result<()> {
    edge::node_test("sso.test.mjs", worker)?;
    let serve = root().join("xtask/edge/serve.mjs");
    let modules = edge::npm(Tools::Runtime)?.modules;
    play(
        &["edge".as_ref(), serve.as_ref(), worker.as_ref()],
        &[("EDGE_MODULES", &modules)],
    )
}

fn play(how: &[&OsStr], env: &[(&str, &Path)]) -> Result<()> {
    let npm = setup::npm("xtask/sso", "sso", Dependencies::Needed)?;
    process::run(
        program(setup::python()?.join("python"))
            .arg(root().join("xtask/sso/play.py"))
            .arg(&npm.node)
            .arg(root().join("xtask/sso/provider.mjs"))
            .args(how)
            .envs(env.iter().copied())
            .env("SSO_MODULES", &npm.modules)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}
