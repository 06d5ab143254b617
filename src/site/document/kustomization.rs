//! Kustomizations that only list `resources`; everything else is rendered outside.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Document, Reading, files};
use crate::site::yaml::{self, Fields, MAX_DEPTH, Mark, Node, Origin};

/// The file names that kustomize knows.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const KNOWN: [&str; 4] = ["apiVersion", "kind", "metadata", "resources"];
const HINT: &str = "render outside and pipe: kustomize build DIRECTORY | airshipctl bootstrap isogen -";

/// Whether a file is a kustomization by its name.
pub(super) fn is_named(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// The kustomization of a directory, if it has one; several are an error, as in kustomize.
pub(super) fn find(directory: &Path) -> Result<Option<PathBuf>, String> {
    let mut found =
        NAMES.map(|name| directory.join(name)).into_iter().filter(|path| path.symlink_metadata().is_ok());
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err("has more than one kustomization file in it".into()),
        (first, _) => Ok(first),
    }
}

/// Adds what the kustomization `file` lists.
pub(super) fn build(file: &Path, reading: &mut Reading) {
    let mut visit = Visit { reading, stack: Vec::new() };
    visit.kustomization(file);
}

struct Visit<'a> {
    reading: &'a mut Reading,
    /// Real paths of the directories from the first kustomization to the current one.
    stack: Vec<PathBuf>,
}

impl Visit<'_> {
    /// Adds the resources of one kustomization, those of its bases among them.
    fn kustomization(&mut self, file: &Path) {
        let directory = file.parent().unwrap_or(Path::new("."));
        let root = match (directory.canonicalize(), files::kind(file)) {
            (Ok(root), Ok(files::Kind::File)) => root,
            (Err(error), _) => return self.reading.fault(directory, format!("cannot be read: {error}")),
            (_, Ok(files::Kind::Directory)) => return self.reading.fault(file, "is a directory"),
            (_, Err(message)) => return self.reading.fault(file, message),
        };
        let Some(bytes) = files::read(file, self.reading) else { return };
        let origin = Origin::new(&files::name(file), None);
        let Some(node) = self.parsed(&origin, &bytes) else { return };
        self.stack.push(root);
        let first = self.reading.documents.len();
        for resource in self.listed(&node, &origin) {
            self.resource(directory, resource, &origin);
        }
        refuse_duplicates(self.reading, first);
        self.stack.pop();
    }

    /// The only document of a kustomization.
    fn parsed(&mut self, origin: &Origin, bytes: &[u8]) -> Option<Node> {
        let before = self.reading.faults.len();
        let parsed = yaml::parse(origin, bytes, &mut self.reading.budget, &mut self.reading.faults);
        let mut nodes = parsed.into_iter().map(|(_, node)| node);
        let first = nodes.next();
        if let Some(second) = nodes.next() {
            self.reading.faults.push(origin.fault(second.mark, "a second document; expected one only"));
        }
        if first.is_none() && self.reading.faults.len() == before {
            self.reading.faults.push(origin.fault(Mark::new(1, 1), "the file is empty"));
        }
        first
    }

    /// The resources; a fault for everything that is there besides.
    fn listed<'n>(&mut self, node: &'n Node, origin: &'n Origin) -> Vec<&'n Node> {
        let faults = &mut self.reading.faults;
        let Some(fields) = Fields::of_root(node, origin, faults) else { return Vec::new() };
        if let Some(kind) = fields.get("kind").filter(|kind| kind.string() != Some("Kustomization")) {
            faults.push(fields.fault(kind, "`kind`: expected Kustomization"));
        }
        for entry in node.entries().iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
            let message = format!("{} is not supported in a kustomization", yaml::key_name(&entry.key));
            faults.push(origin.fault(entry.key_mark, message));
            self.reading.hint = Some(HINT);
        }
        match fields.required("resources", faults).map(|node| (node, node.items())) {
            Some((node, None)) => {
                faults.push(
                    fields.fault(node, format!("`resources`: expected a list, found {}", node.kind_name())),
                );
                Vec::new()
            }
            Some((_, Some(items))) => items.iter().collect(),
            None => Vec::new(),
        }
    }

    /// Adds one resource, or a fault where it is listed.
    fn resource(&mut self, directory: &Path, node: &Node, origin: &Origin) {
        if let Err(message) = self.add(directory, node) {
            self.reading.faults.push(origin.fault(node.mark, message));
        }
    }

    /// Tells files from directories, and both from what is refused.
    fn add(&mut self, directory: &Path, node: &Node) -> Result<(), String> {
        let text = node.string().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| format!("expected a path, found {}", node.kind_name()))?;
        if text.chars().any(char::is_control) {
            return Err("a path with control characters in it".into());
        }
        let path = directory.join(text);
        if is_remote(text) && path.symlink_metadata().is_err() {
            self.reading.hint = Some(HINT);
            return Err("is a remote resource, which is not fetched".into());
        }
        if Path::new(text).is_absolute() {
            return Err(
                "is an absolute path; kustomizations name their resources relative to themselves".into()
            );
        }
        let real = path.canonicalize().map_err(|error| format!("`{text}` cannot be read: {error}"))?;
        match files::kind(&real).map_err(|message| format!("`{text}` {message}"))? {
            files::Kind::File => self.file(text, &path, &real),
            files::Kind::Directory => self.directory(text, &path, &real),
        }
    }

    /// A file has to be at or below the kustomization that lists it, links resolved: kustomize's
    /// default load restrictor, which keeps foreign bases from reading other files of this host.
    fn file(&mut self, text: &str, path: &Path, real: &Path) -> Result<(), String> {
        if self.stack.last().is_some_and(|root| !real.starts_with(root)) {
            return Err(format!("`{text}` is a file outside the directory of its kustomization"));
        }
        self.reading.file(path);
        Ok(())
    }

    /// A directory may be beside its kustomization, but not around it.
    fn directory(&mut self, text: &str, path: &Path, real: &Path) -> Result<(), String> {
        if self.stack.iter().any(|visited| visited.starts_with(real)) {
            return Err(format!("`{text}` leads back to a kustomization that is being read"));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(format!("`{text}` is nested deeper than {MAX_DEPTH} kustomizations"));
        }
        let found = find(real).map_err(|message| format!("`{text}` {message}"))?;
        let found = found.ok_or_else(|| format!("`{text}` is a directory without a kustomization"))?;
        // the path as the user knows it, not the resolved one
        let name = found.file_name().unwrap_or_default();
        self.kustomization(&path.join(name));
        Ok(())
    }
}

/// Whether a path looks like what kustomize would clone. Only asked if no such file exists.
fn is_remote(text: &str) -> bool {
    ["://", "git::", "git@", "?ref=", "github.com/", "gitlab.com/", "bitbucket.org/"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// What kustomize calls the id of a resource.
fn id(document: &Document) -> (&str, &str, &str, Option<&str>) {
    (document.api_version(), document.kind(), document.effective_namespace(), document.name())
}

/// Adds a fault for each document from `first` on whose id an earlier one has.
fn refuse_duplicates(reading: &mut Reading, first: usize) {
    let mut seen = HashMap::new();
    let mut keep = vec![true; first];
    let mut faults = Vec::new();
    for document in &reading.documents[first..] {
        let earlier = *seen.entry(id(document)).or_insert(document);
        let is_first = std::ptr::eq(earlier, document) || document.name().is_none();
        keep.push(is_first);
        if !is_first {
            let message = format!("{document} is listed before, at {}", earlier.position());
            faults.push(document.fault(document.node(), message));
        }
    }
    // dropped, so that the kustomization above does not report them again
    let mut keep = keep.into_iter();
    reading.documents.retain(|_| keep.next().unwrap_or(true));
    reading.faults.extend(faults);
}
