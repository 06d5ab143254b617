//! The image, looked at before it is handed over: whole, bootable, and with the site's own data on it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error, ErrorKind, Fault, Result};
use crate::image::REFERENCE_BUILDER;
use crate::image::reference::Reference;
use crate::iso::cloud::{Role, Seed, SeedFile, Source};
use crate::iso::examine::{Examined, examine, no_image};
use crate::iso::finding::{Finding, Severity};
use crate::iso::{self, Image};
use crate::site::cloudinit;
use crate::site::volume::{Input, Volume};

/// What a builder makes of a Secret's value, which is 1 MiB at most, is not longer: JSON escapes each character
/// with up to six (RFC 8259, 7).
const LARGEST: u64 = 8 << 20;

/// With these nothing starts, whoever made the image.
const FATAL: [&str; 9] = [
    "boot-image-empty",
    "boot-image-outside",
    "catalog-header",
    "catalog-outside",
    "el-torito-checksum",
    "extent-beyond-image",
    "no-boot-entry",
    "no-primary-descriptor",
    "truncated",
];

/// Whose layout of the medium it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builder {
    /// Ours: where its data are is known.
    Reference,
    /// It may keep them where nobody looks.
    Foreign,
}

/// A site's data, as the builder was given them.
struct Data<'s> {
    user_data: &'s [u8],
    network_config: &'s [u8],
    meta_data: &'s [u8],
}

impl Builder {
    pub fn of(reference: &Reference) -> Self {
        if reference.to_string() == REFERENCE_BUILDER { Self::Reference } else { Self::Foreign }
    }
}

/// Checks what a run left in its volume, and returns the image's path. An image that is no good is kept under
/// another name.
///
/// Errors: [`ErrorKind::Output`].
pub(super) fn outputs(
    volume: &Volume,
    run_dir: &Path,
    builder: Builder,
    inputs: &[Input],
) -> Result<PathBuf> {
    let path = volume.outputs(run_dir)?.image;
    match image(&path, builder, inputs) {
        Ok(()) => Ok(path),
        Err(error) => Err(reject(error, volume, run_dir, &path)),
    }
}

/// What is wrong with the data on it is an error for the reference builder, for others a warning.
fn image(path: &Path, builder: Builder, inputs: &[Input]) -> Result<()> {
    iso::check_complete(path)?;
    let checked = iso::open(path).and_then(|image| examined(&image, builder, inputs));
    let doing = || format!("checking image {}", path.display());
    checked.map_err(|error| error.of_kind(ErrorKind::Output).context(doing()))
}

fn reject(error: Error, volume: &Volume, run_dir: &Path, image: &Path) -> Error {
    match volume.reject(run_dir, image) {
        Ok(kept) => error.further_hint(format!("the image is kept as {}", kept.display())),
        Err(why) => {
            tracing::warn!("{why}");
            error
        }
    }
}

fn examined(image: &Image, builder: Builder, inputs: &[Input]) -> Result<()> {
    let reading = || "reading it".to_owned();
    let examined = examine(image).doing(ErrorKind::Output, reading)?.ok_or_else(no_image)?;
    judge(&examined, builder)?;
    // the inputs of `super::site::staging`, in its order
    let [user_data, network_config, meta_data, ..] = inputs else { return Ok(()) };
    let data = Data {
        user_data: &user_data.bytes,
        network_config: &network_config.bytes,
        meta_data: &meta_data.bytes,
    };
    let faults = data.faults(image, &examined, builder).doing(ErrorKind::Output, reading)?;
    match builder {
        _ if faults.is_empty() => Ok(()),
        Builder::Foreign => {
            faults.iter().for_each(|fault| tracing::warn!("{fault}"));
            Ok(())
        }
        Builder::Reference => {
            let doing = "comparing its cloud-init data with those of the site";
            Err(Error::faults(ErrorKind::Output, doing, faults)
                .hint("the builder image is damaged or not the reference builder's: make it again"))
        }
    }
}

/// Errors of the image end the run. What a builder that is not ours does in its own way may
/// boot all the same: there only what no firmware can get past ends the run.
fn judge(examined: &Examined, builder: Builder) -> Result<()> {
    let ends = |finding: &&Finding| {
        let is_error = finding.severity == Severity::Error;
        is_error && (builder == Builder::Reference || FATAL.contains(&finding.code))
    };
    let (errors, others): (Vec<&Finding>, Vec<&Finding>) = examined.findings.list().iter().partition(ends);
    if errors.is_empty() {
        others.into_iter().for_each(tell);
        return Ok(());
    }
    let faults = errors.into_iter().map(fault).collect();
    Err(Error::faults(ErrorKind::Output, "it is damaged or does not boot", faults)
        .hint("see the builder's log, and `airshipctl iso inspect`"))
}

/// What some reader may stumble over is told by `iso inspect`: nobody can do anything about it here.
fn tell(finding: &Finding) {
    match finding.severity {
        Severity::Error => tracing::warn!("the image: {}", fault(finding)),
        Severity::Warning => tracing::debug!("the image: {}", fault(finding)),
    }
}

/// An image says what it likes, but does not steer a terminal.
fn fault(finding: &Finding) -> Fault {
    let at = finding.offset.map_or_else(String::new, |offset| format!("at byte {offset}: "));
    let visible = finding.message.chars().flat_map(|c| match c.is_control() {
        true => c.escape_default().collect::<Vec<_>>(),
        false => vec![c],
    });
    Fault::new(None, at + &visible.collect::<String>()).coded(finding.code)
}

impl Data<'_> {
    /// What is not on the image as it should be; messages name files, never values.
    fn faults(&self, image: &Image, examined: &Examined, builder: Builder) -> io::Result<Vec<Fault>> {
        let seeds: Vec<Vec<Fault>> = examined
            .seeds
            .iter()
            .map(|seed| self.compare(image, seed, builder))
            .collect::<io::Result<_>>()?;
        if examined.volume.is_none() && builder == Builder::Foreign {
            return Ok(Vec::new()); // the file systems of a disk image are not looked into
        }
        if seeds.is_empty() {
            let message =
                "no cloud-init data were found on the image: neither a NoCloud seed nor a config drive";
            return Ok(vec![Fault::new(None, message).coded("payload-missing")]);
        }
        Ok(match builder {
            // cloud-init may take any of them
            Builder::Reference => seeds.into_iter().flatten().collect(),
            Builder::Foreign => seeds.into_iter().min_by_key(Vec::len).unwrap_or_default(),
        })
    }

    fn compare(&self, image: &Image, seed: &Seed, builder: Builder) -> io::Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for (role, input) in [
            (Role::UserData, self.user_data),
            (Role::NetworkConfig, self.network_config),
            (Role::MetaData, self.meta_data),
        ] {
            // others need not know of ours
            if role == Role::MetaData && builder == Builder::Foreign {
                continue;
            }
            let Some(file) = seed.file(role) else {
                let message =
                    format!("the {} seed in {} has no {role}", seed.source, seed.directory.escape_debug());
                faults.push(Fault::new(None, message).coded("payload-incomplete"));
                continue;
            };
            if !is_same(image, seed.source, file, input)? {
                let message = format!("{} is not the {role} of the site", file.path.escape_debug());
                faults.push(Fault::new(None, message).coded("payload-differs"));
            }
        }
        Ok(faults)
    }
}

/// Byte for byte; what a config drive has in JSON, value for value.
fn is_same(image: &Image, source: Source, file: &SeedFile, input: &[u8]) -> io::Result<bool> {
    let Some(bytes) = file.read(image, LARGEST.max(input.len() as u64))? else { return Ok(false) };
    if bytes == input {
        return Ok(true);
    }
    Ok(source == Source::ConfigDrive
        && match file.role {
            Role::NetworkConfig => cloudinit::is_same_value(input, &bytes),
            Role::MetaData => cloudinit::is_same_instance(input, &bytes),
            Role::UserData | Role::VendorData => false,
        })
}
