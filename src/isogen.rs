//! `airshipctl bootstrap isogen`: the whole path, from site documents to a bootable ISO.

mod hints;
mod inputs;
pub mod plan;
pub mod privacy;
mod site;
pub mod validate;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::container::{self, Choice, KeepContainer, Limits, Rootless, Run};
use crate::error::Result;
use crate::image::progress::{Progress, Stage};
use crate::image::registry::{Access, Reach};
use crate::image::{Layers, PullPolicy};
use crate::interrupt::Interrupt;
use crate::iso;
use crate::site::config::{ContainerRuntime, Network};
use crate::site::volume::Volume;

pub use site::{Examination, Site, SiteOptions, Strictness};

/// The command line, without what belongs to the terminal.
pub struct Options {
    /// Which site, and how strictly it is looked at.
    pub site: SiteOptions,
    pub cache: PathBuf,
    /// Caches that are only read from; those of the configuration come after them.
    pub additional_caches: Vec<PathBuf>,
    /// Where records of runs and logs are kept.
    pub state: PathBuf,
    pub pull: PullPolicy,
    /// How registries may be reached.
    pub access: Access,
    /// Overrides the configuration's.
    pub runtime: Option<ContainerRuntime>,
    pub timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub limits: Limits,
    pub rootless: Rootless,
    pub keep: KeepContainer,
    /// Who is told how far it is.
    pub progress: Arc<dyn Progress>,
}

/// Builds the ISO and returns its path on this host.
///
/// Errors have the kind, and so the exit code, of the stage that met them. However it ends, the
/// inputs are gone from the volume unless they were to be kept, and without success the volume's
/// older outputs are back in place. From the first write on, SIGINT, SIGTERM and SIGHUP end it
/// with [`ErrorKind::Interrupted`].
pub fn isogen(options: Options) -> Result<PathBuf> {
    privacy::keep_to_ourselves();
    let progress = Arc::clone(&options.progress);
    let site = progress.stage(Stage::Site, || Site::read(&options.site))?;
    warn_of_network(&options, &site);
    let interrupt = Interrupt::from_signals()?;
    let configured = Choice::Configured(site.configuration.container.runtime);
    let choice = options.runtime.map_or(configured, Choice::Demanded);
    // before the volume is finished for a killed run: its container may still write there
    let container = container::driver(
        choice,
        container::Options {
            additional_caches: additional_caches(&options, &site),
            reference: site.reference,
            pull: options.pull,
            rootless: options.rootless,
            limits: options.limits,
            layers: Layers::AsNeeded,
            access: options.access,
            cache: options.cache,
            state: options.state,
            progress: options.progress,
            interrupt: interrupt.clone(),
        },
    )?;
    let mount = &site.configuration.container.volume;
    let volume = Volume::open(&mount.host, &mount.container)?;
    // dropped before the volume: what it finishes there is done under the lock
    let mut container = container;
    container.pull()?;
    tracing::info!("Running default container command. Mounted dir: [{mount}]");
    let run = Run {
        volume: &volume,
        staging: &site.staging,
        secrets: &site.secrets,
        environment: site.environment,
        privilege: site.configuration.container.privilege,
        network: site.network,
        timeout: options.timeout,
        idle_timeout: options.idle_timeout,
        limits: options.limits,
        keep: options.keep,
    };
    let run_dir = container.run(&run).map_err(|error| hints::add(error, run.network))?;
    tracing::info!("ISO successfully built.");
    if options.keep == KeepContainer::Never {
        tracing::info!("Removing container.");
    }
    progress.stage(Stage::Removal, || container.remove())?;
    tracing::info!("Checking artifacts");
    let image = progress.stage(Stage::Check, || {
        let image = volume.outputs(&run_dir)?.image;
        iso::check_complete(&image)?;
        Ok(image)
    })?;
    interrupt.check()?;
    volume.commit(&run_dir)?;
    Ok(image)
}

fn warn_of_network(options: &Options, site: &Site) {
    if options.access.reach == Reach::Offline && site.network == Network::Host {
        tracing::warn!("--offline is about the image; the builder has this host's network, as configured");
    }
}

/// The command line's and environment's, then the configuration's.
fn additional_caches(options: &Options, site: &Site) -> Vec<PathBuf> {
    let configured = &site.configuration.container.additional_rootfs_caches;
    options.additional_caches.iter().chain(configured).cloned().collect()
}

/// Where the rootfs cache is when nobody says: `/var/cache/airshipctl/rootfs-cache` for root,
/// `$XDG_CACHE_HOME/airshipctl/rootfs-cache` (default `~/.cache`) for others.
pub fn default_cache() -> Result<PathBuf> {
    container::record::program_dir("/var/cache", "XDG_CACHE_HOME", ".cache")
        .map(|dir| dir.join("rootfs-cache"))
        .map_err(|error| error.hint("set HOME, or give --rootfs-cache"))
}
