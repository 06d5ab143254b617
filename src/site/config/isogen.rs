//! From the bytes of `isogen.yaml` to an [`IsoConfiguration`], with every fault found on the way.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{
    BUILDER_CONF, BuilderSection, ContainerRuntime, ContainerSection, IsoConfiguration, META_DATA, Privilege,
    Verbatim, VolumeMount, medium, patch, selection, write,
};
use crate::error::{Doing, Error, ErrorKind, Fault, Result};
use crate::site::yaml::{self, Budget, Fields, Mark, Node, Origin};

const ROOT_KEYS: [&str; 5] = ["apiVersion", "kind", "metadata", "container", "builder"];
pub(super) const CONTAINER_KEYS: [&str; 6] =
    ["volume", "image", "containerRuntime", "privileged", "network", "additionalRootfsCaches"];
pub(super) const BUILDER_KEYS: [&str; 12] = [
    "userDataFileName",
    "networkConfigFileName",
    "outputMetadataFileName",
    "outputFileName",
    "userDataSelector",
    "userDataKey",
    "networkConfigSelector",
    "networkConfigKey",
    // read by the reference builder alone, as they are
    "kernelArgs",
    "console",
    "label",
    "sourceDateEpoch",
];
const API_VERSION: &str = "airshipit.org/v1alpha1";
pub(super) const KINDS: [&str; 2] = ["ImageConfiguration", "IsoConfiguration"];
/// Far above any real configuration, far below what would take time to read.
const MAX_BYTES: u64 = 1 << 20;

/// The user's home directory, for `~/`.
pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// See [`IsoConfiguration::load`].
pub(super) fn load(path: &Path) -> Result<IsoConfiguration> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|error| error.context(doing(&file)))?;
    parse(&file, &bytes, home().as_deref())
}

fn doing(file: &str) -> String {
    format!("reading the isogen configuration {file}")
}

/// The bytes of a regular file of bounded size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    content(open(path)?)
}

/// A regular file, opened.
pub(super) fn open(path: &Path) -> Result<File> {
    let usage = |message: &str| Error::new(ErrorKind::Usage, message);
    // opening a FIFO would wait for a writer, so what it is comes first
    let kind = std::fs::metadata(path).doing(ErrorKind::Usage, || "opening it".into())?.file_type();
    if !kind.is_file() {
        return Err(usage(if kind.is_dir() { "it is a directory" } else { "it is not a regular file" }));
    }
    File::open(path).doing(ErrorKind::Usage, || "opening it".into())
}

/// All of a file that is not too large.
pub(super) fn content(file: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .doing(ErrorKind::Usage, || "reading its content".into())?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(Error::new(ErrorKind::Usage, "it is larger than 1 MiB")),
        false => Ok(bytes),
    }
}

/// Parses and checks; `home` stands for `~`.
pub(super) fn parse(file: &str, bytes: &[u8], home: Option<&Path>) -> Result<IsoConfiguration> {
    let mut faults = Vec::new();
    let origin = Origin::new(file, None);
    let places = Places { beside: Path::new(file).parent(), home };
    let configuration = root(&origin, bytes, &mut faults)
        .and_then(|node| configuration(&node, &origin, &places, Copy::Patched(bytes), &mut faults));
    finished(configuration, faults)
}

/// Checks a configuration that is a part of something else; relative paths in it begin at the file
/// that it is in.
pub(super) fn of_node(node: &Node, origin: &Origin, home: Option<&Path>) -> Result<IsoConfiguration> {
    let mut faults = Vec::new();
    let beside = Path::new(origin.file()).parent().map(Path::to_owned);
    let places = Places { beside: beside.as_deref(), home };
    let configuration = configuration(node, origin, &places, Copy::Written, &mut faults);
    finished(configuration, faults)
}

fn finished(configuration: Option<IsoConfiguration>, faults: Vec<Fault>) -> Result<IsoConfiguration> {
    match configuration {
        Some(configuration) if faults.is_empty() => Ok(configuration),
        _ => Err(Error::faults(ErrorKind::Usage, "reading the isogen configuration", faults)),
    }
}

/// How the builder's copy is made.
enum Copy<'a> {
    /// Of the bytes of a file that holds nothing else.
    Patched(&'a [u8]),
    /// Of the tree, there being no such file.
    Written,
}

/// The only document of the file.
pub(super) fn root(origin: &Origin, bytes: &[u8], faults: &mut Vec<Fault>) -> Option<Node> {
    let before = faults.len();
    let mut documents = yaml::parse(origin, bytes, &mut Budget::default(), faults).into_iter();
    let first = documents.next();
    if let Some((_, second)) = documents.next() {
        faults.push(origin.fault(second.mark, "a second document; expected one only"));
    }
    if first.is_none() && faults.len() == before {
        faults.push(origin.fault(Mark::new(1, 1), "the file is empty"));
    }
    first.map(|(_, node)| node)
}

/// Reads both sections before giving up, so that the faults of both are reported.
fn configuration(
    node: &Node,
    origin: &Origin,
    places: &Places<'_>,
    copy: Copy<'_>,
    faults: &mut Vec<Fault>,
) -> Option<IsoConfiguration> {
    let root = Fields::of_root(node, origin, faults)?;
    wrapping(&root, faults);
    let container = root.required_section("container", faults);
    let container = container.and_then(|fields| container_section(&fields, places, faults));
    let builder = root.required_section("builder", faults);
    let mut warnings = unknown_keys(&root);
    if let Some(builder) = &builder {
        // what the medium of another builder is like, and whether it reads these keys, is not known
        let told = if names_image(&root) { &mut warnings } else { &mut *faults };
        told.extend(medium::refused(builder));
    }
    let builder = builder.and_then(|fields| builder_section(&fields, faults));
    let (container, builder) = (container?, builder?);
    let wanted = container.volume.to_string();
    let copy = match copy {
        Copy::Patched(bytes) => patch::volume(bytes, node, &wanted, &root, faults)?,
        Copy::Written => write::with_volume(node, &wanted).into_bytes(),
    };
    Some(IsoConfiguration { container, builder, warnings, builder_conf: Verbatim(copy) })
}

/// Whether the builder may be another one than the reference builder.
fn names_image(root: &Fields<'_>) -> bool {
    root.section("container", &mut Vec::new()).is_some_and(|container| container.get("image").is_some())
}

/// The keys that nothing here reads. They stay in the builder's copy, which may read them.
fn unknown_keys(root: &Fields<'_>) -> Vec<Fault> {
    // what is no mapping is a fault already
    let (mut warnings, mut ignored) = (Vec::new(), Vec::new());
    root.warn_unknown(&ROOT_KEYS, &mut warnings);
    if let Some(container) = root.section("container", &mut ignored) {
        container.warn_unknown(&CONTAINER_KEYS, &mut warnings);
    }
    let Some(builder) = root.section("builder", &mut ignored) else { return warnings };
    builder.warn_unknown(&BUILDER_KEYS, &mut warnings);
    for selector in ["userDataSelector", "networkConfigSelector"] {
        if let Some(selector) = builder.section(selector, &mut ignored) {
            selector.warn_unknown(&selection::KEYS, &mut warnings);
        }
    }
    warnings
}

/// The form with `apiVersion`, `kind` and `metadata` around the same body.
fn wrapping(root: &Fields<'_>, faults: &mut Vec<Fault>) {
    let (version, kind) = (root.get("apiVersion"), root.get("kind"));
    if let Some(node) = version.filter(|node| node.string() != Some(API_VERSION)) {
        faults.push(root.fault(node, format!("`apiVersion`: expected {API_VERSION}")));
    }
    if let Some(node) = kind.filter(|node| !node.string().is_some_and(|kind| KINDS.contains(&kind))) {
        faults.push(root.fault(node, format!("`kind`: expected {}", KINDS.join(" or "))));
    }
    // a lone kind or apiVersion is a wrapped form that lost the other half
    if version.is_some() != kind.is_some() {
        root.required(if version.is_some() { "kind" } else { "apiVersion" }, faults);
    }
    root.section("metadata", faults);
}

/// `container`; `None` where the volume, its only required field, is not to be had.
fn container_section(
    fields: &Fields<'_>,
    places: &Places<'_>,
    faults: &mut Vec<Fault>,
) -> Option<ContainerSection> {
    let volume = fields.required_string("volume", faults);
    let volume = fields.parsed("volume", volume, faults, |text| {
        // a block scalar ends with a line break
        VolumeMount::parse(text.trim_end_matches('\n'), places.home)
    });
    let image = fields.string("image", faults).map(str::to_owned);
    let runtime = fields.string("containerRuntime", faults);
    let runtime = fields.parsed("containerRuntime", runtime, faults, named::<ContainerRuntime>);
    let network = fields.string("network", faults);
    let network = fields.parsed("network", network, faults, named);
    let privilege = match fields.boolean("privileged", faults) {
        Some(true) => Privilege::Privileged,
        _ => Privilege::Default,
    };
    let runtime = runtime.unwrap_or_default();
    let additional_rootfs_caches = additional_caches(fields, places, faults);
    Some(ContainerSection { volume: volume?, image, runtime, privilege, network, additional_rootfs_caches })
}

/// What paths of a configuration may begin at.
pub(super) struct Places<'a> {
    /// The file's directory.
    pub beside: Option<&'a Path>,
    pub home: Option<&'a Path>,
}

/// `container.additionalRootfsCaches`, a list of directories; whether they are there is seen later.
fn additional_caches(fields: &Fields<'_>, places: &Places<'_>, faults: &mut Vec<Fault>) -> Vec<PathBuf> {
    const KEY: &str = "additionalRootfsCaches";
    let Some(node) = fields.get(KEY) else { return Vec::new() };
    let Some(items) = node.items() else {
        let message =
            format!("`{}`: expected a list of directories, found {}", fields.path(KEY), node.kind_name());
        faults.push(fields.fault(node, message));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        match item.string().filter(|text| !text.is_empty() && !text.chars().any(char::is_control)) {
            Some(text) => found.push(places.resolve(text)),
            None => {
                let message = format!("`{}`: expected the path of a directory", fields.path(KEY));
                faults.push(fields.fault(item, message));
            }
        }
    }
    found
}

impl Places<'_> {
    pub(super) fn resolve(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home) {
            (Some(below), Some(home)) => home.join(below),
            // an absolute path takes the place of what it is joined to
            _ => self.beside.unwrap_or(Path::new("")).join(text),
        }
    }
}

/// Parses an enumeration, its error as the message of a fault.
fn named<T: std::str::FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// `builder`; `None` where a required name is not to be had.
fn builder_section(fields: &Fields<'_>, faults: &mut Vec<Fault>) -> Option<BuilderSection> {
    let user_data = selection::read(fields, "userDataSelector", ("userDataKey", "userData"), faults);
    let network_config =
        selection::read(fields, "networkConfigSelector", ("networkConfigKey", "networkData"), faults);
    let user_data_file = fields.required_string("userDataFileName", faults);
    let network_file = fields.required_string("networkConfigFileName", faults);
    let metadata_file = fields
        .get("outputMetadataFileName")
        .map_or(Some("output-metadata.yaml"), |_| fields.string("outputMetadataFileName", faults));
    let output_file = fields.string("outputFileName", faults);
    let names = [
        ("userDataFileName", user_data_file),
        ("networkConfigFileName", network_file),
        ("outputMetadataFileName", metadata_file),
        ("outputFileName", output_file),
    ];
    file_names(fields, &names, faults);
    Some(BuilderSection {
        user_data_file_name: user_data_file?.to_owned(),
        network_config_file_name: network_file?.to_owned(),
        output_metadata_file_name: metadata_file?.to_owned(),
        output_file_name: output_file.map(str::to_owned),
        user_data,
        network_config,
    })
}

/// All files lie side by side in the volume: each has a plain name of its own.
fn file_names(fields: &Fields<'_>, names: &[(&str, Option<&str>)], faults: &mut Vec<Fault>) {
    for (index, (key, name)) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        let twin = names[..index].iter().find(|(_, other)| other == &Some(*name));
        let message = match (file_name_fault(name), twin) {
            (Some(message), _) => message.to_owned(),
            (None, Some((other, _))) => format!("is the same name as `{}`", fields.path(other)),
            (None, None) => continue,
        };
        let message = format!("`{}` {message}", fields.path(key));
        match fields.get(key) {
            Some(node) => faults.push(fields.fault(node, message)),
            // the default of a missing key collides with a name that was given
            None => faults
                .extend(twin.and_then(|(other, _)| fields.get(other)).map(|n| fields.fault(n, &message))),
        }
    }
}

/// Why a name cannot be that of a file in the volume's root.
fn file_name_fault(name: &str) -> Option<&'static str> {
    match name {
        "." | ".." => Some("is not a file name"),
        META_DATA | BUILDER_CONF => Some("is a name reserved for a file that airshipctl writes"),
        _ if name.contains('/') => Some("has a `/` in it; expected a plain file name"),
        _ if name.chars().any(char::is_control) => Some("has a control character in it"),
        _ if name.len() > 255 => Some("is longer than 255 bytes"),
        _ => None,
    }
}
