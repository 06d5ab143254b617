//! Reads the cases; README.md beside this file describes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What rendering a case has to come to.
#[derive(Debug)]
pub enum Expected {
    Rendered(String),
    Refused(String),
}

/// How the text of a file in a case becomes the file.
pub enum Content {
    Bytes(Vec<u8>),
    Link(String),
}

/// Files, and what is expected of rendering the directory of the first of them.
pub struct Case {
    pub feature: String,
    pub name: String,
    pub files: Vec<(PathBuf, Content)>,
    pub expected: Expected,
}

impl Case {
    pub fn is_rendered(&self) -> bool {
        matches!(self.expected, Expected::Rendered(_))
    }

    /// Makes the files below `root`; the directory to render.
    pub fn write(&self, root: &Path) -> PathBuf {
        for (name, content) in &self.files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content {
                Content::Bytes(bytes) => fs::write(&path, at_root(bytes, root)).unwrap(),
                Content::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            }
        }
        root.join(self.files[0].0.parent().unwrap())
    }
}

/// The bytes with the real directory in place of `@ROOT@`.
fn at_root(bytes: &[u8], root: &Path) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("@ROOT@") => text.replace("@ROOT@", root.to_str().unwrap()).into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// All cases of all features.
pub fn all() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize");
    let mut paths: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt") && !path.ends_with("shared.txt"));
    paths.sort();
    let shared = fs::read_to_string(directory.join("shared.txt")).unwrap();
    let shared = sections(&shared, "-- ").into_iter().collect();
    paths.iter().flat_map(|path| feature(path, &shared)).collect()
}

/// The cases of one file; what stands before the first is for readers.
fn feature(path: &Path, shared: &HashMap<&str, &str>) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let feature = path.file_stem().unwrap().to_str().unwrap();
    sections(&text, "== ").into_iter().map(|(name, body)| case(feature, name, body, shared)).collect()
}

fn case(feature: &str, name: &str, body: &str, shared: &HashMap<&str, &str>) -> Case {
    let (files, expected) = body.split_once("\n=> ").unwrap_or_else(|| panic!("{feature}: {name}: no =>"));
    let files = format!("{files}\n");
    let files =
        sections(&files, "-- ").into_iter().map(|(header, text)| file(header, text, shared)).collect();
    let expected = match (expected.strip_prefix("rendered\n"), expected.strip_prefix("refused: ")) {
        (Some(text), _) => Expected::Rendered(text.to_owned()),
        (_, Some(reason)) => Expected::Refused(reason.trim_end().to_owned()),
        _ => panic!("{feature}: {name}: neither rendered nor refused"),
    };
    Case { feature: feature.to_owned(), name: name.to_owned(), files, expected }
}

fn file(header: &str, text: &str, shared: &HashMap<&str, &str>) -> (PathBuf, Content) {
    let (name, how) = header.split_once(" (").unwrap_or((header, ""));
    let content = match how.trim_end_matches(')').split_once(' ').unwrap_or((how.trim_end_matches(')'), "")) {
        ("", _) => Content::Bytes(text.as_bytes().to_vec()),
        ("no", "newline") => Content::Bytes(text.trim_end_matches('\n').as_bytes().to_vec()),
        ("base64", _) => Content::Bytes(STANDARD.decode(text.trim_end()).unwrap()),
        ("like", other) => Content::Bytes(shared[other].as_bytes().to_vec()),
        ("link", target) => Content::Link(target.to_owned()),
        _ => panic!("{header}: what is `{how}`?"),
    };
    (PathBuf::from(name), content)
}

/// What follows each line that begins with `mark`, by the rest of that line.
fn sections<'t>(text: &'t str, mark: &str) -> Vec<(&'t str, &'t str)> {
    let mut found: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(mark) {
            found.push((rest.trim_end_matches('\n'), at, at + line.len()));
        }
        at += line.len();
    }
    let ends: Vec<_> = found.iter().skip(1).map(|(_, start, _)| *start).chain([text.len()]).collect();
    found.iter().zip(ends).map(|((name, _, from), to)| (*name, &text[*from..to])).collect()
}
