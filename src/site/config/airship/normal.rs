//! Older spellings brought to today's: `current-context` is `currentContext`. Only keys that mean
//! something here are changed; names that users chose, and keys that only the builder knows, are not.

use crate::site::config::isogen::{BUILDER_KEYS, CONTAINER_KEYS};
use crate::site::yaml::{Mark, Node};

const ROOT: [&str; 8] = [
    "apiVersion",
    "kind",
    "currentContext",
    "contexts",
    "manifests",
    "clusters",
    "bootstrapInfo",
    "modulesConfig",
];
const CONTEXT: [&str; 2] = ["manifest", "contextKubeconf"];
pub(super) const MANIFEST: [&str; 6] =
    ["targetPath", "subPath", "repositories", "phaseRepositoryName", "primaryRepositoryName", "metadataPath"];
const REPOSITORY: [&str; 1] = ["url"];
const CLUSTER: [&str; 1] = ["clusterType"];
const CLUSTER_TYPE: [&str; 1] = ["bootstrapInfo"];
const MODULES: [&str; 1] = ["bootstrapInfo"];
const BOOTSTRAP: [&str; 3] = ["isogenConfigPath", "container", "builder"];

/// A key that was there in both spellings.
pub(super) struct Twice {
    pub key: &'static str,
    pub mark: Mark,
}

/// Renames throughout, and takes out what is there in both spellings.
pub(super) fn normalise(root: &mut Node) -> Vec<Twice> {
    let mut twice = Vec::new();
    rename(root, &ROOT, &mut twice);
    each(root, "contexts", &mut |context| rename(context, &CONTEXT, &mut twice));
    each(root, "manifests", &mut |manifest| {
        rename(manifest, &MANIFEST, &mut twice);
        each(manifest, "repositories", &mut |repository| rename(repository, &REPOSITORY, &mut twice));
    });
    each(root, "clusters", &mut |cluster| {
        rename(cluster, &CLUSTER, &mut twice);
        each(cluster, "clusterType", &mut |kind| rename(kind, &CLUSTER_TYPE, &mut twice));
    });
    each(root, "bootstrapInfo", &mut |entry| bootstrap(entry, &mut twice));
    if let Some(modules) = root.get_mut("modulesConfig") {
        rename(modules, &MODULES, &mut twice);
        each(modules, "bootstrapInfo", &mut |entry| bootstrap(entry, &mut twice));
    }
    twice
}

fn bootstrap(entry: &mut Node, twice: &mut Vec<Twice>) {
    rename(entry, &BOOTSTRAP, twice);
    for (section, keys) in [("container", &CONTAINER_KEYS[..]), ("builder", &BUILDER_KEYS[..])] {
        if let Some(section) = entry.get_mut(section) {
            rename(section, keys, twice);
        }
    }
}

/// Does something with every value of the mapping at `key`.
fn each(node: &mut Node, key: &str, change: &mut dyn FnMut(&mut Node)) {
    let entries = node.get_mut(key).and_then(Node::entries_mut);
    entries.into_iter().flatten().for_each(|entry| change(&mut entry.value));
}

fn rename(node: &mut Node, known: &[&'static str], twice: &mut Vec<Twice>) {
    let Some(entries) = node.entries_mut() else { return };
    for key in known.iter().copied().filter(|key| key.contains(|c: char| c.is_ascii_uppercase())) {
        let dashed = dashed(key);
        let Some(at) = entries.iter().position(|entry| entry.key == dashed) else { continue };
        match entries.iter().any(|entry| entry.key == key) {
            true => twice.push(Twice { key, mark: entries.remove(at).key_mark }),
            false => key.clone_into(&mut entries[at].key),
        }
    }
}

/// `currentContext` as `current-context`.
pub(super) fn dashed(key: &str) -> String {
    let mut dashed = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            dashed.push('-');
        }
        dashed.push(c.to_ascii_lowercase());
    }
    dashed
}
