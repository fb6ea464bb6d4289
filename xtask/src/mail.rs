//! Mail against a real SMTP server.

use anyhow::Result;

use crate::{
    process::{self, program, root},
    server, setup,
};

/// Plays somebody who signs up, forgets their password and invites somebody else; the play is in
/// `xtask/mail_test.py`.
pub(crate) fn run() -> Result<()> {
    process::run(
        program(setup::python()?.join("python"))
            .arg(root().join("xtask/mail_test.py"))
            .arg(server::binary())
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}
