//! The site's half of the path: everything that needs neither network nor privilege.

use std::path::PathBuf;

use super::inputs;
use crate::container::Environment;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::image::REFERENCE_BUILDER;
use crate::image::reference::Reference;
use crate::site::cloudinit::{self, CloudInit, NetworkSource, UserDataKind};
use crate::site::config::airship::AirshipOptions;
use crate::site::config::{BUILDER_CONF, IsoConfiguration, META_DATA, Network};
use crate::site::document::{DocumentSet, Source};
use crate::site::report::Report;
use crate::site::secrets::SecretValues;
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
    /// What must not be seen of it.
    pub secrets: SecretValues,
    /// What cloud-init will take the user-data for.
    pub user_data: UserDataKind,
    /// Where the network configuration came from.
    pub network_source: NetworkSource,
}

/// Everything that was found about a site.
#[derive(Default)]
pub struct Examination {
    /// What is wrong, in the order of the work; with [`Strictness::Strict`] the warnings too.
    pub errors: Vec<Error>,
    /// What only looks wrong.
    pub warnings: Vec<Fault>,
    /// The site, where nothing is wrong.
    pub site: Option<Site>,
}

impl Site {
    /// Reads and checks configuration and documents; nothing is written. Warnings are logged.
    pub fn read(options: &SiteOptions) -> Result<Self> {
        let Examination { errors, warnings, site } = Examination::of(options);
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        site.ok_or_else(|| all_of(errors))
    }
}

impl Examination {
    /// Reads and checks all that can be: faults in the configuration do not hide those in the
    /// documents.
    pub fn of(options: &SiteOptions) -> Self {
        let mut found = Self::default();
        let (configuration, documents) = inputs::inputs(options);
        let configuration = found.noted(configuration.and_then(with_reference));
        let documents = found.noted(documents.and_then(|source| DocumentSet::read(&source)));
        let Some(documents) = documents else { return found.alone(configuration) };
        tracing::info!("Creating cloud-init for ephemeral K8s");
        let mut report = Report::default();
        let data = match &configuration {
            Some((configuration, reference)) => {
                report.warnings.clone_from(&configuration.warnings);
                cloud_init(&documents, configuration, reference, &mut report)
            }
            None => {
                without_configuration(&documents, &mut report);
                None
            }
        };
        found.take(report, options.strictness);
        if let (Some(configuration), Some(data), true) = (configuration, data, found.errors.is_empty()) {
            let made = Site::of(options, configuration, &documents, data);
            found.site = found.noted(made);
        }
        found
    }

    /// A value, or its error among the others.
    fn noted<T>(&mut self, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.errors.push(error)).ok()
    }

    /// What there is to say of a configuration without its documents.
    fn alone(mut self, configuration: Option<(IsoConfiguration, Reference)>) -> Self {
        self.warnings.extend(configuration.into_iter().flat_map(|(configuration, _)| configuration.warnings));
        self
    }

    /// Adds what a report says; with [`Strictness::Strict`] all of it is an error.
    fn take(&mut self, report: Report, strictness: Strictness) {
        if !report.errors.is_empty() {
            self.errors.push(cloudinit::refusal(report.errors));
        }
        match strictness {
            Strictness::Strict if !report.warnings.is_empty() => {
                let doing = "checking the site, with --strict";
                self.errors.push(Error::faults(ErrorKind::Documents, doing, report.warnings));
            }
            _ => self.warnings = report.warnings,
        }
    }
}

/// One error for all: of the kind of the first, with everybody's faults and ways out.
fn all_of(mut errors: Vec<Error>) -> Error {
    // one airshipctl config at fault is why neither was found
    errors.dedup();
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let kind = errors.first().map_or(ErrorKind::Internal, Error::kind);
    let faults = errors.iter().flat_map(faults_of).collect();
    let all = Error::faults(kind, "reading the site", faults);
    errors.iter().filter_map(Error::hint_text).fold(all, Error::further_hint)
}

/// The faults of an error; one that has none is one itself.
pub(super) fn faults_of(error: &Error) -> Vec<Fault> {
    match error.fault_list() {
        [] => vec![Fault::new(None, error.to_string())],
        faults => faults.to_vec(),
    }
}

fn with_reference(configuration: IsoConfiguration) -> Result<(IsoConfiguration, Reference)> {
    let reference = reference(&configuration)?;
    Ok((configuration, reference))
}

fn cloud_init(
    documents: &DocumentSet,
    configuration: &IsoConfiguration,
    reference: &Reference,
    report: &mut Report,
) -> Option<CloudInit> {
    let data = CloudInit::generate(documents, configuration, report)?;
    warn_of_host_name(&data, reference, report);
    Some(data)
}

/// What can be said of documents whose configuration cannot be read: which ones it selects is not
/// known, so what has no place in a document, such as that none is selected, is not told.
fn without_configuration(documents: &DocumentSet, report: &mut Report) {
    const DEFAULTS: &[u8] =
        b"{container: {volume: /v}, builder: {userDataFileName: u, networkConfigFileName: n}}";
    let Ok(defaults) = IsoConfiguration::parse("", DEFAULTS) else { return };
    CloudInit::generate(documents, &defaults, report);
    report.errors.retain(|fault| fault.at.is_some());
    report.warnings.retain(|fault| fault.at.is_some());
}

impl Site {
    fn of(
        options: &SiteOptions,
        (configuration, reference): (IsoConfiguration, Reference),
        documents: &DocumentSet,
        data: CloudInit,
    ) -> Result<Self> {
        let network = options.network.or(configuration.container.network).unwrap_or(Network::None);
        Ok(Self {
            secrets: SecretValues::gather(documents, &[&data.user_data, &data.network_config])?,
            user_data: data.user_data_kind(),
            network_source: data.network,
            staging: staging(&configuration, data, options.inputs_after)?,
            environment: environment(&configuration, network),
            reference,
            network,
            configuration,
        })
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
