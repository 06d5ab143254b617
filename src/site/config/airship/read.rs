//! From the bytes of an airshipctl config to an [`AirshipConfig`]. Keys that nothing here reads are
//! nobody's fault: there are configs of many releases. An empty string has always meant nothing.

use std::collections::HashSet;
use std::path::Path;

use super::{AirshipConfig, Bootstrap, Cluster, Context, Manifest, Repository, Shape, Written, normal};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::site::config::isogen;
use crate::site::yaml::{Entry, Fields, Node, Origin};

pub(super) const DOING: &str = "reading the airshipctl config";
const CODE: &str = "airshipctl-config";

/// See [`AirshipConfig::parse`].
pub(super) fn parse(path: &Path, home: Option<&Path>, bytes: &[u8]) -> Result<AirshipConfig> {
    let mut faults = Vec::new();
    let origin = Origin::new(&path.display().to_string(), None);
    let config = isogen::root(&origin, bytes, &mut faults).and_then(|mut root| {
        let dashed = dashed_manifests(&root);
        for twice in normal::normalise(&mut root) {
            let message = format!("`{}` is there twice, here as `{}`", twice.key, normal::dashed(twice.key));
            faults.push(origin.fault(twice.mark, message));
        }
        let mut config = empty(path, home, &origin);
        let fields = Fields::of_root(&root, &origin, &mut faults)?;
        fill(&mut config, &fields, &dashed, &mut faults);
        config.root = root;
        Some(config)
    });
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(refusal(DOING, CODE, faults)),
    }
}

/// The faults as an error, each under a code.
pub(super) fn refusal(doing: &str, code: &'static str, faults: Vec<Fault>) -> Error {
    let coded = |fault: Fault| if fault.code.is_some() { fault } else { fault.coded(code) };
    Error::faults(ErrorKind::Usage, doing, faults.into_iter().map(coded).collect())
}

fn empty(path: &Path, home: Option<&Path>, origin: &Origin) -> AirshipConfig {
    AirshipConfig {
        path: path.to_owned(),
        origin: origin.clone(),
        home: home.map(Path::to_owned),
        root: Node::empty_mapping(crate::site::yaml::Mark::new(1, 1)),
        current_context: None,
        contexts: Vec::new(),
        manifests: Vec::new(),
        clusters: Vec::new(),
        bootstrap: Vec::new(),
    }
}

/// Names of the manifests in the oldest spelling, which has a layout of its own.
fn dashed_manifests(root: &Node) -> HashSet<String> {
    let is_dashed = |entry: &&Entry| {
        let keys = normal::MANIFEST.map(normal::dashed);
        entry.value.entries().iter().any(|below| below.key.contains('-') && keys.contains(&below.key))
    };
    let manifests = root.get("manifests").map_or(&[][..], Node::entries);
    manifests.iter().filter(is_dashed).map(|entry| entry.key.clone()).collect()
}

fn fill(config: &mut AirshipConfig, root: &Fields<'_>, dashed: &HashSet<String>, faults: &mut Vec<Fault>) {
    of_the_right_kind(root, faults);
    config.current_context = text(root, "currentContext", faults);
    for (entry, fields) in table(root, "contexts", faults) {
        let (manifest, kubeconf) =
            (text(&fields, "manifest", faults), text(&fields, "contextKubeconf", faults));
        config.contexts.push(Context { name: name(entry), manifest, kubeconf });
    }
    for (entry, fields) in table(root, "manifests", faults) {
        config.manifests.push(manifest(entry, &fields, dashed.contains(&entry.key), faults));
    }
    for (entry, fields) in table(root, "clusters", faults) {
        let types = fields.section("clusterType", faults);
        let ephemeral = types.and_then(|types| types.section("ephemeral", faults));
        let bootstrap = ephemeral.and_then(|fields| text(&fields, "bootstrapInfo", faults));
        config.clusters.push(Cluster { name: name(entry), bootstrap });
    }
    config.bootstrap = table(root, "bootstrapInfo", faults).iter().map(|it| bootstrap(it, faults)).collect();
    if let Some(modules) = root.section("modulesConfig", faults) {
        let known: HashSet<_> = config.bootstrap.iter().map(|entry| entry.name.text.clone()).collect();
        for found in table(&modules, "bootstrapInfo", faults) {
            if known.contains(&found.0.key) {
                let message = format!("`bootstrapInfo` {:?} is there twice", found.0.key);
                faults.push(config.origin.fault(found.0.key_mark, message));
            }
            config.bootstrap.push(bootstrap(&found, faults));
        }
    }
}

/// A kubeconfig is of kind `Config` too, and an isogen.yaml easily given in place of this file.
fn of_the_right_kind(root: &Fields<'_>, faults: &mut Vec<Fault>) {
    if let Some(node) = root.get("kind").filter(|node| node.string() != Some("Config")) {
        faults.push(root.fault(node, "`kind`: expected Config; is this an airshipctl config?"));
    }
    let is_ours = |node: &Node| node.string().is_some_and(|text| text.starts_with("airshipit.org/"));
    if let Some(node) = root.get("apiVersion").filter(|node| !is_ours(node)) {
        faults.push(
            root.fault(node, "`apiVersion`: expected airshipit.org/v1alpha1; is this an airshipctl config?"),
        );
    }
}

/// A mapping of mappings by name.
fn table<'a>(fields: &Fields<'a>, key: &str, faults: &mut Vec<Fault>) -> Vec<(&'a Entry, Fields<'a>)> {
    let section = fields.section(key, faults);
    section.map(|section| section.sections(faults)).unwrap_or_default()
}

fn name(entry: &Entry) -> Written {
    Written { text: entry.key.clone(), mark: entry.key_mark }
}

/// A string that may be missing or empty.
pub(super) fn text(fields: &Fields<'_>, key: &str, faults: &mut Vec<Fault>) -> Option<Written> {
    let node = fields.get(key).filter(|node| node.string() != Some(""))?;
    fields.string(key, faults).map(|text| Written { text: text.to_owned(), mark: node.mark })
}

fn manifest(entry: &Entry, fields: &Fields<'_>, is_dashed: bool, faults: &mut Vec<Fault>) -> Manifest {
    let phase_repository = text(fields, "phaseRepositoryName", faults);
    let metadata_path = text(fields, "metadataPath", faults);
    let shape = match (phase_repository.is_some() || metadata_path.is_some(), is_dashed) {
        (true, _) => Shape::Phase,
        (false, true) => Shape::Dashed,
        (false, false) => Shape::Camel,
    };
    let repositories = table(fields, "repositories", faults);
    let repository = |(entry, fields): &(&Entry, Fields<'_>)| Repository {
        name: name(entry),
        directory: fields.get("url").and_then(directory),
    };
    Manifest {
        name: name(entry),
        shape,
        target_path: text(fields, "targetPath", faults),
        sub_path: text(fields, "subPath", faults),
        repositories: repositories.iter().map(repository).collect(),
        repository: phase_repository.or(text(fields, "primaryRepositoryName", faults)),
        metadata_path,
    }
}

/// The name of the directory that git clones a URL into. The URL is a string, or the parts that the first
/// releases wrote (`Scheme`, `Host`, `Path`, ...).
fn directory(url: &Node) -> Option<String> {
    let path = || url.entries().iter().find(|entry| entry.key.eq_ignore_ascii_case("path"));
    let url = url.string().or_else(|| path()?.value.string())?;
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let name = last.strip_suffix(".git").unwrap_or(last);
    // it is one directory of the target path, nothing else
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

fn bootstrap((entry, fields): &(&Entry, Fields<'_>), faults: &mut Vec<Fault>) -> Bootstrap {
    let path = text(fields, "isogenConfigPath", faults);
    Bootstrap { name: name(entry), path, node: entry.value.clone() }
}
