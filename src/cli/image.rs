//! `airshipctl image load|ls`.

use std::path::PathBuf;

use airshipctl::error::Result;
use airshipctl::image::reference::Reference;
use airshipctl::image::store::Store;
use airshipctl::interrupt::Interrupt;
use clap::Subcommand;

use super::{CacheArgs, print};

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Load an OCI image layout, a directory or an archive of one, into the rootfs cache.
    Load {
        /// The directory or archive.
        path: PathBuf,
        /// Load the only image in it under this reference.
        #[arg(long, value_name = "REFERENCE")]
        name: Option<String>,
        #[command(flatten)]
        cache: CacheArgs,
    },
    /// List the images in the rootfs cache.
    Ls {
        #[command(flatten)]
        cache: CacheArgs,
    },
}

pub fn run(command: ImageCommand) -> Result<()> {
    match command {
        ImageCommand::Load { path, name, cache } => {
            let name = name.as_deref().map(Reference::parse).transpose()?;
            let interrupt = Interrupt::from_signals()?;
            let loaded = Store::open(&cache.dir()?)?.load_as(&path, name.as_ref(), &interrupt)?;
            let lines = loaded.iter().map(|image| format!("{}@{}\n", image.reference, image.digest));
            print(&lines.collect::<String>())
        }
        ImageCommand::Ls { cache } => {
            let listed = match Store::open_existing(&cache.dir()?)? {
                Some(store) => store.list()?,
                None => Vec::new(),
            };
            let unknown = || "-".to_owned();
            let lines = listed.iter().map(|image| {
                let platform = image.platform.as_ref().map_or_else(unknown, ToString::to_string);
                let size = image.size.map_or_else(unknown, |size| size.to_string());
                format!("{} {} {platform} {size}\n", image.reference, image.digest)
            });
            print(&lines.collect::<String>())
        }
    }
}
