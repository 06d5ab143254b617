//! The isogen configuration of the current context: a file that it names, its own section, or a
//! document among the phases.

use super::documents::{below, not_had};
use super::{Bootstrap, Selected, Shape, words};
use crate::error::{Error, Fault, Position, Result};
use crate::site::config::{IsoConfiguration, isogen};
use crate::site::document::{Document, DocumentSet, Source};

pub(super) const DOING: &str = "finding the isogen configuration";
/// What the document among the phases is called.
const NAME: &str = "isogen";

impl Selected<'_> {
    /// Finds, reads and checks it. Fails with [`crate::error::ErrorKind::Usage`] and everything that
    /// was tried, or with what is wrong in the configuration; for a phase bundle that cannot be read
    /// with [`crate::error::ErrorKind::Documents`].
    pub fn isogen(&self) -> Result<IsoConfiguration> {
        let mut hop = self.hop()?;
        let found = match hop.entry {
            Some(entry) => self.of_entry(entry, &mut hop.tried, &mut hop.warnings)?,
            None => None,
        };
        let mut configuration = match found {
            Some(configuration) => configuration,
            None => self.of_phases(&mut hop.tried)?.ok_or_else(|| self.nothing(&hop.tried))?,
        };
        configuration.warnings.splice(0..0, hop.warnings);
        Ok(configuration)
    }

    /// `None` for an entry that is as empty as `airshipctl config init` once made it.
    fn of_entry(
        &self,
        entry: &Bootstrap,
        tried: &mut Vec<String>,
        warnings: &mut Vec<Fault>,
    ) -> Result<Option<IsoConfiguration>> {
        let has_section = ["container", "builder"].iter().any(|key| entry.node.get(key).is_some());
        let Some(path) = &entry.path else {
            if !has_section {
                tried.push(format!(
                    "`bootstrapInfo` {:?} (has neither `isogenConfigPath` nor `container` and `builder`)",
                    entry.name.text
                ));
                return Ok(None);
            }
            return self.inline(entry).map(Some);
        };
        if has_section {
            let message = "`container` and `builder` beside `isogenConfigPath` are ignored";
            warnings.push(self.config.origin.fault(path.mark, message).coded("isogen-config-twice"));
        }
        let named_at = || format!("{DOING}: {}", self.config.origin.at(path.mark));
        IsoConfiguration::load(&self.config.resolve(&path.text))
            .map(Some)
            .map_err(|error| error.context(named_at()))
    }

    fn inline(&self, entry: &Bootstrap) -> Result<IsoConfiguration> {
        isogen::of_node(&entry.node, &self.config.origin, self.config.home.as_deref())
            .map_err(|error| error.context(format!("`bootstrapInfo` {:?}", entry.name.text)))
    }

    /// The document called `isogen` in the phase bundle.
    fn of_phases(&self, tried: &mut Vec<String>) -> Result<Option<IsoConfiguration>> {
        if self.context.manifest.is_none() {
            tried.push("the phases (the context names no `manifest`)".into());
            return Ok(None);
        }
        let manifest = self.manifest()?;
        if manifest.shape != Shape::Phase {
            let name = &manifest.name.text;
            tried.push(format!("manifest {name:?} (has neither `phaseRepositoryName` nor `metadataPath`)"));
            return Ok(None);
        }
        let tree = self.tree(manifest, &self.target(manifest)?)?;
        tried.extend(tree.tried);
        let Some(path) = &tree.metadata.phase_path else {
            tried.push(format!("the phases of manifest {:?} (no metadata names them)", manifest.name.text));
            return Ok(None);
        };
        let directory = below(&tree.root, path);
        if !directory.is_dir() {
            tried.push(not_had(&directory, "a directory"));
            return Ok(None);
        }
        let documents = DocumentSet::read(&Source::Path(directory.clone()))
            .map_err(|error| error.context(format!("{DOING} in the phases")))?;
        let is_meant =
            |document: &&Document| isogen::KINDS.contains(&document.kind()) && document.name() == Some(NAME);
        let found: Vec<_> = documents.documents().iter().filter(is_meant).collect();
        match found[..] {
            [] => {
                let kinds = isogen::KINDS.join(" or ");
                tried.push(format!("{} (has no {kinds} {NAME:?})", directory.display()));
                Ok(None)
            }
            [only] => isogen::of_node(only.node(), only.origin(), self.config.home.as_deref()).map(Some),
            [first, second, ..] => Err(self.several(&first.position(), second)),
        }
    }

    fn several(&self, first: &Position, second: &Document) -> Error {
        let message = format!("{second} is a second isogen configuration; the first is at {first}");
        let fault = Fault::new(second.position(), message).coded("several-isogen-configurations");
        Error::faults(crate::error::ErrorKind::Usage, DOING, vec![fault])
    }

    fn nothing(&self, tried: &[String]) -> Error {
        let name = &self.context.name;
        let message = format!("context {:?} leads to none; tried {}", name.text, words::joined(tried));
        self.config.refusal(DOING, "no-isogen-configuration", Some(name.mark), message).hint(
            "give it with --conf FILE, or name it with `isogenConfigPath` in an entry of `bootstrapInfo`",
        )
    }
}
