use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz completions bash > /etc/bash_completion.d/quartz
  quartz completions zsh > ~/.zfunc/_quartz
  quartz completions fish > ~/.config/fish/completions/quartz.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "quartz", &mut script);
    super::output::line(String::from_utf8(script)?.trim_end())
}
