//! The site's documents: where they are read from, and how one is chosen among them.

mod files;
mod kustomize;
pub mod label_selector;
mod manifest;
pub mod selector;
mod write;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Fault, Result};
use crate::site::yaml::Budget;

pub use label_selector::LabelSelector;
pub use manifest::Document;
pub use selector::Selector;
pub use write::{to_json, to_yaml};

/// Where the documents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A stream of documents on standard input.
    Stdin,
    /// A file, a directory of YAML files, or a directory with a kustomization.
    Path(PathBuf),
}

/// All documents of a site, each with the place it came from.
#[derive(Debug, Default)]
pub struct DocumentSet {
    documents: Vec<Document>,
}

impl DocumentSet {
    /// Reads everything. Fails with [`ErrorKind::Documents`] and all faults at once.
    pub fn read(source: &Source) -> Result<Self> {
        match source {
            Source::Stdin => Self::from_reader("-", std::io::stdin().lock()),
            Source::Path(path) => Self::from_path(path),
        }
    }

    /// Reads one stream of documents; `file` is its name for messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        Self::from_reader(file, bytes)
    }

    /// Reads one stream of documents to its end; `file` is its name for messages.
    pub fn from_reader(file: &str, reader: impl Read) -> Result<Self> {
        let mut reading = Reading::default();
        if let Some(bytes) = files::contents(file, reader, &mut reading) {
            reading.stream(file, &bytes);
        }
        reading.finish(file)
    }

    fn from_path(path: &Path) -> Result<Self> {
        let mut reading = Reading::default();
        match files::kind(path) {
            Err(message) => reading.fault(path, message),
            Ok(files::Kind::File) => reading.single_file(path),
            Ok(files::Kind::Directory) => reading.directory(path),
        }
        reading.finish(&files::name(path))
    }

    /// All of them, in the order in which they were read.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The documents that a selector matches, in the order in which they were read.
    pub fn select<'a, 's>(
        &'a self,
        selector: &'s Selector,
    ) -> impl Iterator<Item = &'a Document> + use<'a, 's> {
        self.documents.iter().filter(|document| selector.matches(document))
    }
}

/// An input on its way in: what was read, what was wrong, and what may still be read.
#[derive(Default)]
struct Reading {
    documents: Vec<Document>,
    faults: Vec<Fault>,
    budget: Budget,
    /// Files opened so far.
    files: usize,
    /// The way out, where a fault has one.
    hint: Option<&'static str>,
    emptiness: Emptiness,
}

/// Whether an input may hold no document.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Emptiness {
    #[default]
    Refused,
    /// Kustomize renders a kustomization of nothing, too.
    Accepted,
}

impl Reading {
    /// A fault of a whole file.
    fn fault(&mut self, path: &Path, message: impl Into<String>) {
        self.faults.push(files::fault(&files::name(path), message));
    }

    /// Adds the documents of a stream.
    fn stream(&mut self, file: &str, bytes: &[u8]) {
        let documents = manifest::parse(file, bytes, &mut self.budget, &mut self.faults);
        self.documents.extend(documents);
    }

    /// Adds the documents of a file that is known to be a regular one.
    fn file(&mut self, path: &Path) {
        let name = files::name(path);
        if let Some(bytes) = files::read(path, self) {
            self.stream(&name, &bytes);
        }
    }

    /// The file that the user named.
    fn single_file(&mut self, path: &Path) {
        if kustomize::is_named(path) {
            self.fault(path, "is a kustomization; name the directory it is in");
            return;
        }
        self.file(path);
    }

    /// A directory is what its kustomization says, or all of its YAML files.
    fn directory(&mut self, path: &Path) {
        match kustomize::find(path) {
            Ok(Some(file)) => kustomize::build(&file, self),
            Ok(None) => self.plain_directory(path),
            Err(message) => self.fault(path, message),
        }
    }

    /// Every `*.yaml` and `*.yml` in the directory itself, in the order of their names.
    fn plain_directory(&mut self, path: &Path) {
        match files::yaml_files(path) {
            Err(message) => self.fault(path, message),
            Ok(files) if files.is_empty() => self.fault(
                path,
                "has neither a kustomization nor *.yaml files in it (subdirectories are not searched)",
            ),
            Ok(files) => files.iter().for_each(|file| match files::kind(file) {
                Ok(files::Kind::File) => self.file(file),
                Ok(files::Kind::Directory) => {}
                Err(message) => self.fault(file, message),
            }),
        }
    }

    /// The documents, if there are any and nothing was wrong.
    fn finish(mut self, input: &str) -> Result<DocumentSet> {
        let is_refused = self.emptiness == Emptiness::Refused;
        if self.documents.is_empty() && self.faults.is_empty() && is_refused {
            self.faults.push(files::fault(input, "holds no document"));
        }
        if self.faults.is_empty() {
            return Ok(DocumentSet { documents: self.documents });
        }
        let error = Error::faults(ErrorKind::Documents, "reading the documents", self.faults);
        Err(match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }
}

#[cfg(test)]
mod tests;
