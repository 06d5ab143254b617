//! The journal of what a run does to its volume: written durably before the first change, read by
//! whoever finishes the run. It holds names, never content.
//!
//! A copy lies in the directory that the run makes in the volume. As long as that directory is
//! there the run is unfinished; once it is gone nothing more may be done in the name of the run.

use std::path::{Component, Path, PathBuf};

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

use super::directory::{Directory, is_regular, random};
use super::{InputsAfter, OutputNames};
use crate::error::{Doing, Error, ErrorKind, Result};

/// Name of the journal in the run directory.
const NAME: &str = "volume.json";
/// Name of its copy in the run's directory in the volume.
const COPY: &str = "journal.json";
/// How the directories begin that runs make in a volume; 16 hexadecimal digits follow.
const PREFIX: &str = ".airshipctl-";
/// A journal is far smaller; a larger one is not ours.
const LIMIT: u64 = 4 << 20;
/// So many files of the volume are remembered one by one.
const REMEMBERED: usize = 4096;

/// How far the run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Its outputs are not known to be good: undo.
    Staged,
    /// Its outputs are good: tidy up.
    Committed,
    /// Nothing is left to do.
    Closed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    pub state: State,
    /// The run directory that has the journal of which the volume holds a copy.
    pub run: PathBuf,
    pub host: PathBuf,
    device: u64,
    inode: u64,
    /// Name of the directory in the volume into which older outputs are set aside.
    pub aside: String,
    pub inputs: Vec<String>,
    pub inputs_after: InputsAfter,
    pub outputs: OutputNames,
    /// What is set aside, relative to the volume; the n-th under the name `n`.
    pub older: Vec<PathBuf>,
    /// The files at the top of the volume before the run; `None` if there were too many.
    before: Option<Vec<Seen>>,
}

/// A file as it was: a changed one has another inode or another ctime, which nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen(u64, i64, u64);

impl Seen {
    pub fn new(stat: &Stat) -> Self {
        Self(stat.st_ino, stat.st_ctime, stat.st_ctime_nsec)
    }

    /// Whether this one changed before `other` did.
    fn is_before(&self, other: &Self) -> bool {
        (self.1, self.2) < (other.1, other.2)
    }
}

impl Journal {
    /// The journal of a run that has done nothing yet.
    pub fn new(run: &Path, host: &Path, volume: &Directory, outputs: &OutputNames) -> std::io::Result<Self> {
        let own = volume.own_stat()?;
        Ok(Self {
            version: 1,
            state: State::Staged,
            run: std::path::absolute(run)?,
            host: host.to_owned(),
            device: own.st_dev,
            inode: own.st_ino,
            aside: format!("{PREFIX}{:016x}", random()),
            inputs: Vec::new(),
            inputs_after: InputsAfter::Remove,
            outputs: outputs.clone(),
            older: Vec::new(),
            before: remember(volume)?,
        })
    }

    /// The journal in a run directory; `None` if the run never came to its volume.
    pub fn load(run: &Path) -> Result<Option<Self>> {
        let path = run.join(NAME);
        let doing = || format!("reading journal {}", path.display());
        match Directory::open(run) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            directory => Self::read(&directory.doing(ErrorKind::Internal, doing)?, NAME)
                .map_err(|e| e.context(doing())),
        }
    }

    /// The copy in a run's directory in a volume; `None` if the run died before it wrote one.
    pub fn load_copy(aside: &Directory) -> Result<Option<Self>> {
        Self::read(aside, COPY).map_err(|error| error.context(format!("reading journal {COPY}")))
    }

    fn read(directory: &Directory, name: &str) -> Result<Option<Self>> {
        let bytes =
            directory.read(Path::new(name), LIMIT).doing(ErrorKind::Internal, || "opening it".into())?;
        let Some(bytes) = bytes else { return Ok(None) };
        let journal: Self =
            serde_json::from_slice(&bytes).doing(ErrorKind::Internal, || "parsing it".into())?;
        match journal.is_sane() {
            true => Ok(Some(journal)),
            false => Err(Error::new(ErrorKind::Internal, "it is not of this version or not a journal")),
        }
    }

    /// The copy lies where a builder can write: no name in it may reach further than the volume.
    fn is_sane(&self) -> bool {
        let below = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
        self.version == 1
            && is_aside(&self.aside)
            && self.inputs.iter().all(|name| is_plain(name))
            && self.outputs.names().all(is_plain)
            && self.older.iter().all(below)
    }

    /// Writes the journal into its run directory, atomically and durably.
    pub fn save(&self) -> Result<()> {
        let doing = || format!("writing journal {}", self.run.join(NAME).display());
        let run = Directory::open(&self.run).doing(ErrorKind::Internal, doing)?;
        run.replace(NAME, &self.bytes()?).doing(ErrorKind::Internal, doing)
    }

    /// Writes the copy, atomically and durably.
    pub fn save_copy(&self, aside: &Directory) -> Result<()> {
        aside
            .replace(COPY, &self.bytes()?)
            .doing(ErrorKind::Usage, || format!("writing {}/{COPY}", self.aside))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).doing(ErrorKind::Usage, || "encoding journal".into())
    }

    /// Whether `volume` is the very directory that the run began with.
    pub fn is_volume(&self, volume: &Directory) -> std::io::Result<bool> {
        let own = volume.own_stat()?;
        Ok((own.st_dev, own.st_ino) == (self.device, self.inode))
    }

    /// Whether the file was surely not at the top of the volume before the run.
    pub fn is_new(&self, stat: &Stat) -> bool {
        self.before.as_ref().is_some_and(|before| before.iter().all(|seen| seen.0 != stat.st_ino))
    }

    /// Whether the file `path` of the volume was written after the run began; `marker` is a file
    /// that the run made then, on the same file system and so with the same clock.
    pub fn is_fresh(&self, path: &Path, stat: &Stat, marker: Option<&Stat>) -> bool {
        let now = Seen::new(stat);
        match &self.before {
            Some(before) if before.contains(&now) => false,
            // at the top everything was remembered: no need to trust a clock that may be set back
            Some(_) if path.components().count() == 1 => true,
            _ => marker.is_none_or(|marker| !now.is_before(&Seen::new(marker))),
        }
    }
}

/// The regular files at the top of the volume, unless they are too many.
fn remember(volume: &Directory) -> std::io::Result<Option<Vec<Seen>>> {
    let mut seen = Vec::new();
    volume.names(|name| {
        let stat = volume.stat(Path::new(&name))?;
        seen.extend(stat.filter(is_regular).as_ref().map(Seen::new));
        Ok(seen.len() <= REMEMBERED)
    })?;
    Ok((seen.len() <= REMEMBERED).then_some(seen))
}

/// Whether `name` is one that a run gives to its directory in a volume.
pub(super) fn is_aside(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether `name` can name a user's file at the top of a volume.
pub(super) fn is_plain(name: &str) -> bool {
    let reserved = name.is_empty() || name == "." || name == ".." || name.starts_with(PREFIX);
    !reserved && name.len() <= 255 && !name.contains(['/', '\0'])
}
