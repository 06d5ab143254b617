//! What the builder left, checked (contract, section 6): nothing it says is believed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use md5::Md5;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use super::directory::{Directory, is_regular, sync};
use super::journal::{Journal, is_aside};
use super::metadata::{self, Metadata};
use super::stage::MARKER;
use super::{Outputs, Volume};
use crate::error::{Doing, Error, ErrorKind, Result};

/// A file of holes costs its maker nothing, and whoever sums it up hours.
const LARGEST_IMAGE: u64 = 64 << 30;

/// Where the outputs are and what is known of the time before them.
pub(super) struct Place<'v> {
    pub volume: &'v Volume,
    pub journal: &'v Journal,
    pub aside: &'v Directory,
}

/// The outputs, if they are good.
pub(super) fn checked(place: &Place<'_>) -> Result<Outputs> {
    let host = &place.volume.host;
    let path = PathBuf::from(&place.journal.outputs.metadata);
    let mut file = metadata::open(&place.volume.directory, &path)?;
    place.check_file(&file, &path, "metadata")?;
    let metadata = metadata::parse(&mut file, &path)?;
    let image = place.image(&metadata)?;
    keep(&file, &host.join(&path))?;
    Ok(Outputs { image: host.join(image), metadata: host.join(path) })
}

impl Place<'_> {
    /// Checks the image and returns its path relative to the volume.
    fn image(&self, metadata: &Metadata) -> Result<PathBuf> {
        let named = &metadata.boot_image_path;
        let path = relative(&self.volume.host, named).map_err(|error| self.container_side(named, error))?;
        let other = self.journal.inputs.iter().any(|input| path == Path::new(input));
        if other || path == Path::new(&self.journal.outputs.metadata) {
            return Err(failed(format!("bootImagePath {named:?} is no image but another file of this run")));
        }
        let mut file = self.open(&path)?;
        let stat = self.check_file(&file, &path, "image")?;
        if stat.st_size == 0 {
            return Err(failed(format!("image {} is empty", path.display())));
        }
        if stat.st_size as u64 > LARGEST_IMAGE {
            let what =
                format!("image {} is {} bytes large, which no boot image is", path.display(), stat.st_size);
            return Err(failed(what).hint("see the builder's log"));
        }
        check_sums(&mut file, metadata)?;
        keep(&file, &self.volume.host.join(&path))?;
        Ok(path)
    }

    /// A usual mistake of builders deserves its own hint.
    fn container_side(&self, named: &str, error: Error) -> Error {
        match Path::new(named).starts_with(&self.volume.container) {
            true => error.hint(format!(
                "that is the path inside the container; the builder has to write the one on the host, below {}",
                self.volume.host.display()
            )),
            false => error,
        }
    }

    fn open(&self, path: &Path) -> Result<File> {
        let doing = || format!("opening image {}", path.display());
        let missing =
            || failed(format!("image {} of which the metadata speaks is not there", path.display()));
        let stat = match self.volume.directory.stat(path) {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(failed(format!("image {} is reached through a symbolic link", path.display())));
            }
            stat => stat.doing(ErrorKind::Output, doing)?.ok_or_else(missing)?,
        };
        if !is_regular(&stat) {
            let message = format!("image {} is not a regular file", path.display());
            return Err(failed(message).hint("links, directories and devices are no boot images"));
        }
        let file = self.volume.directory.file(path, OFlags::RDONLY).doing(ErrorKind::Output, doing)?;
        Ok(File::from(file.ok_or_else(missing)?))
    }

    /// What holds for both files: regular, written by this run, the caller's.
    fn check_file(&self, file: &File, path: &Path, what: &str) -> Result<Stat> {
        let doing = || format!("looking at {what} {}", path.display());
        let stat = rustix::fs::fstat(file).doing(ErrorKind::Output, doing)?;
        let marker = self.aside.stat(Path::new(MARKER)).doing(ErrorKind::Output, doing)?;
        let problem = if !is_regular(&stat) {
            "is not a regular file".to_owned()
        } else if !self.journal.is_fresh(path, &stat, marker.as_ref()) {
            "was not written by this run".to_owned()
        } else if stat.st_uid != geteuid().as_raw() {
            format!("belongs to user {}, not to the caller", stat.st_uid)
        } else {
            return Ok(stat);
        };
        Err(failed(format!("{what} {} {problem}", path.display())).hint("see the builder's log"))
    }
}

/// The path `named` relative to the volume's host side: absolute, no `..`, inside.
pub(super) fn relative(host: &Path, named: &str) -> Result<PathBuf> {
    let path = Path::new(named);
    if !path.is_absolute() {
        return Err(failed(format!("bootImagePath {named:?} is not an absolute path"))
            .hint("the builder has to write the image's path on the host"));
    }
    let outside = || failed(format!("bootImagePath {named:?} lies outside the volume {}", host.display()));
    // components() drops `//` and `/./`; a host side reached through a link has two names
    let inside = match path.strip_prefix(host) {
        Ok(inside) => inside.to_owned(),
        Err(_) => {
            let real = std::fs::canonicalize(host).map_err(|_| outside())?;
            path.strip_prefix(real).map_err(|_| outside())?.to_owned()
        }
    };
    let aside = inside.components().next().is_some_and(|c| c.as_os_str().to_str().is_some_and(is_aside));
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || aside || inside.as_os_str().is_empty() || named.contains('\0') {
        return Err(outside());
    }
    Ok(inside)
}

/// Compares the file with the checksums that the metadata gives, reading it once at most.
fn check_sums(file: &mut File, metadata: &Metadata) -> Result<()> {
    let md5 = wanted::<Md5>(metadata.md5.as_deref(), "md5sum")?;
    let sha256 = wanted::<Sha256>(metadata.sha256.as_deref(), "sha256sum")?;
    let mut md5 = md5.map(|want| (Md5::new(), want));
    let mut sha256 = sha256.map(|want| (Sha256::new(), want));
    if md5.is_none() && sha256.is_none() {
        return Ok(());
    }
    let each = |bytes: &[u8]| {
        md5.iter_mut().for_each(|(hash, _)| hash.update(bytes));
        sha256.iter_mut().for_each(|(hash, _)| hash.update(bytes));
    };
    read_through(file, each).doing(ErrorKind::Output, || "reading the image for its checksum".into())?;
    compare(md5, "md5sum")?;
    compare(sha256, "sha256sum")
}

/// The checksum that is given, in lower case.
pub(super) fn wanted<D: Digest>(given: Option<&str>, key: &str) -> Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    // what md5sum(1) prints ends in the file's name
    let want = given.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let length = 2 * <D as Digest>::output_size();
    match want.len() == length && want.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(Some(want)),
        false => Err(failed(format!("{key} in the metadata is not {length} hexadecimal digits"))),
    }
}

fn compare<D: Digest>(sum: Option<(D, String)>, key: &str) -> Result<()> {
    let Some((hash, want)) = sum else { return Ok(()) };
    let have: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    match have == want {
        true => Ok(()),
        false => Err(failed(format!("{key} of the image is {have}, the metadata says {want}"))
            .hint("the image is damaged or was changed after its metadata: run again")),
    }
}

fn read_through(file: &mut File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the file 0600 and durable: the older one is deleted next.
fn keep(file: &File, path: &Path) -> Result<()> {
    match rustix::fs::fchmod(file, Mode::RUSR | Mode::WUSR) {
        // FAT and some network file systems have no modes
        Err(Errno::PERM | Errno::OPNOTSUPP) => {
            tracing::warn!("{} carries secrets and cannot be protected on this file system", path.display());
        }
        result => result.doing(ErrorKind::Output, || format!("protecting {}", path.display()))?,
    }
    sync(file).doing(ErrorKind::Output, || format!("syncing {}", path.display()))
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::Output, message)
}
