//! Files and directories as inputs: only regular files are read, and none without a limit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Reading;
use crate::error::{Fault, Position};
use crate::site::yaml::{MAX_BYTES, too_large};

/// Most files of one input: nested kustomizations may name each other's directories many times.
const MAX_FILES: usize = 10_000;

/// What can be read.
pub(super) enum Kind {
    File,
    Directory,
}

/// What a path is, symbolic links followed. Anything but a file or directory is refused before it
/// is opened: opening a FIFO would wait for a writer, opening a device may act on it.
pub(super) fn kind(path: &Path) -> Result<Kind, String> {
    let kind = std::fs::metadata(path).map_err(|error| cannot_read(&error))?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(Kind::File),
        (_, true) => Ok(Kind::Directory),
        _ => Err("is neither a regular file nor a directory; pipe streams to `-`".into()),
    }
}

/// A path for messages, control characters escaped.
pub(super) fn name(path: &Path) -> String {
    let name = path.display().to_string();
    match name.chars().any(char::is_control) {
        true => name.escape_debug().to_string(),
        false => name,
    }
}

/// A fault of which only the file is known.
pub(super) fn fault(file: &str, message: impl Into<String>) -> Fault {
    Fault::new(Position { file: file.to_owned(), document: None, line: 0, column: 0 }, message)
}

fn cannot_read(error: &std::io::Error) -> String {
    format!("cannot be read: {error}")
}

/// The bytes of a file; what is wrong is noted.
pub(super) fn read(path: &Path, reading: &mut Reading) -> Option<Vec<u8>> {
    reading.files += 1;
    if reading.files > MAX_FILES {
        // once is enough
        if reading.files == MAX_FILES + 1 {
            reading.fault(path, format!("is one file too many; {MAX_FILES} are the limit"));
        }
        return None;
    }
    match File::open(path) {
        Ok(file) => contents(&name(path), file, reading),
        Err(error) => {
            reading.fault(path, cannot_read(&error));
            None
        }
    }
}

/// Everything a reader gives, up to [`MAX_BYTES`]; what is wrong is noted.
pub(super) fn contents(file: &str, reader: impl Read, reading: &mut Reading) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let message = match reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() <= MAX_BYTES => return Some(bytes),
        Ok(_) => too_large(),
        Err(error) => cannot_read(&error),
    };
    reading.faults.push(fault(file, message));
    None
}

/// The YAML files of a directory by name. Hidden ones are the business of editors and of volumes
/// that Kubernetes mounts.
pub(super) fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| cannot_read(&error))? {
        let path = entry.map_err(|error| cannot_read(&error))?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
