//! Archives of `docker save`: `manifest.json`, configurations, and layers as plain tar files. They
//! are made a layout: the same configuration and layers below a manifest of image-spec.
//!
//! Which files matter is known when `manifest.json` is, and that may come last; so all that could be
//! a configuration or a layer is kept, as a blob, until then. Names in the archive are only looked up.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageConfiguration, MediaType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blob;
use super::input::{self, Compression};
use super::layout::{self, BLOBS, INDEX, LAYOUT};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::{Digest, sha256_hex};
use crate::image::manifest;
use crate::image::reference::Reference;

pub(super) const MANIFEST: &str = "manifest.json";
/// More files that could be layers or configurations are not an image's.
const MOST_PARTS: usize = 10_000;
/// Links to links; one is what docker writes.
const MOST_LINKS: usize = 8;

/// What docker writes for an image without a name, where it is not null.
const NONE: &str = "<none>:<none>";

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The files and links of the archive that an image may be made of, by name.
#[derive(Default)]
pub(super) struct Parts {
    files: HashMap<String, (Digest, u64)>,
    links: HashMap<String, Link>,
}

/// Where a link leads, as the archive has it.
pub(super) enum Link {
    /// From its own directory.
    Symbolic(String),
    /// From the archive's root.
    Hard(String),
}

impl Parts {
    /// Whether a file of this name could be a configuration or a layer.
    pub(super) fn is_one(name: &str) -> bool {
        name.ends_with(".tar") || name.ends_with(".json") && !name.contains('/')
    }

    pub(super) fn add_file(&mut self, name: String, digest: Digest, size: u64) -> Result<()> {
        self.files.insert(name, (digest, size));
        self.check_count()
    }

    pub(super) fn add_link(&mut self, name: String, link: Link) -> Result<()> {
        self.links.insert(name, link);
        self.check_count()
    }

    fn check_count(&self) -> Result<()> {
        match self.files.len() + self.links.len() > MOST_PARTS {
            true => refuse(format!("it holds more than {MOST_PARTS} files that could be layers")),
            false => Ok(()),
        }
    }

    /// The file that a name in `manifest.json` means.
    fn find(&self, name: &str) -> Result<&(Digest, u64)> {
        let mut at = name.to_owned();
        for _ in 0..=MOST_LINKS {
            if let Some(file) = self.files.get(&at) {
                return Ok(file);
            }
            let target = match self.links.get(&at) {
                None => return refuse(format!("{at:?}, which {MANIFEST} names, is not in it")),
                Some(Link::Hard(target)) => resolve("", target),
                Some(Link::Symbolic(target)) => resolve(&at, target),
            };
            let Some(target) = target else {
                return refuse(format!("the link {at:?} leads out of it"));
            };
            at = target;
        }
        refuse(format!("{name:?} is a link that leads to itself"))
    }
}

/// A link's target as a name in the archive; `None` for one outside.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Makes the staging directory `dir`, whose blobs are the parts, a layout.
pub(super) fn convert(dir: &Path, parts: &Parts) -> Result<()> {
    let path = dir.join(MANIFEST);
    let reading = || format!("reading {MANIFEST}");
    let bytes = blob::read_plain(&path, manifest::DOCUMENT_LIMIT).doing(ErrorKind::Image, reading)?;
    let images: Vec<Saved> = serde_json::from_slice(&bytes).doing(ErrorKind::Image, reading)?;
    let mut entries = Vec::new();
    for image in &images {
        let made = Conversion { dir, parts, image }.run();
        entries.extend(made.map_err(|error| error.context(format!("converting image {:?}", image.config)))?);
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    for (name, bytes) in [(INDEX, index.to_string().into_bytes()), (LAYOUT, layout::header())] {
        fs::write(dir.join(name), bytes).doing(ErrorKind::Image, || format!("writing {name}"))?;
    }
    Ok(())
}

struct Conversion<'a> {
    dir: &'a Path,
    parts: &'a Parts,
    image: &'a Saved,
}

impl Conversion<'_> {
    /// Writes the manifest and gives the index's entries, one for each name.
    fn run(&self) -> Result<Vec<Value>> {
        let names = self.names()?;
        let (config, configuration) = self.configuration()?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MediaType::ImageManifest.as_ref(),
            "config": config, "layers": self.layers(&configuration)?,
        })
        .to_string()
        .into_bytes();
        let digest = self.write(&manifest)?;
        let entry = Descriptor::new(MediaType::ImageManifest, manifest.len() as u64, digest);
        let entry = json!(entry);
        let named = |name: &String| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({ oci_spec::image::ANNOTATION_REF_NAME: name });
            entry
        };
        Ok(match names.is_empty() {
            true => vec![entry],
            false => names.iter().map(named).collect(),
        })
    }

    /// Docker leaves out registry and `library/`.
    fn names(&self) -> Result<Vec<String>> {
        let tags = self.image.repo_tags.iter().flatten().filter(|tag| *tag != NONE);
        let full = |tag: &String| Reference::parse(tag).map(|reference| reference.to_string());
        tags.map(full)
            .collect::<Result<_>>()
            .map_err(|error| error.of_kind(ErrorKind::Image).context("reading RepoTags"))
    }

    /// Older versions name the file by its digest, which is the image's id.
    fn configuration(&self) -> Result<(Descriptor, ImageConfiguration)> {
        let name = &self.image.config;
        let (digest, size) = self.parts.find(name)?;
        let id = name.strip_suffix(".json").filter(|id| id.len() == 64);
        if id.is_some_and(|id| id != digest.digest()) {
            return refuse(format!("configuration {name:?} has digest {digest}"));
        }
        let bytes = blob::read(self.dir, digest, None)?;
        let configuration = manifest::parse_configuration(&bytes)?;
        Ok((Descriptor::new(MediaType::ImageConfig, *size, digest.clone()), configuration))
    }

    fn layers(&self, configuration: &ImageConfiguration) -> Result<Vec<Descriptor>> {
        let diff_ids = configuration.rootfs().diff_ids();
        let names = &self.image.layers;
        if diff_ids.len() != names.len() {
            return refuse(format!("it has {} layers but its configuration {}", names.len(), diff_ids.len()));
        }
        names.iter().zip(diff_ids).map(|(name, diff_id)| self.layer(name, diff_id)).collect()
    }

    /// A plain layer must be what the configuration says. Compressed ones, which docker does not
    /// write but does load, are checked when they are unpacked.
    fn layer(&self, name: &str, diff_id: &str) -> Result<Descriptor> {
        let (digest, size) = self.parts.find(name)?;
        let path = blob::path(self.dir, digest);
        let beginning = blob::open_plain(&path).and_then(|mut file| input::beginning(&mut file));
        let beginning = beginning.doing(ErrorKind::Image, || format!("reading {name:?}"))?;
        let media_type = match Compression::of(&beginning) {
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
            Compression::None if digest.as_ref() != diff_id => {
                return refuse(format!(
                    "layer {name:?} has digest {digest}, its configuration says {diff_id}"
                ));
            }
            Compression::None => MediaType::ImageLayer,
        };
        Ok(Descriptor::new(media_type, *size, digest.clone()))
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = sha256(&sha256_hex(bytes))?;
        let path = blob::path(self.dir, &digest);
        fs::write(&path, bytes).doing(ErrorKind::Image, || format!("writing {}", path.display()))?;
        Ok(digest)
    }
}

/// The digest of these hexadecimal digits.
pub(super) fn sha256(hex: &str) -> Result<Digest> {
    Digest::from_str(&format!("sha256:{hex}")).doing(ErrorKind::Internal, || format!("hashing to {hex}"))
}

/// Where parts become blobs.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    let path = dir.join(BLOBS).join("sha256");
    layout::make_dir(&path).doing(ErrorKind::Image, || format!("creating {}", path.display()))
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::new(ErrorKind::Image, format!("reading the docker archive: {}", why.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_archive() {
        assert_eq!(resolve("a/layer.tar", "../b/layer.tar").as_deref(), Some("b/layer.tar"));
        assert_eq!(resolve("a/layer.tar", "./x.tar").as_deref(), Some("a/x.tar"));
        assert_eq!(resolve("", "b/layer.tar").as_deref(), Some("b/layer.tar"));
        assert_eq!(resolve("a/layer.tar", "../../x.tar"), None);
        assert_eq!(resolve("a/layer.tar", "/etc/x.tar"), None);
    }
}
