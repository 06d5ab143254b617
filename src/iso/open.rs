//! Opening an image that a user names.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::image::Image;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Opens a regular file, or a block device onto which an image was written.
///
/// Errors: [`ErrorKind::Usage`], also for what cannot be read at any place, such as a pipe.
pub fn open(path: &Path) -> Result<Image> {
    let doing = || format!("opening image {}", path.display());
    let file = File::options().read(true).custom_flags(waiting_for_nobody()).open(path);
    let file = file.doing(ErrorKind::Usage, doing).map_err(|error| match path == Path::new("-") {
        true => error.hint("an image is read here and there, not from its beginning to its end: name a file"),
        false => error,
    })?;
    let kind = file.metadata().doing(ErrorKind::Usage, doing)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        let what =
            if kind.is_dir() { "it is a directory" } else { "it is neither a file nor a block device" };
        return Err(Error::new(ErrorKind::Usage, what)
            .context(doing())
            .hint("name the file of an image, or the device onto which one was written"));
    }
    Image::new(file).doing(ErrorKind::Usage, doing)
}

/// Opening a named pipe would wait for somebody who writes (fifo(7)).
fn waiting_for_nobody() -> i32 {
    OFlags::NONBLOCK.bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_at_any_place_is_an_image() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = |path: &Path| {
            let error = open(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            error.to_string()
        };
        assert!(refused(&pipe).ends_with("it is neither a file nor a block device"));
        assert!(refused(directory.path()).ends_with("it is a directory"));
        assert!(refused(Path::new("/dev/null")).ends_with("it is neither a file nor a block device"));
        assert!(refused(&directory.path().join("missing")).contains("No such file"));
        std::fs::write(directory.path().join("file"), [0; 700]).unwrap();
        assert_eq!(open(&directory.path().join("file")).unwrap().size, 700);
    }
}
