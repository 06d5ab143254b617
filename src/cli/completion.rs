//! `airshipctl completion SHELL`.

use airshipctl::error::Result;
use clap::CommandFactory;

use super::{Cli, print};

pub fn run(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "airshipctl", &mut script);
    print(&String::from_utf8_lossy(&script))
}
