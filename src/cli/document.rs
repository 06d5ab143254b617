//! `airshipctl document ...`.

mod render;

use airshipctl::error::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum DocumentCommand {
    Render(render::RenderArgs),
}

pub fn run(command: DocumentCommand) -> Result<()> {
    match command {
        DocumentCommand::Render(args) => render::run(args),
    }
}
