//! `airshipctl bootstrap isogen`: the whole path, from site documents to a bootable ISO.

pub mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::container::{self, Choice, Environment, KeepContainer, Limits, Rootless, Run};
use crate::error::{ErrorKind, Result};
use crate::image::progress::{Progress, Stage};
use crate::image::reference::Reference;
use crate::image::registry::{Access, Reach};
use crate::image::{Layers, PullPolicy, REFERENCE_BUILDER};
use crate::interrupt::Interrupt;
use crate::iso;
use crate::site::cloudinit::CloudInit;
use crate::site::config::{BUILDER_CONF, ContainerRuntime, IsoConfiguration, META_DATA, Network};
use crate::site::document::{DocumentSet, Source};
use crate::site::volume::{Input, InputsAfter, OutputNames, Staging, Volume};

/// The command line, without what belongs to the terminal.
pub struct Options {
    pub configuration: PathBuf,
    pub documents: Source,
    pub cache: PathBuf,
    /// Caches that are only read from; those of the configuration come after them.
    pub additional_caches: Vec<PathBuf>,
    /// Where records of runs and logs are kept.
    pub state: PathBuf,
    pub pull: PullPolicy,
    /// How registries may be reached.
    pub access: Access,
    /// Overrides the configuration's.
    pub network: Option<Network>,
    /// Overrides the configuration's.
    pub runtime: Option<ContainerRuntime>,
    pub timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub limits: Limits,
    pub rootless: Rootless,
    pub inputs_after: InputsAfter,
    pub keep: KeepContainer,
    /// Who is told how far it is.
    pub progress: Arc<dyn Progress>,
}

/// The site's half of the path: everything that needs neither network nor privilege.
pub struct Site {
    pub configuration: IsoConfiguration,
    pub reference: Reference,
    pub network: Network,
    pub staging: Staging,
    pub environment: Environment,
}

/// Builds the ISO and returns its path on this host.
///
/// Errors have the kind, and so the exit code, of the stage that met them. However it ends, the
/// inputs are gone from the volume unless they were to be kept, and without success the volume's
/// older outputs are back in place. From the first write on, SIGINT, SIGTERM and SIGHUP end it
/// with [`ErrorKind::Interrupted`].
pub fn isogen(options: Options) -> Result<PathBuf> {
    let progress = Arc::clone(&options.progress);
    let site = progress.stage(Stage::Site, || Site::read(&options))?;
    let interrupt = Interrupt::from_signals()?;
    let configured = Choice::Configured(site.configuration.container.runtime);
    let choice = options.runtime.map_or(configured, Choice::Demanded);
    let additional_caches = additional_caches(&options, &site);
    // before the volume is finished for a killed run: its container may still write there
    let container = container::driver(
        choice,
        container::Options {
            reference: site.reference,
            pull: options.pull,
            rootless: options.rootless,
            limits: options.limits,
            layers: Layers::AsNeeded,
            access: options.access,
            additional_caches,
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
    let run_dir = container.run(&Run {
        volume: &volume,
        staging: &site.staging,
        environment: site.environment,
        privilege: site.configuration.container.privilege,
        network: site.network,
        timeout: options.timeout,
        idle_timeout: options.idle_timeout,
        limits: options.limits,
        keep: options.keep,
    })?;
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

/// The command line's and environment's, then the configuration's.
fn additional_caches(options: &Options, site: &Site) -> Vec<PathBuf> {
    let configured = &site.configuration.container.additional_rootfs_caches;
    options.additional_caches.iter().chain(configured).cloned().collect()
}

impl Site {
    /// Reads and checks configuration and documents; nothing is written.
    pub fn read(options: &Options) -> Result<Self> {
        let configuration = IsoConfiguration::load(&options.configuration)?;
        let reference = reference(&configuration)?;
        let documents = DocumentSet::read(&options.documents)?;
        tracing::info!("Creating cloud-init for ephemeral K8s");
        let cloud_init = CloudInit::generate(&documents, &configuration)?;
        warn_of_host_name(&cloud_init, &reference);
        let network = options.network.or(configuration.container.network).unwrap_or(Network::None);
        if options.access.reach == Reach::Offline && network == Network::Host {
            tracing::warn!(
                "--offline is about the image; the builder has this host's network, as configured"
            );
        }
        Ok(Self {
            staging: staging(&configuration, cloud_init, options.inputs_after)?,
            environment: environment(&configuration, network),
            reference,
            network,
            configuration,
        })
    }
}

/// meta-data is ours; builders that do not know of it leave a node without its name.
fn warn_of_host_name(cloud_init: &CloudInit, reference: &Reference) {
    let only_in_meta_data = cloud_init.user_data_names_host() == Some(false);
    if only_in_meta_data && reference.to_string() != REFERENCE_BUILDER {
        tracing::warn!(
            "user-data sets no hostname; {:?} is in meta-data, which builders other than the reference one may ignore",
            cloud_init.host_name
        );
    }
}

fn reference(configuration: &IsoConfiguration) -> Result<Reference> {
    let text = configuration.container.image.as_deref().unwrap_or(REFERENCE_BUILDER);
    Reference::parse(text).map_err(|error| error.of_kind(ErrorKind::Usage).context("reading container.image"))
}

fn staging(configuration: &IsoConfiguration, data: CloudInit, inputs_after: InputsAfter) -> Result<Staging> {
    let builder = &configuration.builder;
    let input = |name: &str, bytes| Input { name: name.to_owned(), bytes };
    Ok(Staging {
        inputs: vec![
            input(&builder.user_data_file_name, data.user_data),
            input(&builder.network_config_file_name, data.network_config),
            input(META_DATA, data.meta_data),
            input(BUILDER_CONF, configuration.builder_conf()?),
        ],
        outputs: OutputNames {
            metadata: builder.output_metadata_file_name.clone(),
            image: builder.output_file_name.clone(),
        },
        inputs_after,
    })
}

/// What the builder finds in its environment besides the image's own variables. Proxies may carry
/// credentials, so they are given only to a builder that can use them.
fn environment(configuration: &IsoConfiguration, network: Network) -> Environment {
    let builder = &configuration.builder;
    let inside = configuration.container.volume.container.join(BUILDER_CONF);
    let mut variables: Environment = [
        ("BUILDER_CONFIG", inside.to_string_lossy().into_owned()),
        ("IMAGE_TYPE", "iso".into()),
        ("USER_DATA_FILE", builder.user_data_file_name.clone()),
        ("NET_CONFIG_FILE", builder.network_config_file_name.clone()),
        ("OUTPUT_METADATA_FILE_NAME", builder.output_metadata_file_name.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    variables
        .extend(builder.output_file_name.iter().map(|name| ("OUTPUT_FILE_NAME".to_owned(), name.clone())));
    if network == Network::Host {
        let names = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
        variables
            .extend(names.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))));
    }
    variables
}

/// Where the rootfs cache is when nobody says: `/var/cache/airshipctl/rootfs-cache` for root,
/// `$XDG_CACHE_HOME/airshipctl/rootfs-cache` (default `~/.cache`) for others.
pub fn default_cache() -> Result<PathBuf> {
    container::record::program_dir("/var/cache", "XDG_CACHE_HOME", ".cache")
        .map(|dir| dir.join("rootfs-cache"))
        .map_err(|error| error.hint("set HOME, or give --rootfs-cache"))
}
