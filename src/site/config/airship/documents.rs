//! Where the documents of the current context are, in the layout that its manifest is of.

use std::path::{Path, PathBuf};

use super::metadata::Metadata;
use super::{Manifest, Repository, Selected, Shape, words};
use crate::error::{Error, Result};

const DOING: &str = "finding the documents";

/// The working copy with the phases, and what its metadata says.
pub(super) struct Tree {
    pub root: PathBuf,
    /// Nothing where there is no such file.
    pub metadata: Metadata,
    /// Where the metadata was looked for in vain.
    pub tried: Vec<String>,
}

impl<'a> Selected<'a> {
    /// The directory with the documents of the ephemeral node; it is there. Fails with
    /// [`crate::error::ErrorKind::Usage`] and everything that was tried.
    pub fn documents(&self) -> Result<PathBuf> {
        let manifest = self.manifest()?;
        let target = self.target(manifest)?;
        let (mut candidates, mut tried) = (Vec::new(), Vec::new());
        if manifest.shape == Shape::Phase {
            let tree = self.tree(manifest, &target)?;
            let prefix = tree.metadata.prefix.as_deref().unwrap_or_default();
            candidates.push(below(&tree.root, prefix).join("ephemeral/bootstrap"));
            tried = tree.tried;
        }
        let sub_path = manifest.sub_path.as_ref().map(|written| written.text.as_str());
        if manifest.shape != Shape::Phase || sub_path.is_some() {
            let ephemeral = below(&target, sub_path.unwrap_or_default()).join("ephemeral");
            candidates.push(ephemeral.join("bootstrap"));
            candidates.extend((manifest.shape == Shape::Dashed).then_some(ephemeral));
        }
        match candidates.iter().find(|path| path.is_dir()) {
            Some(found) => Ok(found.clone()),
            None => Err(self.no_documents(manifest, &candidates, tried)),
        }
    }

    fn no_documents(&self, manifest: &Manifest, candidates: &[PathBuf], mut tried: Vec<String>) -> Error {
        tried.extend(candidates.iter().map(|path| not_had(path, "a directory")));
        let name = &manifest.name;
        let message =
            format!("manifest {:?} leads to no directory; tried {}", name.text, words::joined(&tried));
        self.config
            .refusal(DOING, "no-document-root", Some(name.mark), message)
            .hint("name the documents on the command line, or check `targetPath` and `subPath`")
    }

    /// `targetPath`, below which everything is.
    pub(super) fn target(&self, manifest: &Manifest) -> Result<PathBuf> {
        let target = manifest.target_path.as_ref().ok_or_else(|| {
            let message = format!("manifest {:?} has no `targetPath`", manifest.name.text);
            self.config.refusal(DOING, "no-target-path", Some(manifest.name.mark), message)
        })?;
        Ok(self.config.resolve(&target.text))
    }

    /// The working copy of the phase repository.
    pub(super) fn tree(&self, manifest: &Manifest, target: &Path) -> Result<Tree> {
        let root = target.join(self.directory_of(self.repository(manifest)?)?);
        let mut tree = Tree { root, metadata: Metadata::default(), tried: Vec::new() };
        let Some(written) = &manifest.metadata_path else { return Ok(tree) };
        // early releases counted it from the target path
        let candidates = [below(&tree.root, &written.text), below(target, &written.text)];
        match candidates.iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(found) => tree.metadata = Metadata::load(found)?,
            None => tree.tried = candidates.iter().map(|path| not_had(path, "a file")).collect(),
        }
        Ok(tree)
    }

    /// The repository that the manifest names, or else its only one.
    fn repository(&self, manifest: &'a Manifest) -> Result<&'a Repository> {
        let all = &manifest.repositories;
        let names = || all.iter().map(|repository| repository.name.text.as_str());
        let refuse = |code, mark, message| Err(self.config.refusal(DOING, code, Some(mark), message));
        match (&manifest.repository, all.as_slice()) {
            (Some(wanted), _) => match all.iter().find(|it| it.name.text == wanted.text) {
                Some(found) => Ok(found),
                None => {
                    let there = words::there_are(names());
                    let message = format!("there is no repository {:?}; {there}", wanted.text);
                    refuse("unknown-repository", wanted.mark, message)
                }
            },
            (None, [only]) => Ok(only),
            (None, _) => {
                let name = &manifest.name;
                let message = format!(
                    "manifest {:?} does not say with `phaseRepositoryName` which repository has its phases; {}",
                    name.text,
                    words::there_are(names())
                );
                refuse("no-repository", name.mark, message)
            }
        }
    }

    fn directory_of<'r>(&self, repository: &'r Repository) -> Result<&'r str> {
        repository.directory.as_deref().ok_or_else(|| {
            let written = &repository.name;
            let message = format!("repository {:?} has no `url` that names its directory", written.text);
            self.config.refusal(DOING, "no-repository-url", Some(written.mark), message)
        })
    }
}

/// A path within a tree. One that begins with `/` is within it too: it always was put behind.
pub(super) fn below(tree: &Path, path: &str) -> PathBuf {
    match path.trim_start_matches('/') {
        "" => tree.to_owned(),
        path => tree.join(path),
    }
}

/// Why a path is none of those that are wanted.
pub(super) fn not_had(path: &Path, wanted: &str) -> String {
    let why = match path.metadata() {
        Ok(_) => format!("not {wanted}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "not there".into(),
        Err(error) => error.to_string(),
    };
    format!("{} ({why})", path.display())
}
