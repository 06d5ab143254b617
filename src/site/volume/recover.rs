//! Finishes a run in its volume from the journal: undone if its outputs are not known to be good,
//! tidied up if they are. Every step can be repeated, so it may be killed anywhere itself.

use std::io;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::directory::Directory;
use super::journal::{Journal, State, is_aside};
use super::{InputsAfter, access, half};
use crate::error::{Doing, Error, ErrorKind, Fault, Result};

/// Removes the inputs from the volume, unless they are to be kept: right after the builder ended,
/// however it ended. May be repeated.
///
/// Errors: [`ErrorKind::Usage`] with one fault for each input that is still there.
pub fn remove_inputs(run_dir: &Path) -> Result<()> {
    let Some(journal) = unfinished(run_dir)? else { return Ok(()) };
    let doing = || format!("removing inputs from volume {}", journal.host.display());
    let volume = volume_of(&journal).map_err(|error| error.context(doing()))?;
    // locked till the end, so that no other process meanwhile declares the run over
    let aside = locked_aside(&volume, &journal).map_err(|error| error.context(doing()))?;
    let Some(_aside) = aside else {
        return Ok(()); // the run is over: what has these names now is another one's
    };
    let mut steps = Steps::default();
    steps.remove_inputs(&volume, &journal);
    steps.result(doing)
}

/// Finishes what a run left in its volume, from the journal in `run_dir` alone. Inputs go (unless
/// kept); if the run was not committed, its half outputs go and older ones come back; if it was,
/// those set aside go. Nothing to do without a journal. May be repeated, and by another process.
///
/// Errors: [`ErrorKind::Usage`], with every step that failed; a volume that has vanished or been
/// replaced by another directory is left alone.
pub fn recover(run_dir: &Path) -> Result<()> {
    let Some(mut journal) = unfinished(run_dir)? else { return Ok(()) };
    let volume = volume_of(&journal);
    volume.and_then(|volume| finish(&volume, &journal)).map_err(|error| {
        error.context(format!("recovering volume {} from run {}", journal.host.display(), run_dir.display()))
    })?;
    journal.state = State::Closed;
    journal.save()
}

/// Whether [`recover`] still has something to do for this run, or cannot tell.
pub fn is_unfinished(run_dir: &Path) -> bool {
    !matches!(unfinished(run_dir), Ok(None))
}

fn unfinished(run_dir: &Path) -> Result<Option<Journal>> {
    Ok(Journal::load(run_dir)?.filter(|journal| journal.state != State::Closed))
}

/// The volume with which the run began, known by the run's directory in it or, where that is
/// gone, by device and inode.
fn volume_of(journal: &Journal) -> Result<Directory> {
    let hint = "if that volume is gone for good, remove the run directory";
    let volume = Directory::open(&journal.host).doing(ErrorKind::Usage, || "opening it".into());
    let volume = volume.map_err(|error| error.hint(hint))?;
    let doing = || "looking at it".to_owned();
    // a random name: nothing else has it, while device numbers may change when the host restarts
    let has_aside = volume.stat(Path::new(&journal.aside)).doing(ErrorKind::Usage, doing)?.is_some();
    match has_aside || journal.is_volume(&volume).doing(ErrorKind::Usage, doing)? {
        true => Ok(volume),
        false => Err(Error::new(ErrorKind::Usage, "another directory has taken its place").hint(hint)),
    }
}

/// The run's directory in the volume, locked against others that recover the same run; `None` if
/// the run is over.
fn locked_aside(volume: &Directory, journal: &Journal) -> Result<Option<Directory>> {
    let doing = || format!("opening {}", journal.aside);
    let path = Path::new(&journal.aside);
    let Some(aside) = volume.child(path).doing(ErrorKind::Usage, doing)? else { return Ok(None) };
    if let Err(error) = aside.lock(FlockOperation::LockExclusive) {
        tracing::debug!("locking {}: {error}", journal.aside);
    }
    // whoever had the lock before may have finished
    let still = volume.stat(path).doing(ErrorKind::Usage, doing)?.is_some();
    Ok(still.then_some(aside))
}

/// Finishes the run of `journal` in `volume`.
pub(super) fn finish(volume: &Directory, journal: &Journal) -> Result<()> {
    let Some(aside) = locked_aside(volume, journal)? else { return Ok(()) };
    let mut steps = Steps::default();
    steps.remove_inputs(volume, journal);
    if journal.state == State::Staged {
        steps.remove_half_outputs(volume, &aside, journal);
        steps.put_back(volume, &aside, journal);
    }
    if steps.0.is_empty() {
        // only now: as long as the directory is there the run counts as unfinished
        steps.note("removing directory", Path::new(&journal.aside), discard(volume, &aside, &journal.aside));
    }
    steps.result(|| "finishing it".into())
}

/// The faults of steps of which each is tried whatever became of the others.
#[derive(Default)]
struct Steps(Vec<Fault>);

impl Steps {
    fn note(&mut self, doing: &str, path: &Path, result: io::Result<()>) {
        if let Err(error) = result {
            self.0.push(Fault::new(None, format!("{doing} {}: {error}", path.display())));
        }
    }

    fn result(self, doing: impl FnOnce() -> String) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Error::faults(ErrorKind::Usage, doing(), self.0)
                .hint("remove or restore the named files by hand; inputs carry secrets")),
        }
    }

    fn remove_inputs(&mut self, volume: &Directory, journal: &Journal) {
        if journal.inputs_after == InputsAfter::Keep {
            return;
        }
        for name in &journal.inputs {
            self.note("removing input", Path::new(name), volume.remove(Path::new(name)));
        }
        self.note("syncing", &journal.host, volume.sync());
    }

    fn remove_half_outputs(&mut self, volume: &Directory, aside: &Directory, journal: &Journal) {
        for path in half::written(volume, aside, journal) {
            self.note("removing half-written", &path, volume.remove(&path));
        }
    }

    /// Older outputs replace what has their names. Metadata, always the first, comes back last:
    /// until then it is this run's and tells which image is.
    fn put_back(&mut self, volume: &Directory, aside: &Directory, journal: &Journal) {
        for (number, path) in journal.older.iter().enumerate().rev() {
            let name = number.to_string();
            let result = match aside.rename(Path::new(&name), volume, path) {
                // not yet set aside, or put back before
                Err(error) if error.kind() == io::ErrorKind::NotFound => match aside.stat(Path::new(&name)) {
                    Ok(None) => Ok(()),
                    _ => Err(error),
                },
                result => result,
            };
            self.note("putting back", path, result);
        }
        self.note("syncing", &journal.host, aside.sync().and_then(|()| volume.sync()));
    }
}

/// Removes the run's directory and all files in it, the journal among them.
fn discard(volume: &Directory, aside: &Directory, name: &str) -> io::Result<()> {
    let mut names = Vec::new();
    aside.names(|name| {
        names.push(name);
        Ok(true)
    })?;
    names.iter().try_for_each(|name| aside.remove(Path::new(name)))?;
    volume.remove_directory(Path::new(name))?;
    volume.sync()
}

/// Finishes every run that died in this volume. Only for who holds the lock: then no run lives.
pub(super) fn leftovers(host: &Path, volume: &Directory) -> Result<()> {
    let doing = || format!("looking into volume {}", host.display());
    let mut found = Vec::new();
    let listed = volume.names(|name| {
        found.extend(name.into_string().ok().filter(|name| is_aside(name)));
        Ok(true)
    });
    listed.doing(ErrorKind::Usage, doing)?;
    found.iter().try_for_each(|name| {
        let hint = format!(
            "look what is in {}, put back by hand what is needed and remove it",
            host.join(name).display()
        );
        leftover(host, volume, name).map_err(|error| {
            error
                .hint(hint)
                .of_kind(ErrorKind::Usage)
                .context(access::failed(host, "finishing a killed run").to_string())
        })
    })
}

fn leftover(host: &Path, volume: &Directory, name: &str) -> Result<()> {
    let doing = || format!("opening {name}");
    let Some(aside) = volume.child(Path::new(name)).doing(ErrorKind::Usage, doing)? else { return Ok(()) };
    let Some(copy) = Journal::load_copy(&aside)?.filter(|copy| copy.aside == name) else {
        // it died before it changed anything
        return discard(volume, &aside, name).doing(ErrorKind::Usage, || format!("removing {name}"));
    };
    tracing::info!("finishing in volume {} what a killed run left", host.display());
    // its own journal knows more, if this user can read it
    let own = Journal::load(&copy.run).ok().flatten().filter(|own| own.aside == name);
    let mut journal = own.unwrap_or(copy);
    journal.host = host.to_owned();
    finish(volume, &journal)
}
