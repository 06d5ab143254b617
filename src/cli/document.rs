//! `airshipctl document ...`.

mod cloud_init;

use airshipctl::error::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum DocumentCommand {
    CloudInit(cloud_init::CloudInitArgs),
}

pub fn run(command: DocumentCommand) -> Result<()> {
    match command {
        DocumentCommand::CloudInit(args) => cloud_init::run(args),
    }
}
