//! What a kustomization names: files within its own directory, and documents in them or in itself.

use std::path::{Path, PathBuf};

use super::Layer;
use crate::error::Fault;
use crate::site::document::files;
use crate::site::yaml::{self, Mark, Node, Origin, Style, Value};

/// Why a path is not read: a code and what is said of it.
pub(super) type Refusal = (&'static str, String);

impl Layer<'_> {
    /// Reads the file that a scalar of the kustomization names: its bytes, and where they are from. What
    /// is wrong is noted at the scalar.
    pub(super) fn file(&mut self, node: &Node) -> Option<(Vec<u8>, Origin)> {
        let path = self.resolved(node)?;
        let before = self.reading.faults.len();
        let bytes = files::read(&path, self.reading);
        self.code_faults(before, "unreadable-file");
        let bytes = bytes?;
        Some((bytes, Origin::new(&files::name(&path), None)))
    }

    /// The documents of the file that a scalar names or, if it names none, of the text that it is. Each
    /// is numbered; empty ones are left out. What is wrong is noted.
    pub(super) fn documents(&mut self, node: &Node) -> Option<Vec<(Origin, Node)>> {
        match node.text() {
            Some(text) if self.is_inline(text) => self.inline(node),
            _ => {
                let (bytes, origin) = self.file(node)?;
                self.parse(origin.file(), &bytes)
            }
        }
    }

    /// Whether a text is YAML itself: what has several lines or looks like a mapping or list is no path,
    /// unless there is such a file.
    fn is_inline(&self, text: &str) -> bool {
        let looks_like_yaml = text.contains('\n') || text.contains(": ") || text.starts_with(['{', '[', '-']);
        looks_like_yaml && (text.contains('\n') || !self.directory.join(text).exists())
    }

    /// The documents of a file's bytes, each numbered.
    pub(super) fn parse(&mut self, file: &str, bytes: &[u8]) -> Option<Vec<(Origin, Node)>> {
        let before = self.reading.faults.len();
        let origin = Origin::new(file, Some(1)).numbered(next_number(self.sources));
        let parsed = yaml::parse(&origin, bytes, &mut self.reading.budget, &mut self.reading.faults);
        self.code_faults(before, "bad-yaml");
        let mut documents = Vec::with_capacity(parsed.len());
        for (document, mut node) in parsed {
            let number = next_number(self.sources);
            if number != origin.number() {
                renumber(&mut node, number);
            }
            let origin = origin.document(document).numbered(number);
            self.sources.push(origin.clone());
            documents.push((origin, node));
        }
        (self.reading.faults.len() == before).then_some(documents)
    }

    /// The documents within a scalar of the kustomization, at their places in its file where that can be
    /// told, else all at the scalar.
    pub(super) fn inline(&mut self, node: &Node) -> Option<Vec<(Origin, Node)>> {
        let text = node.text()?;
        let place = Place { scalar: node.mark, is_literal: is_literal(node) };
        let mut faults = Vec::new();
        let parsed = yaml::parse(self.origin, text.as_bytes(), &mut self.reading.budget, &mut faults);
        let is_sound = faults.is_empty();
        self.reading.faults.extend(faults.into_iter().map(|fault| place.of_fault(fault).coded("bad-yaml")));
        let origin = self.origin_of(node.mark);
        let placed = parsed.into_iter().map(|(_, mut node)| {
            place.shift(&mut node);
            (origin.clone(), node)
        });
        is_sound.then(|| placed.collect())
    }

    /// The path of a file that the load restrictor lets pass; what is wrong is noted.
    fn resolved(&mut self, node: &Node) -> Option<PathBuf> {
        let found = named_path(node).and_then(|text| self.permitted(text));
        found.map_err(|(code, message)| self.error(code, node, message)).ok()
    }

    /// A file has to be at or below the kustomization that lists it, links resolved: kustomize's
    /// default load restrictor, which keeps foreign bases from reading other files of this host.
    pub(super) fn permitted(&self, text: &str) -> Result<PathBuf, Refusal> {
        let path = self.directory.join(text);
        let real = path.canonicalize().map_err(|error| unreadable(text, &path, &error))?;
        if Path::new(text).is_absolute() && !real.starts_with(self.root) {
            return Err(absolute());
        }
        let refused = |message: &str| ("unreadable-file", format!("`{text}` {message}"));
        match files::kind(&real).map_err(|message| refused(&message))? {
            files::Kind::Directory => Err(refused("is a directory; expected a file")),
            files::Kind::File if real.starts_with(self.root) => Ok(path),
            files::Kind::File => Err(outside(text)),
        }
    }
}

/// The text of a scalar that can be a path.
pub(super) fn named_path(node: &Node) -> Result<&str, Refusal> {
    let text = node.string().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ("bad-path", format!("expected a path, found {}", described(node))))?;
    match text.chars().any(char::is_control) {
        true => Err(("bad-path", "a path with control characters in it".into())),
        false => Ok(text),
    }
}

fn described(node: &Node) -> &'static str {
    match node.string() {
        Some(_) => "an empty string",
        None => node.kind_name(),
    }
}

/// A file that cannot be had; what looks like an address is told apart.
pub(super) fn unreadable(text: &str, path: &Path, error: &std::io::Error) -> Refusal {
    match is_remote(text) && path.symlink_metadata().is_err() {
        true => ("remote-resource", "is a remote resource, which is not fetched".into()),
        false => ("unreadable-file", format!("`{text}` cannot be read: {error}")),
    }
}

/// A path that only holds on this machine.
pub(super) fn absolute() -> Refusal {
    let message = "is an absolute path; kustomizations name their resources relative to themselves";
    ("absolute-path", message.into())
}

fn outside(text: &str) -> Refusal {
    ("outside-kustomization", format!("`{text}` is a file outside the directory of its kustomization"))
}

/// Whether a path looks like what kustomize would fetch. Only asked if no such file exists.
pub(super) fn is_remote(text: &str) -> bool {
    ["://", "git::", "git@", "?ref=", "github.com/", "gitlab.com/", "bitbucket.org/"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// The number of the next document of a build. Far fewer are read than a u32 counts.
pub(super) fn next_number(sources: &[Origin]) -> u32 {
    u32::try_from(sources.len()).unwrap_or(u32::MAX)
}

/// Gives all marks of a tree another source.
fn renumber(node: &mut Node, number: u32) {
    change_marks(node, &|mark| mark.source = number);
}

/// Applies `change` to every mark of a tree.
fn change_marks(node: &mut Node, change: &dyn Fn(&mut Mark)) {
    change(&mut node.mark);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| change_marks(item, change)),
        Value::Mapping(entries) => entries.iter_mut().for_each(|entry| {
            change(&mut entry.key_mark);
            change_marks(&mut entry.value, change);
        }),
    }
}

fn is_literal(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.style == Style::Literal)
}

/// Where a text within a document begins.
struct Place {
    scalar: Mark,
    is_literal: bool,
}

impl Place {
    /// The place in the file of a place in the text. Only the lines of a literal block are lines of the
    /// file; quoted and folded texts have lost theirs.
    fn of(&self, line: u32, column: u32) -> Mark {
        match self.is_literal && line > 0 {
            true => Mark {
                line: self.scalar.line.saturating_add(line - 1),
                column: self.scalar.column.saturating_add(column.saturating_sub(1)),
                source: self.scalar.source,
            },
            false => self.scalar,
        }
    }

    fn shift(&self, node: &mut Node) {
        change_marks(node, &|mark| *mark = self.of(mark.line, mark.column));
    }

    fn of_fault(&self, mut fault: Fault) -> Fault {
        if let Some(at) = &mut fault.at {
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let mark = self.of(number(at.line), number(at.column));
            (at.line, at.column) = (mark.line as usize, mark.column as usize);
        }
        fault
    }
}
