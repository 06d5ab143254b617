//! From a kustomization file to its fields: which there are, what they hold, and their older spellings.

use std::path::{Path, PathBuf};

use super::RENDER_OUTSIDE;
use super::accumulate::Build;
use super::read::next_number;
use crate::error::Fault;
use crate::site::document::files;
use crate::site::yaml::{self, Entry, Mark, Node, Origin};

/// The file names that kustomize knows.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Texts,
    /// A mapping of strings to strings.
    Pairs,
    Mapping,
    Mappings,
    /// What takes a plugin, another program or the network; refused unless it is empty.
    Outside,
}

/// Every field of `types.Kustomization`.
const FIELDS: [(&str, Shape); 37] = [
    ("apiVersion", Shape::Text),
    ("kind", Shape::Text),
    ("metadata", Shape::Mapping),
    ("resources", Shape::Texts),
    ("bases", Shape::Texts),
    ("components", Shape::Texts),
    ("namePrefix", Shape::Text),
    ("nameSuffix", Shape::Text),
    ("namespace", Shape::Text),
    ("commonLabels", Shape::Pairs),
    ("labels", Shape::Mappings),
    ("commonAnnotations", Shape::Pairs),
    ("patchesStrategicMerge", Shape::Texts),
    ("patchesJson6902", Shape::Mappings),
    ("patches", Shape::Mappings),
    ("images", Shape::Mappings),
    ("imageTags", Shape::Mappings),
    ("replacements", Shape::Mappings),
    ("replicas", Shape::Mappings),
    ("vars", Shape::Mappings),
    ("sortOptions", Shape::Mapping),
    ("configMapGenerator", Shape::Mappings),
    ("secretGenerator", Shape::Mappings),
    ("generatorOptions", Shape::Mapping),
    ("buildMetadata", Shape::Texts),
    ("openapi", Shape::Outside),
    ("crds", Shape::Outside),
    ("configurations", Shape::Outside),
    ("generators", Shape::Outside),
    ("transformers", Shape::Outside),
    ("validators", Shape::Outside),
    ("helmCharts", Shape::Outside),
    ("helmGlobals", Shape::Outside),
    ("helmChartInflationGenerator", Shape::Outside),
    ("metadata.name", Shape::Text),
    ("metadata.namespace", Shape::Text),
    ("metadata.labels", Shape::Pairs),
];

/// As what a kustomization is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that is built; it may be of either kind.
    Top,
    Resource,
    Component,
}

/// A kustomization that was read and whose fields are sound as far as they are nobody else's.
pub(super) struct Kustomization {
    pub node: Node,
    pub origin: Origin,
    /// Its directory as messages name it.
    pub directory: PathBuf,
    /// The same, links resolved.
    pub root: PathBuf,
}

/// Whether a file is a kustomization by its name.
pub(in crate::site::document) fn is_named(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// The kustomization of a directory, if it has one; several are an error, as in kustomize.
pub(in crate::site::document) fn find(directory: &Path) -> Result<Option<PathBuf>, String> {
    let mut found =
        NAMES.map(|name| directory.join(name)).into_iter().filter(|path| path.symlink_metadata().is_ok());
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err("has more than one kustomization file in it".into()),
        (first, _) => Ok(first),
    }
}

impl Kustomization {
    /// Reads a kustomization file; what is wrong is noted.
    pub fn load(file: &Path, role: Role, build: &mut Build<'_>) -> Option<Self> {
        let directory = file.parent().unwrap_or(Path::new("."));
        let unreadable = |build: &mut Build<'_>, path: &Path, message: String| {
            build.reading.faults.push(files::fault(&files::name(path), message).coded("unreadable-file"));
        };
        let root = match (directory.canonicalize(), files::kind(file)) {
            (Ok(root), Ok(files::Kind::File)) => root,
            (Err(error), _) => {
                unreadable(build, directory, format!("cannot be read: {error}"));
                return None;
            }
            (_, Ok(files::Kind::Directory)) => {
                unreadable(build, file, "is a directory".into());
                return None;
            }
            (_, Err(message)) => {
                unreadable(build, file, message);
                return None;
            }
        };
        let before = build.reading.faults.len();
        let bytes = files::read(file, build.reading);
        build.code_faults(before, "unreadable-file");
        let origin = Origin::new(&files::name(file), None).numbered(next_number(&build.sources));
        build.sources.push(origin.clone());
        let node = parsed(&origin, &bytes?, build)?;
        let mut this = Self { node, origin, directory: directory.to_owned(), root };
        this.bring_up_to_date();
        this.check(role, build);
        (build.reading.faults.len() == before).then_some(this)
    }

    /// Older spellings become today's (`FixKustomization`), and keys get the case that the fields have
    /// in kustomize, whose decoder does not mind it.
    fn bring_up_to_date(&mut self) {
        for entry in self.node.entries_mut().into_iter().flatten() {
            let known = FIELDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&entry.key));
            if let Some((name, _)) = known {
                entry.key = (*name).to_owned();
            }
        }
        for (old, new) in [("bases", "resources"), ("imageTags", "images")] {
            let is_list = |key: &str| self.node.get(key).is_none_or(|node| node.items().is_some());
            if is_list(old) && is_list(new) {
                let Some(mut more) = self.node.take_items(old) else { continue };
                let mark = more.first().map_or(self.node.mark, |first| first.mark);
                self.node.remove(old);
                if self.node.get(new).is_none() {
                    self.node.set(new, Node::sequence(Vec::new(), mark));
                }
                let items = self.node.get_mut(new).and_then(Node::items_mut);
                items.into_iter().for_each(|items| items.append(&mut more));
            }
        }
    }

    /// Notes what kustomize refuses at once: unknown fields, values of the wrong kind, and versions.
    fn check(&self, role: Role, build: &mut Build<'_>) {
        let mut says_something = false;
        for entry in self.node.entries() {
            says_something |= !matches!(entry.key.as_str(), "apiVersion" | "kind") && !entry.value.is_null();
            self.check_field("", entry, build);
        }
        if !says_something {
            let message = "the kustomization is empty; it lists no `resources` and has no other field";
            build.note(self.origin.fault(self.node.mark, message).coded("empty-kustomization"));
        }
        self.check_kind(role, build);
    }

    fn check_field(&self, within: &str, entry: &Entry, build: &mut Build<'_>) {
        let name = format!("{within}{}", entry.key);
        // annotations are checked as labels are
        let looked_for = if name == "metadata.annotations" { "metadata.labels" } else { &name };
        let Some((_, shape)) = FIELDS.iter().find(|(known, _)| *known == looked_for) else {
            let within = if within.is_empty() { "a kustomization" } else { "`metadata`" };
            let message = format!("{} is no field of {within}", yaml::key_name(&entry.key));
            build.note(self.origin.fault(entry.key_mark, message).coded("unknown-field"));
            return;
        };
        if entry.value.is_null() || is_empty_list(&entry.value) {
            return;
        }
        if *shape == Shape::Outside {
            build.reading.hint = Some(RENDER_OUTSIDE);
            let message = format!("`{name}` is not supported in a kustomization");
            build.note(self.origin.fault(entry.key_mark, message).coded("unsupported-field"));
            return;
        }
        for fault in self.misfits(&name, *shape, &entry.value) {
            build.note(fault);
        }
        if name == "metadata" {
            entry.value.entries().iter().for_each(|entry| self.check_field("metadata.", entry, build));
        }
    }

    /// What is not of the kind that a field holds.
    fn misfits(&self, name: &str, shape: Shape, node: &Node) -> Vec<Fault> {
        let fault = |node: &Node, name: String, expected: &str| {
            let advice =
                if expected == "a string" && node.text().is_some() { "; put it in quotes" } else { "" };
            let message = format!("`{name}`: expected {expected}, found {}{advice}", node.kind_name());
            self.origin.fault(node.mark, message).coded("wrong-type")
        };
        match (shape, node.items()) {
            (Shape::Text, _) if node.string().is_none() => vec![fault(node, name.to_owned(), "a string")],
            (Shape::Mapping | Shape::Pairs, _) if !node.is_mapping() => {
                vec![fault(node, name.to_owned(), "a mapping")]
            }
            (Shape::Texts | Shape::Mappings, None) => vec![fault(node, name.to_owned(), "a list")],
            (Shape::Mappings, Some(items)) => {
                let wrong = items.iter().filter(|item| !item.is_mapping());
                wrong.map(|item| fault(item, name.to_owned(), "a list of mappings")).collect()
            }
            (Shape::Pairs, _) => {
                let wrong = node.entries().iter().filter(|entry| entry.value.string().is_none());
                let wrong = wrong.filter(|entry| !entry.value.is_null());
                wrong
                    .map(|e| fault(&e.value, format!("{name}.{}", e.key.escape_debug()), "a string"))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Each kind has its one version, and is listed where it belongs.
    fn check_kind(&self, role: Role, build: &mut Build<'_>) {
        let kind = self.node.get("kind");
        let text = kind.and_then(Node::string).filter(|kind| !kind.is_empty()).unwrap_or("Kustomization");
        let place = kind.map_or(self.node.mark, |node| node.mark);
        let mut refuse = |mark: Mark, code: &'static str, message: &str| {
            build.note(self.origin.fault(mark, message).coded(code));
        };
        let version = match (text, role) {
            ("Component", Role::Resource) => {
                return refuse(place, "wrong-kind", "`kind`: is a Component, listed under `resources`");
            }
            ("Component", _) => COMPONENT_VERSION,
            ("Kustomization", Role::Component) => {
                return refuse(
                    place,
                    "wrong-kind",
                    "`kind`: expected Component, as listed under `components`",
                );
            }
            ("Kustomization", _) => KUSTOMIZATION_VERSION,
            _ => return refuse(place, "wrong-kind", "`kind`: expected Kustomization or Component"),
        };
        let found = self.node.get("apiVersion").filter(|node| node.string().is_some_and(|v| !v.is_empty()));
        if let Some(node) = found.filter(|node| node.string() != Some(version)) {
            refuse(node.mark, "wrong-version", &format!("`apiVersion`: expected {version} for a {text}"));
        }
    }

    /// The items of a list of strings.
    pub fn list(&self, field: &str) -> &[Node] {
        self.node.get(field).and_then(Node::items).unwrap_or_default()
    }
}

fn is_empty_list(node: &Node) -> bool {
    node.items().is_some_and(<[Node]>::is_empty) || (node.is_mapping() && node.entries().is_empty())
}

/// The only document of a kustomization, a mapping.
fn parsed(origin: &Origin, bytes: &[u8], build: &mut Build<'_>) -> Option<Node> {
    let before = build.reading.faults.len();
    let parsed = yaml::parse(origin, bytes, &mut build.reading.budget, &mut build.reading.faults);
    build.code_faults(before, "bad-yaml");
    let mut nodes = parsed.into_iter().map(|(_, node)| node);
    let first = nodes.next();
    if let Some(second) = nodes.next() {
        let message = "a second document; expected one only";
        build.note(origin.fault(second.mark, message).coded("second-document"));
    }
    match first {
        Some(node) if node.is_mapping() => Some(node),
        Some(node) => {
            let message = format!("expected a mapping, found {}", node.kind_name());
            build.note(origin.fault(node.mark, message).coded("wrong-type"));
            None
        }
        None if build.reading.faults.len() == before => {
            build.note(origin.fault(Mark::new(1, 1), "the file is empty").coded("empty-kustomization"));
            None
        }
        None => None,
    }
}
