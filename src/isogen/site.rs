//! The site's half of the path: everything that needs neither network nor privilege.

use std::path::PathBuf;

use super::inputs;
use crate::container::Environment;
use crate::error::{ErrorKind, Result};
use crate::image::REFERENCE_BUILDER;
use crate::image::reference::Reference;
use crate::site::cloudinit::{self, CloudInit};
use crate::site::config::airship::AirshipOptions;
use crate::site::config::{BUILDER_CONF, IsoConfiguration, META_DATA, Network};
use crate::site::document::{DocumentSet, Source};
use crate::site::report::Report;
use crate::site::volume::{Input, InputsAfter, OutputNames, Staging};

/// Which site, and how strictly it is looked at.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// The isogen configuration; found through the airshipctl config where none is given.
    pub configuration: Option<PathBuf>,
    /// The site's documents; found through the airshipctl config where none are given.
    pub documents: Option<Source>,
    /// Leads to what of both is not given.
    pub airship: AirshipOptions,
    /// Overrides the configuration's.
    pub network: Option<Network>,
    pub strictness: Strictness,
    pub inputs_after: InputsAfter,
}

/// Whether what only looks wrong stops a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    #[default]
    Lenient,
    /// Warnings are errors.
    Strict,
}

/// A site that was read and is sound.
pub struct Site {
    pub configuration: IsoConfiguration,
    pub reference: Reference,
    pub network: Network,
    pub staging: Staging,
    pub environment: Environment,
}

impl Site {
    /// Reads and checks configuration and documents; nothing is written.
    pub fn read(options: &SiteOptions) -> Result<Self> {
        let (configuration, source) = inputs::inputs(options);
        let (configuration, source) = (configuration?, source?);
        let reference = reference(&configuration)?;
        let documents = DocumentSet::read(&source)?;
        tracing::info!("Creating cloud-init for ephemeral K8s");
        let mut report = Report { warnings: configuration.warnings.clone(), ..Report::default() };
        let cloud_init = CloudInit::generate(&documents, &configuration, &mut report);
        if let Some(cloud_init) = &cloud_init {
            warn_of_host_name(cloud_init, &reference, &mut report);
        }
        let cloud_init = accepted(report, options.strictness, cloud_init)?;
        let network = options.network.or(configuration.container.network).unwrap_or(Network::None);
        Ok(Self {
            staging: staging(&configuration, cloud_init, options.inputs_after)?,
            environment: environment(&configuration, network),
            reference,
            network,
            configuration,
        })
    }
}

/// What was made, if the report allows it. Warnings are logged, unless they are errors.
fn accepted(mut report: Report, strictness: Strictness, data: Option<CloudInit>) -> Result<CloudInit> {
    match strictness {
        Strictness::Strict => report.errors.append(&mut report.warnings),
        Strictness::Lenient => report.warnings.iter().for_each(|warning| tracing::warn!("{warning}")),
    }
    match data {
        Some(data) if report.errors.is_empty() => Ok(data),
        _ => Err(cloudinit::refusal(report.errors)),
    }
}

/// meta-data is ours; builders that do not know of it leave a node without its name.
fn warn_of_host_name(cloud_init: &CloudInit, reference: &Reference, report: &mut Report) {
    let only_in_meta_data = cloud_init.user_data_names_host() == Some(false);
    if only_in_meta_data && reference.to_string() != REFERENCE_BUILDER {
        let message = format!(
            "user-data sets no hostname; {:?} is in meta-data, which builders other than the reference one may ignore",
            cloud_init.host_name
        );
        report.warning("host-name-in-meta-data", None, message);
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
