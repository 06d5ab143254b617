//! The airshipctl config: the sites that somebody works on, and which of them is current.
//!
//! ```text
//!  file ─► normal (older spellings) ─► AirshipConfig ─► select (context ─► manifest) ─┬─► documents
//!                                                                                     └─► isogen (cluster, entry, phase bundle)
//! ```
//! Three shapes are in the wild; [`normal`] brings them to one. Reading never writes; only
//! [`AirshipConfig::use_context`] does.

mod bootstrap;
mod documents;
mod isogen;
mod locate;
mod metadata;
mod normal;
mod read;
mod replace;
mod select;
mod switch;
mod view;
mod words;

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Fault, Position, Result};
use crate::site::config::IsoConfiguration;
use crate::site::yaml::{Mark, Node, Origin};

pub use select::Selected;
pub use switch::Switched;

/// Which airshipctl config, and what of it.
#[derive(Clone, Debug, Default)]
pub struct AirshipOptions {
    /// Instead of `$AIRSHIPCONFIG` and `$HOME/.airship/config`.
    pub file: Option<PathBuf>,
    /// Instead of the file's `currentContext`.
    pub context: Option<String>,
}

/// An airshipctl config in which everything that is read has the right form; what it refers to may
/// still not be there.
#[derive(Debug)]
pub struct AirshipConfig {
    path: PathBuf,
    origin: Origin,
    home: Option<PathBuf>,
    /// The whole file, in today's spelling.
    root: Node,
    current_context: Option<Written>,
    contexts: Vec<Context>,
    manifests: Vec<Manifest>,
    clusters: Vec<Cluster>,
    bootstrap: Vec<Bootstrap>,
}

/// A word of the file and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    text: String,
    mark: Mark,
}

/// `contexts.<name>`.
#[derive(Debug)]
struct Context {
    name: Written,
    manifest: Option<Written>,
    /// The context's name in the kubeconfig.
    kubeconf: Option<Written>,
}

/// `manifests.<name>`: where a site's documents are.
#[derive(Debug)]
struct Manifest {
    name: Written,
    shape: Shape,
    target_path: Option<Written>,
    sub_path: Option<Written>,
    repositories: Vec<Repository>,
    /// `phaseRepositoryName`, or before there was that, `primaryRepositoryName`.
    repository: Option<Written>,
    metadata_path: Option<Written>,
}

/// What a manifest's keys say about the layout of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `target-path`, `sub-path`: the first sites had no directory `bootstrap`.
    Dashed,
    /// `targetPath`, `subPath`.
    Camel,
    /// `phaseRepositoryName`, `metadataPath`.
    Phase,
}

/// `manifests.<name>.repositories.<name>`.
#[derive(Debug)]
struct Repository {
    name: Written,
    /// What git calls the working copy of its `url`. The rest of the URL may hold a password.
    directory: Option<String>,
}

/// `clusters.<name>`, of which only the ephemeral one matters here.
#[derive(Debug)]
struct Cluster {
    name: Written,
    /// `clusterType.ephemeral.bootstrapInfo`.
    bootstrap: Option<Written>,
}

/// `bootstrapInfo.<name>`.
#[derive(Debug)]
struct Bootstrap {
    name: Written,
    /// `isogenConfigPath`.
    path: Option<Written>,
    node: Node,
}

/// A context as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub name: &'a str,
    pub manifest: Option<&'a str>,
    pub is_current: bool,
}

impl AirshipConfig {
    /// Reads the file that the options, `$AIRSHIPCONFIG` or `$HOME` name. Fails with
    /// [`ErrorKind::Usage`], and all faults at once; where there is no file, with what was tried, and
    /// with `otherwise` as the hint.
    pub fn load(options: &AirshipOptions, otherwise: &str) -> Result<Self> {
        locate::Surroundings::of_process().load(options.file.as_deref(), otherwise)
    }

    /// As [`AirshipConfig::load`]; `None` where nobody named a file and there is none in `$HOME`.
    pub fn find(options: &AirshipOptions) -> Result<Option<Self>> {
        locate::Surroundings::of_process().find(options.file.as_deref())
    }

    /// Checks the config in `bytes`. Paths in it begin where the file `path` is; `home` stands for `~`.
    pub fn parse(path: &Path, home: Option<&Path>, bytes: &[u8]) -> Result<Self> {
        read::parse(path, home, bytes)
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the current context, whether there is such a context or not.
    pub fn current_context(&self) -> Result<&str> {
        self.current().map(|written| written.text.as_str())
    }

    /// All contexts, in the order of the file.
    pub fn contexts(&self) -> impl Iterator<Item = Listed<'_>> {
        let current = self.current_context.as_ref().map(|written| written.text.as_str());
        self.contexts.iter().map(move |context| Listed {
            name: &context.name.text,
            manifest: context.manifest.as_ref().map(|written| written.text.as_str()),
            is_current: current == Some(context.name.text.as_str()),
        })
    }

    /// An error of one fault at a place of the file; without a mark, of the file as a whole.
    fn refusal(&self, doing: &str, code: &'static str, mark: Option<Mark>, message: String) -> Error {
        let at = mark.map_or_else(|| of_file(self.origin.file()), |mark| self.origin.at(mark));
        Error::faults(ErrorKind::Usage, doing, vec![Fault::new(at, message).coded(code)])
    }

    /// A path of the file, as a path of this process.
    fn resolve(&self, text: &str) -> PathBuf {
        let beside = self.path.parent();
        super::isogen::Places { beside, home: self.home.as_deref() }.resolve(text)
    }
}

/// The isogen configuration that the options lead to; `None` where there is no airshipctl config at all.
pub fn isogen(options: &AirshipOptions) -> Result<Option<IsoConfiguration>> {
    let Some(config) = AirshipConfig::find(options)? else { return Ok(None) };
    config.select(options.context.as_deref())?.isogen().map(Some)
}

/// The place of something about a whole file.
fn of_file(file: &str) -> Position {
    Position { file: file.to_owned(), document: None, line: 0, column: 0 }
}

#[cfg(test)]
mod tests;
