//! The items of `replacements`, in the kustomization or in a file of their own.

use super::super::Layer;
use super::super::item::Item;
use super::path::Path;
use super::{Part, Select};
use crate::site::document::LabelSelector;
use crate::site::yaml::Node;

const REPLACEMENT: [&str; 3] = ["source", "targets", "path"];
const SOURCE: [&str; 7] = ["group", "version", "kind", "namespace", "name", "fieldPath", "options"];
const TARGET: [&str; 4] = ["select", "reject", "fieldPaths", "options"];
const SELECT: [&str; 7] =
    ["group", "version", "kind", "namespace", "name", "labelSelector", "annotationSelector"];
const OPTIONS: [&str; 4] = ["delimiter", "index", "encoding", "create"];
const DEFAULT_PATH: &str = "metadata.name";

/// What is copied, and where to.
pub(super) struct Replacement<'k> {
    pub source: Source<'k>,
    pub targets: Vec<Target<'k>>,
}

pub(super) struct Source<'k> {
    pub node: &'k Node,
    pub select: Select<'k>,
    pub path: Path,
    pub part: Option<Part<'k>>,
}

pub(super) struct Target<'k> {
    pub select: Select<'k>,
    pub reject: Vec<Select<'k>>,
    /// Each with the place where it is written.
    pub paths: Vec<(&'k Node, Path)>,
    pub part: Option<Part<'k>>,
    pub creates: bool,
}

/// The replacements in the files that items with a `path` name, in their order.
pub(super) fn files(layer: &mut Layer<'_>) -> Vec<Vec<Node>> {
    let mut files = Vec::new();
    for node in layer.listed("replacements") {
        let Some(path) = node.get("path") else { continue };
        if node.get("source").is_some() || node.get("targets").is_some() {
            layer.error("bad-replacement", node, "`replacements`: has both `path` and a replacement");
            files.push(Vec::new());
            continue;
        }
        let documents = layer.file(path).and_then(|(bytes, origin)| layer.parse(origin.file(), &bytes));
        let nodes = documents.unwrap_or_default().into_iter().map(|(_, node)| node);
        files.push(nodes.flat_map(listed).collect());
    }
    files
}

/// A file holds one replacement or a list of them.
fn listed(node: Node) -> Vec<Node> {
    match node.items() {
        Some(items) => items.to_vec(),
        None => vec![node],
    }
}

/// Reads one; what is wrong is noted.
pub(super) fn replacement<'k>(layer: &mut Layer<'_>, node: &'k Node) -> Option<Replacement<'k>> {
    let item = Item::of(node, "replacements", &REPLACEMENT, layer)?;
    let targets = item.sections("targets", &TARGET, layer);
    let source = item.section("source", &SOURCE, layer);
    let (Some(source), false) = (source, targets.is_empty()) else {
        layer.error(
            "bad-replacement",
            node,
            "`replacements`: expected `source` and at least one of `targets`",
        );
        return None;
    };
    let targets = targets.iter().filter_map(|target| read_target(layer, target)).collect();
    let path = source.text("fieldPath", layer).unwrap_or(DEFAULT_PATH);
    let path = path_of(layer, source.node.get("fieldPath").unwrap_or(source.node), path)?;
    let (part, _) = options(layer, &source);
    Some(Replacement {
        source: Source { node: source.node, select: ids(layer, &source), path, part },
        targets,
    })
}

fn read_target<'k>(layer: &mut Layer<'_>, item: &Item<'k>) -> Option<Target<'k>> {
    let Some(select) = item.section("select", &SELECT, layer) else {
        let message = "`replacements.targets`: `select` is missing; it says which resources are meant";
        layer.error("bad-replacement", item.node, message);
        return None;
    };
    let mut paths = Vec::new();
    for node in item.texts("fieldPaths", layer) {
        let path = path_of(layer, node, node.string().unwrap_or_default());
        paths.extend(path.map(|path| (node, path)));
    }
    if paths.is_empty() {
        paths.extend(path_of(layer, item.node, DEFAULT_PATH).map(|path| (item.node, path)));
    }
    let rejected = item.sections("reject", &SELECT, layer);
    let (part, creates) = options(layer, item);
    Some(Target {
        select: select_of(layer, &select),
        reject: rejected.iter().map(|item| select_of(layer, item)).collect(),
        paths,
        part,
        creates,
    })
}

fn path_of(layer: &mut Layer<'_>, node: &Node, text: &str) -> Option<Path> {
    let path = Path::parse(text);
    path.map_err(|message| layer.error("bad-field-path", node, format!("`replacements`: {message}"))).ok()
}

/// Part of a text and `create`; `encoding` is known to kustomize and does nothing.
fn options<'k>(layer: &mut Layer<'_>, item: &Item<'k>) -> (Option<Part<'k>>, bool) {
    let Some(options) = item.section("options", &OPTIONS, layer) else { return (None, false) };
    let index = options.integer("index", layer).unwrap_or(0);
    let part = options.text("delimiter", layer).map(|delimiter| Part { delimiter, index });
    (part, options.flag("create", layer))
}

fn ids<'k>(layer: &mut Layer<'_>, item: &Item<'k>) -> Select<'k> {
    Select {
        group: item.text("group", layer),
        version: item.text("version", layer),
        kind: item.text("kind", layer),
        namespace: item.text("namespace", layer),
        name: item.text("name", layer),
        ..Select::default()
    }
}

fn select_of<'k>(layer: &mut Layer<'_>, item: &Item<'k>) -> Select<'k> {
    Select {
        labels: selector(layer, item, "labelSelector"),
        annotations: selector(layer, item, "annotationSelector"),
        ..ids(layer, item)
    }
}

fn selector(layer: &mut Layer<'_>, item: &Item<'_>, key: &str) -> LabelSelector {
    let Some(text) = item.text(key, layer) else { return LabelSelector::default() };
    LabelSelector::parse(text).unwrap_or_else(|message| {
        let node = item.node.get(key).unwrap_or(item.node);
        layer.error("bad-selector", node, format!("`replacements`: `{key}`: {message}"));
        LabelSelector::default()
    })
}
