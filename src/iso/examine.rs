//! All that is read of an image, once, for whoever judges it.

use std::io;

use super::boot::{self, Boot};
use super::cloud::{self, Seed};
use super::finding::{Finding, Findings, Severity};
use super::image::Image;
use super::volume::{self, Volume};
use crate::error::{Error, ErrorKind};

/// That nothing starts from it; [`boot::read`] says so of an image that has a boot record.
const NO_BOOT_ENTRY: &str = "no-boot-entry";

/// The image as it was understood.
#[derive(Clone, Debug)]
pub struct Examined {
    /// `None` where it is no ISO 9660 image, or its descriptors cannot be read.
    pub volume: Option<Volume>,
    pub boot: Boot,
    pub seeds: Vec<Seed>,
    pub findings: Findings,
}

/// Reads volume, boot records and seeds; `None` if it is no image at all: neither ISO 9660 nor a disk.
pub fn examine(image: &Image) -> io::Result<Option<Examined>> {
    if image.iso9660()?.is_none() && image.partitions()?.is_none() {
        return Ok(None);
    }
    let mut findings = Findings::default();
    let volume = volume::read(image, &mut findings)?;
    let boot = boot::read(image, volume.as_ref(), &mut findings)?;
    let seeds = volume.as_ref().map_or(Ok(Vec::new()), |volume| cloud::find(image, volume))?;
    let mut examined = Examined { volume, boot, seeds, findings };
    examined.judge_boot();
    examined.judge_seeds();
    Ok(Some(examined))
}

/// The error of a command for a file that is no image.
pub fn no_image() -> Error {
    Error::new(ErrorKind::Output, "it is neither an ISO 9660 nor a disk image")
}

impl Examined {
    fn judge_boot(&mut self) {
        let is_told = self.findings.list().iter().any(|finding| finding.code == NO_BOOT_ENTRY);
        if !self.boot.entries.is_empty() || is_told {
            return;
        }
        match self.volume {
            Some(_) => self.findings.error(
                NO_BOOT_ENTRY,
                None,
                "no firmware can start it: there is neither an El Torito boot record nor a boot sector nor an EFI system partition",
            ),
            // boards with firmware of their own start from disks that have neither
            None => self.findings.warning(
                "disk-without-boot-entry",
                None,
                "neither boot code nor an EFI system partition was found: PCs do not start from it",
            ),
        }
    }

    fn judge_seeds(&mut self) {
        let Some(volume) = &self.volume else { return };
        for seed in &self.seeds {
            if let Some(role) = seed.missing() {
                let message = format!(
                    "the {} seed in {:?} has no {role}: cloud-init will not take it",
                    seed.source, seed.directory
                );
                self.findings.warning("seed-incomplete", None, message);
            }
            if seed.directory == "/" && !seed.source.is_label(&volume.about.label) {
                let message = format!(
                    "a {} seed is in the root of a volume with the label {:?}, by which cloud-init does not know it",
                    seed.source, volume.about.label
                );
                self.findings.warning("seed-label", None, message);
            }
        }
    }

    /// The findings with which the image is not good.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.list().iter().filter(|finding| finding.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::image::Extent;
    use crate::iso::volume::{Entry, Kind};

    fn judged(volume: Option<Volume>) -> Vec<String> {
        let image = Image::new(tempfile::tempfile().unwrap()).unwrap();
        let seeds = volume.as_ref().map_or_else(Vec::new, |volume| cloud::find(&image, volume).unwrap());
        let (boot, findings) = (Boot::default(), Findings::default());
        let mut examined = Examined { volume, boot, seeds, findings };
        examined.judge_boot();
        examined.judge_seeds();
        examined
            .findings
            .list()
            .iter()
            .map(|it| format!("{:?} {} [{}]", it.severity, it.message, it.code))
            .collect()
    }

    fn volume(label: &str, paths: &[&str]) -> Volume {
        let mut volume = Volume::named(label);
        for (path, kind) in paths.iter().map(|path| (*path, Kind::File)).chain([("/", Kind::Directory)]) {
            let entry = Entry { extents: vec![Extent { offset: 0, length: 0 }], ..Entry::of(kind) };
            volume.tree.entries.insert(path.to_owned(), entry);
        }
        volume
    }

    const NOTHING: &str = "Error no firmware can start it: there is neither an El Torito boot record nor a boot sector \
                           nor an EFI system partition [no-boot-entry]";

    #[test]
    fn what_nothing_starts_is_an_error_of_an_iso_and_a_warning_of_a_disk() {
        assert_eq!(judged(Some(volume("X", &[]))), [NOTHING]);
        let disk = "Warning neither boot code nor an EFI system partition was found: PCs do not start from it \
                    [disk-without-boot-entry]";
        assert_eq!(judged(None), [disk]);
    }

    #[test]
    fn seeds_that_cloud_init_will_not_take_are_told() {
        let half = "Warning the NoCloud seed in \"/\" has no meta-data: cloud-init will not take it [seed-incomplete]";
        assert_eq!(judged(Some(volume("cidata", &["/user-data"]))), [NOTHING, half]);
        let label = "Warning a NoCloud seed is in the root of a volume with the label \"X\", by which cloud-init does \
                     not know it [seed-label]";
        assert_eq!(judged(Some(volume("X", &["/user-data", "/meta-data"]))), [NOTHING, label]);
        assert_eq!(judged(Some(volume("CIDATA", &["/user-data", "/meta-data"]))), [NOTHING]);
    }
}
