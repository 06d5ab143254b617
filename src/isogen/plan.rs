//! `--dry-run`: what a run would do, with no secret in it. Reads the site and, if it is there, the
//! rootfs cache; touches neither network nor disk.

use std::fmt;

use super::{Options, Site, additional_caches};
use crate::error::Result;
use crate::image::PullPolicy;
use crate::image::digest::sha256_hex;
use crate::image::platform::Platform;
use crate::image::registry::Reach;
use crate::image::store::{Located, Store};
use crate::site::config::{Network, Privilege};
use crate::site::volume::Volume;

/// Everything a run would do.
pub struct Plan {
    site: Site,
    cache: std::path::PathBuf,
    additional: Vec<std::path::PathBuf>,
    pull: PullPolicy,
    reach: Reach,
    image: Option<Located>,
}

/// Checks all that a run checks before its first write.
pub fn plan(options: &Options) -> Result<Plan> {
    let site = Site::read(&options.site)?;
    Volume::check(&site.configuration.container.volume.host)?;
    let store = Store::open_existing(&options.cache)?.map_or_else(|| Store::absent(&options.cache), Ok)?;
    let additional = additional_caches(options, &site);
    let image = store.with_additional(&additional).locate(&site.reference, &Platform::host())?;
    let (cache, pull, reach) = (options.cache.clone(), options.pull, options.access.reach);
    Ok(Plan { site, cache, additional, pull, reach, image })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.image_part(f)?;
        let container = &self.site.configuration.container;
        let network = match self.site.network {
            Network::None => "none",
            Network::Host => "host",
        };
        let privileged = container.privilege == Privilege::Privileged;
        writeln!(f, "container:\n  network: {network}\n  privileged: {privileged}")?;
        writeln!(f, "  mounts:\n  - {}\n  environment:", container.volume)?;
        for (name, value) in &self.site.environment {
            // a proxy's address may hold a password
            let shown = if name.to_lowercase().ends_with("_proxy") { "(set, not shown)" } else { value };
            writeln!(f, "    {name}: {}", serde_json::Value::from(shown))?;
        }
        writeln!(f, "inputs:")?;
        for input in &self.site.staging.inputs {
            let (size, hash) = (input.bytes.len(), sha256_hex(&input.bytes));
            writeln!(f, "- {{name: {}, size: {size}, sha256: {hash}, mode: \"0600\"}}", input.name)?;
        }
        let outputs = &self.site.staging.outputs;
        writeln!(f, "outputs:\n  metadata: {}", outputs.metadata)?;
        outputs.image.iter().try_for_each(|image| writeln!(f, "  image: {image}"))
    }
}

impl Plan {
    fn may_ask_a_registry(&self) -> bool {
        self.pull != PullPolicy::Never && !self.site.reference.is_local() && self.reach == Reach::Online
    }

    fn image_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image:\n  reference: {}\n  rootfsCache: {}", self.site.reference, self.cache.display())?;
        if !self.additional.is_empty() {
            writeln!(f, "  additionalRootfsCaches:")?;
        }
        self.additional.iter().try_for_each(|cache| writeln!(f, "  - {}", cache.display()))?;
        let Some(Located { image, cache }) = &self.image else {
            let from = if self.may_ask_a_registry() { self.site.reference.registry() } else { "nowhere" };
            return writeln!(f, "  from: {from}\n  digest: unknown, the image is not in the rootfs cache");
        };
        match self.pull == PullPolicy::Always && self.may_ask_a_registry() {
            true => writeln!(f, "  from: {}", self.site.reference.registry())?,
            false => writeln!(f, "  from: {}", cache.display())?,
        }
        writeln!(f, "  digest: {}", image.manifest_digest)?;
        let config = image.configuration.config().as_ref();
        let entrypoint = config.and_then(|config| config.entrypoint().clone()).unwrap_or_default();
        let cmd = config.and_then(|config| config.cmd().clone()).unwrap_or_default();
        let command: Vec<String> = entrypoint.into_iter().chain(cmd).collect();
        writeln!(f, "  command: {}", serde_json::Value::from(command))
    }
}
