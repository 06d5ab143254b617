//! Images from an OCI layout directory or an archive into the cache.
//!
//! All of it is checked before the first blob is stored, and all blobs are stored before the first
//! name is given.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex};
use serde::Serialize;

use super::blob::{self, Presence, Slot};
use super::space::{self, Demand};
use super::{INDEX_DEPTH, Store, archive, layout, names};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::layer::Layer;
use crate::image::manifest::{self, Document};
use crate::image::reference::Reference;
use crate::interrupt::Interrupt;

const CHUNK: usize = 128 << 10;
/// Where containerd and docker keep the full name; their `ref.name` is only the tag.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// The full reference it has now.
    pub reference: String,
    /// Of what the name means: a manifest, or an index of several platforms.
    pub digest: Digest,
}

/// What becomes of the blobs of the source.
#[derive(Clone, Copy)]
enum Take {
    Copy,
    /// They were verified on the same file system and belong to nobody else.
    Move,
}

pub(super) fn load(
    store: &Store,
    source: &Path,
    name: Option<&Reference>,
    interrupt: &Interrupt,
) -> Result<Vec<Loaded>> {
    let opening = || "opening it".to_owned();
    if !fs::metadata(source).doing(ErrorKind::Usage, opening)?.is_dir() {
        // a FIFO is waited for when it is read, where signals are heeded
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(source);
        let file = file.doing(ErrorKind::Usage, opening)?;
        return load_archive(store, file, name, interrupt);
    }
    let canonical = fs::canonicalize(source).doing(ErrorKind::Usage, opening)?;
    let _in_use = store.lock_shared()?;
    if canonical == store.dir {
        return Err(Error::new(ErrorKind::Usage, "it is the rootfs cache itself"));
    }
    if !layout::is_layout(&canonical)? {
        return Err(Error::new(
            ErrorKind::Image,
            format!("it has no {}: it is not an OCI image layout", layout::LAYOUT),
        ));
    }
    Loader { store, from: &canonical, take: Take::Copy, interrupt }.run(name)
}

/// From an archive, which may be a pipe.
pub(super) fn load_archive(
    store: &Store,
    source: File,
    name: Option<&Reference>,
    interrupt: &Interrupt,
) -> Result<Vec<Loaded>> {
    let _in_use = store.lock_shared()?;
    // an archive holds little that is not stored, and compressing it saves nothing: layers are
    // compressed already
    if let Some(found) = source.metadata().ok().filter(Metadata::is_file) {
        let bytes = found.len() - found.len() / 8;
        space::require(&[Demand::new(&store.dir, "the archive's contents", bytes)])?;
    }
    let staging = archive::stage(&store.dir, source, interrupt)?;
    layout::is_layout(staging.path())?;
    Loader { store, from: staging.path(), take: Take::Move, interrupt }.run(name)
}

struct Loader<'a> {
    store: &'a Store,
    from: &'a Path,
    take: Take,
    interrupt: &'a Interrupt,
}

/// What has to be stored for the chosen images.
#[derive(Default)]
struct Plan {
    documents: HashMap<String, (Digest, Vec<u8>)>,
    layers: Vec<Layer>,
}

impl Loader<'_> {
    fn run(&self, name: Option<&Reference>) -> Result<Vec<Loaded>> {
        let chosen = choose(&layout::read_index(self.from)?, name)?;
        let mut plan = Plan::default();
        let mut targets = Vec::new();
        for (reference, entry) in chosen {
            let target =
                self.plan(&mut plan, &entry).map_err(|e| e.context(format!("checking {reference}")))?;
            targets.push((reference, target));
        }
        self.store_all(plan)?;
        let mut loaded = Vec::new();
        for (reference, target) in targets {
            loaded.push(Loaded { reference: reference.to_string(), digest: target.digest().clone() });
            self.store.name(&reference, target, self.interrupt)?;
        }
        Ok(loaded)
    }

    /// Notes what `entry` needs, and makes the entry for the cache's own index.
    fn plan(&self, plan: &mut Plan, entry: &Descriptor) -> Result<Descriptor> {
        let configurations = self.visit(plan, entry, 0)?;
        let mut target = Descriptor::new(entry.media_type().clone(), entry.size(), entry.digest().clone());
        if let ([only], false) = (configurations.as_slice(), manifest::leads_to_index(entry)) {
            target.set_platform(Some(manifest::described(only)));
        }
        Ok(target)
    }

    /// Verifies a document and what it leads to, and gives the configurations found.
    fn visit(&self, plan: &mut Plan, entry: &Descriptor, depth: usize) -> Result<Vec<ImageConfiguration>> {
        manifest::check_document(entry)?;
        let bytes = blob::read(self.from, entry.digest(), Some(entry.size()))?;
        let document = manifest::parse(&bytes, Some(entry.media_type().as_ref()))?;
        let configurations = match document {
            Document::Manifest(parsed) => {
                manifest::check_manifest(&parsed)?;
                let config = parsed.config();
                let config_bytes = blob::read(self.from, config.digest(), Some(config.size()))?;
                let configuration = manifest::parse_configuration(&config_bytes)?;
                let image = manifest::image(entry.digest().clone(), entry.size(), &parsed, configuration)?;
                self.plan_layers(plan, &image.layers)?;
                plan.documents.insert(config.digest().to_string(), (config.digest().clone(), config_bytes));
                vec![image.configuration]
            }
            Document::Index(_) if depth == INDEX_DEPTH => {
                return Err(Error::new(ErrorKind::Image, "its indexes lie too deep in each other"));
            }
            Document::Index(index) => self.visit_all(plan, &index, depth)?,
        };
        plan.documents.insert(entry.digest().to_string(), (entry.digest().clone(), bytes));
        Ok(configurations)
    }

    /// Other tools leave the manifests of platforms that were not asked for out of a layout, and
    /// list things that are no images (attestations).
    fn visit_all(
        &self,
        plan: &mut Plan,
        index: &ImageIndex,
        depth: usize,
    ) -> Result<Vec<ImageConfiguration>> {
        let mut found = Vec::new();
        let stored = |entry: &&Descriptor| blob::size(self.from, entry.digest()).is_some();
        for entry in index.manifests().iter().filter(stored).filter(|entry| manifest::is_for_images(entry)) {
            found.extend(self.visit(plan, entry, depth + 1)?);
        }
        match found.is_empty() {
            true => Err(Error::new(ErrorKind::Image, "it is an index and none of its images is there")),
            false => Ok(found),
        }
    }

    /// Notes the layers, each once. Their digests are checked while they are copied; in an archive
    /// they have been already.
    fn plan_layers(&self, plan: &mut Plan, layers: &[Layer]) -> Result<()> {
        for layer in layers {
            let Some(size) = blob::size(self.from, &layer.digest) else {
                return Err(Error::new(ErrorKind::Image, format!("layer {} is missing", layer.digest)));
            };
            if size != layer.size {
                let why = format!(
                    "layer {} has {size} bytes, not the {} of its descriptor",
                    layer.digest, layer.size
                );
                return Err(Error::new(ErrorKind::Image, why));
            }
            if !plan.layers.iter().any(|other| other.digest == layer.digest) {
                plan.layers.push(layer.clone());
            }
        }
        Ok(())
    }

    /// Layers first: a document that is there says that what it names may be there too.
    fn store_all(&self, plan: Plan) -> Result<()> {
        if let Take::Copy = self.take {
            self.store.require_space(&self.store.absent_layers(&plan.layers))?;
        }
        for layer in &plan.layers {
            self.store_layer(layer)
                .map_err(|error| error.context(format!("storing layer {}", layer.digest)))?;
        }
        for (digest, bytes) in plan.documents.into_values() {
            self.store.put(&digest, &bytes, self.interrupt)?;
        }
        Ok(())
    }

    fn store_layer(&self, layer: &Layer) -> Result<()> {
        let Slot::Absent(mut partial) =
            self.store.slot(&layer.digest, layer.size, Presence::BySize, self.interrupt)?
        else {
            return Ok(());
        };
        let path = blob::path(self.from, &layer.digest);
        let mut file =
            blob::open_plain(&path).doing(ErrorKind::Image, || format!("opening {}", path.display()))?;
        if let Take::Move = self.take {
            return partial.replace_with(&file, &path);
        }
        partial.restart()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            self.interrupt.check()?;
            let count =
                file.read(&mut buffer).doing(ErrorKind::Image, || format!("reading {}", path.display()))?;
            match count {
                0 => return partial.finish(),
                count => partial.append(&buffer[..count])?,
            }
        }
    }
}

/// The images that are loaded, each with its full name.
fn choose(index: &ImageIndex, name: Option<&Reference>) -> Result<Vec<(Reference, Descriptor)>> {
    let entries = index.manifests();
    let usage = |why: String, hint: &str| Err(Error::new(ErrorKind::Usage, why).hint(hint));
    match (name, entries.as_slice()) {
        (_, []) => Err(Error::new(ErrorKind::Image, "it holds no image")),
        (Some(name), [only]) => Ok(vec![check_digest_name((name.clone(), only.clone()))?]),
        // one image under several names is one image
        (Some(name), [first, rest @ ..]) if rest.iter().all(|it| it.digest() == first.digest()) => {
            Ok(vec![check_digest_name((name.clone(), first.clone()))?])
        }
        (Some(_), many) => usage(
            format!("it holds {} images, and one name cannot be given to all", many.len()),
            "leave --name out",
        ),
        (None, entries) => {
            let named: Vec<_> = entries.iter().filter_map(|it| Some((full_name(it)?, it.clone()))).collect();
            let unnamed = entries.len() - named.len();
            if named.is_empty() {
                return usage(
                    format!("none of its {unnamed} images has a full name"),
                    "give the name under which it is wanted: --name registry.example/team/name:tag",
                );
            }
            if unnamed > 0 {
                tracing::warn!("{unnamed} images without a full name are not loaded");
            }
            named.into_iter().map(check_digest_name).collect()
        }
    }
}

/// A name counts if it says its registry: `latest` alone, as many tools write it, is a tag.
fn full_name(entry: &Descriptor) -> Option<Reference> {
    let annotated = entry.annotations().as_ref().and_then(|all| all.get(CONTAINERD_NAME)).map(String::as_str);
    let candidates = [annotated, names::of(entry)];
    candidates.into_iter().flatten().find_map(|text| {
        let reference = Reference::parse(text).ok()?;
        let host = text.split('/').next()?;
        let says_registry = text.contains('/') && host.eq_ignore_ascii_case(reference.registry());
        says_registry.then_some(reference)
    })
}

/// A name with a digest of something else would be believed later.
fn check_digest_name((reference, entry): (Reference, Descriptor)) -> Result<(Reference, Descriptor)> {
    match reference.digest() {
        Some(digest) if digest != entry.digest() => {
            Err(Error::new(ErrorKind::Image, format!("{reference} is the name of {}", entry.digest())))
        }
        _ => Ok((reference, entry)),
    }
}
