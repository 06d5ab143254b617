//! `--dry-run`: what a run would do, with no secret in it. Reads the site and, if it is there, the
//! rootfs cache; touches neither network nor disk.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{Options, Site, additional_caches, privacy};
use crate::error::Result;
use crate::image::PullPolicy;
use crate::image::digest::sha256_hex;
use crate::image::platform::Platform;
use crate::image::registry::Reach;
use crate::image::store::{Located, Store};
use crate::site::cloudinit::{NetworkSource, UserDataKind};
use crate::site::config::{ContainerRuntime, Network, Privilege};
use crate::site::volume::{Input, Volume};

/// Hexadecimal digits of a digest that are shown: enough to compare two runs by.
const DIGITS: usize = 8;

/// Everything a run would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// 1; keys are only added to it.
    version: u32,
    image: ImagePlan,
    #[serde(flatten)]
    site: SitePlan,
}

/// Where the image would come from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImagePlan {
    reference: String,
    rootfs_cache: PathBuf,
    additional_rootfs_caches: Vec<PathBuf>,
    /// A cache, a registry, or nowhere.
    from: String,
    /// Of the manifest, where the image is in a cache.
    digest: Option<String>,
    /// The same.
    command: Option<Vec<String>>,
}

/// What would be put where, as far as configuration and documents say.
#[derive(Debug, Serialize)]
pub struct SitePlan {
    container: ContainerPlan,
    inputs: Vec<InputPlan>,
    outputs: OutputPlan,
}

#[derive(Debug, Serialize)]
struct ContainerPlan {
    /// The image's reference.
    image: String,
    runtime: String,
    network: String,
    privileged: bool,
    /// `host:container`.
    mounts: Vec<String>,
    environment: Vec<VariablePlan>,
}

#[derive(Debug, Serialize)]
struct VariablePlan {
    name: String,
    value: String,
}

/// A file in the volume. The digest of a whole file, in part, tells two apart and nothing of what is in
/// them; that of one value could be guessed from.
#[derive(Debug, Serialize)]
struct InputPlan {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    size: usize,
    /// The first digits.
    sha256: String,
    mode: &'static str,
}

#[derive(Debug, Serialize)]
struct OutputPlan {
    metadata: String,
    image: Option<String>,
}

/// Checks all that a run checks before its first write.
pub fn plan(options: &Options) -> Result<Plan> {
    privacy::keep_to_ourselves();
    let site = Site::read(&options.site)?;
    Volume::check(&site.configuration.container.volume.host)?;
    Ok(Plan { version: 1, image: image_plan(options, &site)?, site: SitePlan::of(&site) })
}

fn image_plan(options: &Options, site: &Site) -> Result<ImagePlan> {
    let store = Store::open_existing(&options.cache)?.map_or_else(|| Store::absent(&options.cache), Ok)?;
    let additional = additional_caches(options, site);
    let located = store.with_additional(&additional).locate(&site.reference, &Platform::host())?;
    let registry = site.reference.registry().to_owned();
    let may_ask = options.pull != PullPolicy::Never
        && !site.reference.is_local()
        && options.access.reach == Reach::Online;
    let from = match &located {
        None if !may_ask => "nowhere".to_owned(),
        Some(Located { cache, .. }) if options.pull != PullPolicy::Always || !may_ask => {
            cache.display().to_string()
        }
        _ => registry,
    };
    Ok(ImagePlan {
        reference: site.reference.to_string(),
        rootfs_cache: options.cache.clone(),
        additional_rootfs_caches: additional,
        from,
        digest: located.as_ref().map(|located| located.image.manifest_digest.to_string()),
        command: located.as_ref().map(command),
    })
}

fn command(Located { image, .. }: &Located) -> Vec<String> {
    let config = image.configuration.config().as_ref();
    let entrypoint = config.and_then(|config| config.entrypoint().clone()).unwrap_or_default();
    let cmd = config.and_then(|config| config.cmd().clone()).unwrap_or_default();
    entrypoint.into_iter().chain(cmd).collect()
}

impl SitePlan {
    /// What is planned for a site.
    pub fn of(site: &Site) -> Self {
        let container = &site.configuration.container;
        let kinds = [
            user_data_name(site.user_data),
            &network_name(site.network_source),
            "meta-data",
            "configuration",
        ];
        // the inputs of `super::site::staging`, in its order
        let inputs = site.staging.inputs.iter().zip(kinds).map(|(input, kind)| input_plan(input, kind));
        let outputs = &site.staging.outputs;
        Self {
            container: ContainerPlan {
                image: site.reference.to_string(),
                runtime: ContainerRuntime::to_string(&container.runtime),
                network: Network::to_string(&site.network),
                privileged: container.privilege == Privilege::Privileged,
                mounts: vec![container.volume.to_string()],
                environment: site.environment.iter().map(variable).collect(),
            },
            inputs: inputs.collect(),
            outputs: OutputPlan { metadata: outputs.metadata.clone(), image: outputs.image.clone() },
        }
    }
}

/// A proxy's address may hold a password.
fn variable((name, value): &(String, String)) -> VariablePlan {
    let is_shown = !name.to_lowercase().ends_with("_proxy");
    let value = if is_shown { value.clone() } else { "(set, not shown)".to_owned() };
    VariablePlan { name: name.clone(), value }
}

fn input_plan(input: &Input, kind: &str) -> InputPlan {
    let sha256 = sha256_hex(&input.bytes).chars().take(DIGITS).collect();
    InputPlan {
        name: input.name.clone(),
        kind: kind.to_owned(),
        size: input.bytes.len(),
        sha256,
        mode: "0600",
    }
}

fn user_data_name(kind: UserDataKind) -> &'static str {
    match kind {
        UserDataKind::CloudConfig => "cloud-config",
        UserDataKind::CloudConfigArchive => "cloud-config-archive",
        UserDataKind::JsonPatch => "cloud-config-jsonp",
        UserDataKind::Script => "script",
        UserDataKind::Include => "include",
        UserDataKind::Boothook => "cloud-boothook",
        UserDataKind::PartHandler => "part-handler",
        UserDataKind::Jinja => "jinja template",
        UserDataKind::Mime => "mime",
        UserDataKind::Gzip => "gzip",
        UserDataKind::Unknown => "unknown",
    }
}

fn network_name(source: NetworkSource) -> String {
    match source {
        NetworkSource::Secret { format } => format.to_string(),
        NetworkSource::Generated => "network-config v2 (generated)".to_owned(),
    }
}

/// Text in double quotes, as JSON and YAML read it.
fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.image, self.site)
    }
}

impl fmt::Display for ImagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "image:\n  reference: {}\n  rootfsCache: {}",
            self.reference,
            self.rootfs_cache.display()
        )?;
        if !self.additional_rootfs_caches.is_empty() {
            writeln!(f, "  additionalRootfsCaches:")?;
        }
        self.additional_rootfs_caches.iter().try_for_each(|cache| writeln!(f, "  - {}", cache.display()))?;
        writeln!(f, "  from: {}", self.from)?;
        let digest = self.digest.as_deref().unwrap_or("unknown, the image is not in the rootfs cache");
        writeln!(f, "  digest: {digest}")?;
        let command = self.command.iter().map(|words| serde_json::Value::from(words.clone()));
        command.into_iter().try_for_each(|words| writeln!(f, "  command: {words}"))
    }
}

impl fmt::Display for SitePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ContainerPlan { image, runtime, network, privileged, mounts, environment } = &self.container;
        writeln!(f, "container:\n  image: {image}\n  runtime: {runtime}")?;
        writeln!(f, "  network: {network}\n  privileged: {privileged}\n  mounts:")?;
        mounts.iter().try_for_each(|mount| writeln!(f, "  - {mount}"))?;
        writeln!(f, "  environment:")?;
        environment
            .iter()
            .try_for_each(|VariablePlan { name, value }| writeln!(f, "    {name}: {}", quoted(value)))?;
        writeln!(f, "inputs:")?;
        for InputPlan { name, kind, size, sha256, mode } in &self.inputs {
            let (sha256, mode) = (quoted(sha256), quoted(mode));
            writeln!(f, "- {{name: {name}, type: {kind}, size: {size}, sha256: {sha256}, mode: {mode}}}")?;
        }
        writeln!(f, "outputs:\n  metadata: {}", self.outputs.metadata)?;
        self.outputs.image.iter().try_for_each(|image| writeln!(f, "  image: {image}"))
    }
}
