//! `airshipctl iso …`: looking at images, whoever made them.

mod compared;
mod findings;
mod inspected;
mod text;
mod verified;

use std::io;
use std::path::{Path, PathBuf};

use airshipctl::error::{Doing, Error, ErrorKind, Result};
use airshipctl::iso::diff::{Side, diff};
use airshipctl::iso::examine::{Examined, examine, no_image};
use airshipctl::iso::inspect::{Reveal, inspect};
use airshipctl::iso::verify::{Wanted, verify};
use airshipctl::iso::{Image, open};
use airshipctl::site::volume::given_sums;
use clap::{Args, Subcommand};

use super::output::Output;

const INSPECT: &str = "\
--output json is one document with these keys (sizes and offsets in bytes):
  version        1; keys are only added to it
  space          size, volumeLength (null without a volume), content (of all files), lastUsed (end of the
                 last file or boot image), behind (what follows)
  sums           bytes (how many were summed up: of a device those of the image), md5, sha256; null for
                 more than 64 GiB
  volume         label, publisher, preparer, application, created, modified (RFC 3339 or null), blockSize,
                 rockRidge, joliet (null, or label and level), files, directories; null for a disk image
  boot           list of firmware (BIOS, UEFI), medium (CD, disk), via, offset, length, loader (or null),
                 efi: list of path, size, machine (or null), signed
  partitions     list of scheme (MBR, GPT), number, offset, length, type, name, active
  menu           list of file, title, kernel, initrd (list), commandLine, default
  cloudInit      list of source (NoCloud, config drive), directory, files: list of role, path, kind, size,
                 sha256 (8 digits), mode; with --reveal contents, or contentsBase64 where it is no text
  checksumLists  list of path, algorithm, files (how many it names)
  findings       list of severity (error, warning), code, offset (or null), message
  moreFindings   how many there are beyond those";

const VERIFY: &str = "\
Checked are the structures of the image, its length, whether firmware finds something to start, and every
file that /.airship/SHA256SUMS, /sha256sum.txt or /md5sum.txt on the volume names. Exit code 7 with errors.

--output json is one document: version (1), good, size, sums (null where there is nothing to compare them
with), checksumLists, findings, moreFindings, as of `iso inspect`.";

const DIFF: &str = "\
Exit codes:
  0  all bytes are the same
  2  an image cannot be read
  7  they differ, or one of them is no image

--output json is one document: version (1), same, and differences: list of area (image, volume, boot,
partition, menu, cloud-init, file), name (null for the whole), what (null if only one of both has it), a, b.";

#[derive(Subcommand)]
pub enum IsoCommand {
    /// Show what an image is: volume, boot entries, partitions, menu, cloud-init data, checksums, and what
    /// is wrong with it.
    #[command(after_help = INSPECT)]
    Inspect {
        #[command(flatten)]
        image: ImageArgs,
        /// Show what is in cloud-init data, and passwords on kernel command lines.
        #[arg(long)]
        reveal: bool,
    },
    /// Check an image: whole, sound, bootable, its files as their checksums say.
    #[command(after_help = VERIFY)]
    Verify {
        #[command(flatten)]
        image: ImageArgs,
        /// The metadata that its builder left, for the checksums in it.
        #[arg(long, value_name = "FILE")]
        metadata: Option<PathBuf>,
        /// What the image's SHA-256 has to be.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// What its MD5 has to be.
        #[arg(long, value_name = "HEX")]
        md5: Option<String>,
    },
    /// Name what tells two images apart.
    #[command(after_help = DIFF)]
    Diff {
        a: PathBuf,
        b: PathBuf,
        /// Form of the result.
        #[arg(long, value_name = "FORM", default_value = "text")]
        output: Output,
    },
}

#[derive(Args)]
pub struct ImageArgs {
    /// An image, or the device onto which one was written.
    file: PathBuf,
    /// Form of the result.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// Returns the exit code: `diff` has one that is no failure.
pub fn run(command: IsoCommand) -> Result<u8> {
    match command {
        IsoCommand::Inspect { image, reveal } => {
            show(&image, if reveal { Reveal::Secrets } else { Reveal::Nothing }).map(|()| 0)
        }
        IsoCommand::Verify { image, metadata, sha256, md5 } => {
            let given = Wanted::new(md5.as_deref(), sha256.as_deref())?;
            let said = metadata.as_deref().map_or_else(|| Ok(Wanted::default()), wanted)?;
            check(&image, &given.or(said)).map(|()| 0)
        }
        IsoCommand::Diff { a, b, output } => compare(&a, &b, output),
    }
}

/// The checksums that a builder's metadata gives.
fn wanted(metadata: &Path) -> Result<Wanted> {
    let sums = given_sums(metadata)?;
    Ok(Wanted { md5: sums.md5, sha256: sums.sha256 })
}

fn show(args: &ImageArgs, reveal: Reveal) -> Result<()> {
    let doing = || format!("inspecting {}", args.file.display());
    let (image, examined) = read(&args.file).map_err(|error| error.context(doing()))?;
    let inspection = readable(inspect(&image, &examined, reveal)).map_err(|error| error.context(doing()))?;
    args.output.print(&inspection, || inspected::text(&args.file, &inspection))
}

fn check(args: &ImageArgs, wanted: &Wanted) -> Result<()> {
    let doing = || format!("verifying {}", args.file.display());
    let (image, examined) = read(&args.file).map_err(|error| error.context(doing()))?;
    let verification = readable(verify(&image, &examined, wanted)).map_err(|error| error.context(doing()))?;
    args.output.print(&verification, || verified::text(&args.file, &verification))?;
    verification.failure().map_or(Ok(()), |error| Err(error.context(doing())))
}

fn compare(a: &Path, b: &Path, output: Output) -> Result<u8> {
    let one =
        |path: &Path| read(path).map_err(|error| error.context(format!("comparing {}", path.display())));
    let ((image, examined), (other, further)) = (one(a)?, one(b)?);
    let sides = [Side { image: &image, examined: &examined }, Side { image: &other, examined: &further }];
    let compared = readable(diff(&sides[0], &sides[1]))?;
    output.print(&compared, || compared::text(a, b, &compared))?;
    Ok(if compared.same { 0 } else { ErrorKind::Output.exit_code() })
}

fn read(path: &Path) -> Result<(Image, Examined)> {
    let image = open(path)?;
    let examined = readable(examine(&image))?;
    let examined = examined.ok_or_else(|| no_image().hint("see what file(1) says it is"))?;
    Ok((image, examined))
}

fn readable<T>(read: io::Result<T>) -> Result<T, Error> {
    read.doing(ErrorKind::Usage, || "reading the image".into())
}
