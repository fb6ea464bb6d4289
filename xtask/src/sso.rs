//! Single sign-on against a real provider.

use anyhow::Result;

use crate::{
    process::{self, program, root},
    server,
    setup::{self, Dependencies},
};

/// Plays people who sign in at an OpenID Connect provider, and what is tried against them; the play is in
/// `xtask/sso/play.py`.
pub(crate) fn run() -> Result<()> {
    let npm = setup::npm("xtask/sso", "sso", Dependencies::Needed)?;
    process::run(
        program(setup::python()?.join("python"))
            .arg(root().join("xtask/sso/play.py"))
            .arg(server::binary())
            .arg(&npm.node)
            .arg(root().join("xtask/sso/provider.mjs"))
            .env("SSO_MODULES", &npm.modules)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}
