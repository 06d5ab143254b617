//! What the builder of a failed run wrote, as far as it can be told from what is the user's own.
//! It carries the run's secrets, so it is removed with them.

use std::path::{Path, PathBuf};

use super::directory::{Directory, is_directory, is_regular};
use super::journal::Journal;
use super::reject::REJECTED;
use super::stage::MARKER;
use super::{beside, metadata, outputs};

/// How names end that a builder, or a tool it runs, gives to what is not complete.
const UNFINISHED: &[&str] = &[".new", ".tmp", ".temp", ".part", ".partial"];

/// The files of this run, relative to the volume; of an older one none, even if it has the name.
pub(super) fn written(volume: &Directory, aside: &Directory, journal: &Journal) -> Vec<PathBuf> {
    // the image before the metadata: without that nobody would find it again
    let image = image(volume, aside, journal);
    let names = journal.outputs.names().map(PathBuf::from).filter(|name| !journal.older.contains(name));
    // a directory in an output's place is left: no run could be finished that tried to remove it as a file
    let names =
        names.filter(|name| !volume.stat(name).is_ok_and(|found| found.as_ref().is_some_and(is_directory)));
    image.into_iter().chain(temporaries(volume, journal)).chain(names).collect()
}

/// The image of this run, if its metadata is there already and points to one that nobody had before.
fn image(volume: &Directory, aside: &Directory, journal: &Journal) -> Option<PathBuf> {
    let path = Path::new(&journal.outputs.metadata);
    let older = journal.older.iter().position(|older| older == path);
    if let Some(number) = older {
        // still the older metadata, or that again: it names an image that is not ours
        aside.stat(Path::new(&number.to_string())).ok()??;
    }
    let metadata = metadata::read(volume, path).ok()?;
    let image = outputs::relative(&journal.host, &metadata.boot_image_path).ok()?;
    let stat = volume.stat(&image).ok()??;
    let marker = aside.stat(Path::new(MARKER)).ok()?;
    let ours = is_regular(&stat) && journal.is_fresh(&image, &stat, marker.as_ref());
    let input = journal.inputs.iter().any(|input| Path::new(input) == image);
    (ours && !input && !journal.older.contains(&image)).then_some(image)
}

/// New files at the top of the volume with the name of an output that is not complete. Others are
/// only spoken of: they could be the user's, if this recovery comes long after the run.
fn temporaries(volume: &Directory, journal: &Journal) -> Vec<PathBuf> {
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    let listed = volume.names(|name| {
        let path = PathBuf::from(name);
        let Some(name) = path.to_str().filter(|name| !is_known(name, journal)) else { return Ok(true) };
        if volume.stat(&path)?.is_some_and(|stat| is_regular(&stat) && journal.is_new(&stat)) {
            if is_temporary(name, journal) { ours.push(path) } else { others.push(name.to_owned()) }
        }
        Ok(true)
    });
    if let Err(error) = listed {
        tracing::debug!("looking for files of the builder: {error}");
    }
    if !others.is_empty() {
        let host = journal.host.display();
        tracing::warn!("left in volume {host} by the builder, perhaps with secrets: {}", others.join(" "));
    }
    ours
}

fn is_known(name: &str, journal: &Journal) -> bool {
    // what was rejected has been spoken of
    name.ends_with(REJECTED)
        || journal.inputs.iter().any(|input| input == name)
        || journal.outputs.names().any(|output| output == name)
}

/// `.site.iso.new`, `.site.iso.Xy12`, `site.iso.part`, and `site.iso.files`, which is of use with its image only,
/// but not `other.iso`.
fn is_temporary(name: &str, journal: &Journal) -> bool {
    let of_output =
        [".iso", ".img"].into_iter().chain(journal.outputs.names()).any(|stem| name.contains(stem));
    let mut endings = UNFINISHED.iter().chain(beside::SUFFIXES);
    of_output && (name.starts_with('.') || endings.any(|suffix| name.ends_with(suffix)))
}
