//! Older outputs aside, inputs in. The plan is complete and durable before the first change.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::directory::{Directory, is_directory, is_regular};
use super::journal::{Journal, State, is_plain};
use super::{Staging, Volume, beside, metadata, outputs};
use crate::error::{Doing, Error, ErrorKind, Result};

/// A file made after the set-aside ones were moved: what changed before it is older than the run.
pub(super) const MARKER: &str = "marker";

/// What will be done, after all that can be refused has been refused.
pub(super) fn plan(volume: &Volume, run_dir: &Path, staging: &Staging) -> Result<Journal> {
    if Journal::load(run_dir)?.is_some_and(|journal| journal.state != State::Closed) {
        return Err(Error::new(ErrorKind::Internal, "this run has written its inputs before"));
    }
    check_names(staging)?;
    refuse_directories(&volume.directory, staging)?;
    let mut journal = Journal::new(run_dir, &volume.host, &volume.directory, &staging.outputs)
        .doing(ErrorKind::Usage, || "looking at what is there".into())?;
    journal.inputs = staging.inputs.iter().map(|input| input.name.clone()).collect();
    journal.inputs_after = staging.inputs_after;
    journal.older = older(volume, staging).doing(ErrorKind::Usage, || "looking for older outputs".into())?;
    Ok(journal)
}

/// Does it.
pub(super) fn carry_out(volume: &Volume, journal: &Journal, staging: &Staging) -> Result<()> {
    journal.save()?;
    let aside = begin(&volume.directory, journal)?;
    set_aside(&volume.directory, &aside, journal)?;
    for input in &staging.inputs {
        volume
            .directory
            .create(&input.name, &input.bytes)
            .doing(ErrorKind::Usage, || format!("writing {}", input.name))?;
    }
    Ok(())
}

/// The configuration promises these; a name that reaches out of the volume must not get past here.
fn check_names(staging: &Staging) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names(staging) {
        if !is_plain(name) {
            return Err(Error::new(ErrorKind::Usage, format!("{name:?} is not a plain file name")));
        }
        if !seen.insert(name) {
            let message = format!("two files of the builder have the name {name}");
            return Err(
                Error::new(ErrorKind::Usage, message).hint("give each its own name in the configuration")
            );
        }
    }
    Ok(())
}

fn refuse_directories(volume: &Directory, staging: &Staging) -> Result<()> {
    for name in names(staging) {
        let stat = volume.stat(Path::new(name)).doing(ErrorKind::Usage, || format!("looking at {name}"))?;
        if stat.as_ref().is_some_and(is_directory) {
            return Err(Error::new(ErrorKind::Usage, format!("{name} is a directory")).hint(
                "move the directory away, or give the builder's file another name in the configuration",
            ));
        }
    }
    Ok(())
}

fn names(staging: &Staging) -> impl Iterator<Item = &str> {
    staging.inputs.iter().map(|input| input.name.as_str()).chain(staging.outputs.names())
}

/// The outputs of earlier runs that are there: those with our names, and the image to which the
/// older metadata points.
fn older(volume: &Volume, staging: &Staging) -> std::io::Result<Vec<PathBuf>> {
    let mut older = Vec::new();
    for name in staging.outputs.names().map(Path::new) {
        if volume.directory.stat(name)?.is_some() {
            older.push(name.to_owned());
        }
    }
    let image = older_image(volume, staging);
    older.extend(image.filter(|image| !older.contains(image)));
    let metadata = Path::new(&staging.outputs.metadata);
    let images = older.iter().filter(|older| *older != metadata);
    let beside: Vec<PathBuf> = images.flat_map(|image| beside::of(image)).collect();
    for path in beside {
        if is_movable(volume, staging, &path)? && !older.contains(&path) {
            older.push(path);
        }
    }
    Ok(older)
}

/// The image to which the older metadata points, if it can be moved. Whatever is wrong with the
/// metadata of an earlier run is no concern of this one.
fn older_image(volume: &Volume, staging: &Staging) -> Option<PathBuf> {
    let metadata = metadata::read(&volume.directory, Path::new(&staging.outputs.metadata)).ok()?;
    let image = outputs::relative(&volume.host, &metadata.boot_image_path).ok()?;
    is_movable(volume, staging, &image).ok()?.then_some(image)
}

/// Whether `path` is there, a file, and can be set aside.
fn is_movable(volume: &Volume, staging: &Staging, path: &Path) -> std::io::Result<bool> {
    let is_input = staging.inputs.iter().any(|input| Path::new(&input.name) == path);
    let Some(stat) = volume.directory.stat(path)? else { return Ok(false) };
    // rename(2) does not cross into another file system; freshness still tells such an image apart
    let same_device = volume.directory.own_stat()?.st_dev == stat.st_dev;
    Ok(is_regular(&stat) && same_device && !is_input)
}

/// Makes the run's directory in the volume, with the copy of the journal, durably.
fn begin(volume: &Directory, journal: &Journal) -> Result<Directory> {
    let doing = || format!("making directory {}", journal.aside);
    let aside = volume.make(Path::new(&journal.aside)).doing(ErrorKind::Usage, doing)?;
    journal.save_copy(&aside)?;
    volume.sync().doing(ErrorKind::Usage, doing)?;
    Ok(aside)
}

fn set_aside(volume: &Directory, aside: &Directory, journal: &Journal) -> Result<()> {
    for (number, older) in journal.older.iter().enumerate() {
        let name = number.to_string();
        volume
            .rename(older, aside, Path::new(&name))
            .doing(ErrorKind::Usage, || format!("setting aside older {}", older.display()))?;
    }
    let doing = || "setting aside older outputs".to_owned();
    aside.create(MARKER, b"").doing(ErrorKind::Usage, doing)?;
    if journal.older.is_empty() {
        return Ok(());
    }
    // before a builder writes under the old names
    aside.sync().and_then(|()| volume.sync()).doing(ErrorKind::Usage, doing)
}
