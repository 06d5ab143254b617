//! `airshipctl document ...`.

mod cloud_init;
mod render;

use std::path::PathBuf;

use airshipctl::error::Result;
use airshipctl::isogen::privacy;
use airshipctl::site::config::airship::{AirshipConfig, AirshipOptions};
use airshipctl::site::document::Source;
use clap::Subcommand;

use super::site::source;

const HINT: &str = "name a directory or file with the site's documents (`-` for standard input), or name an \
                    airshipctl config with --airshipconf FILE";

#[derive(Subcommand)]
pub enum DocumentCommand {
    CloudInit(cloud_init::CloudInitArgs),
    Render(render::RenderArgs),
}

pub fn run(command: DocumentCommand) -> Result<()> {
    privacy::keep_to_ourselves();
    match command {
        DocumentCommand::CloudInit(args) => cloud_init::run(args),
        DocumentCommand::Render(args) => render::run(args),
    }
}

/// DOCUMENTS, or those of the context that the airshipctl config says.
fn located(documents: Vec<PathBuf>, options: &AirshipOptions) -> Result<Source> {
    if let Some(source) = source(documents)? {
        return Ok(source);
    }
    let config = AirshipConfig::load(options, HINT)?;
    let selected = config.select(options.context.as_deref())?;
    selected.documents().map(Source::Path)
}
