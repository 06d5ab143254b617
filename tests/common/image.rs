//! Images in memory: layers from entries, and what a registry or a layout needs around them.

use std::fs;
use std::io::Write;
use std::path::Path;

use airshipctl::image::digest::sha256_hex;
use airshipctl::image::platform::Platform;
use serde_json::{Value, json};

/// One member of a layer.
#[derive(Clone)]
pub struct Entry {
    path: String,
    kind: tar::EntryType,
    contents: Vec<u8>,
    link: Option<String>,
    mode: u32,
    owner: (u64, u64),
    device: Option<(u32, u32)>,
    pax: Vec<(String, Vec<u8>)>,
}

impl Entry {
    fn new(path: &str, kind: tar::EntryType, mode: u32) -> Self {
        let path = path.to_owned();
        Self {
            path,
            kind,
            contents: Vec::new(),
            link: None,
            mode,
            owner: (0, 0),
            device: None,
            pax: Vec::new(),
        }
    }

    /// A regular file, 0644.
    pub fn file(path: &str, contents: impl AsRef<[u8]>) -> Self {
        Self { contents: contents.as_ref().to_vec(), ..Self::new(path, tar::EntryType::Regular, 0o644) }
    }

    /// An executable file, 0755.
    pub fn program(path: &str, contents: impl AsRef<[u8]>) -> Self {
        Self::file(path, contents).mode(0o755)
    }

    /// A directory, 0755.
    pub fn dir(path: &str) -> Self {
        Self::new(&format!("{}/", path.trim_end_matches('/')), tar::EntryType::Directory, 0o755)
    }

    pub fn symlink(path: &str, target: &str) -> Self {
        Self { link: Some(target.to_owned()), ..Self::new(path, tar::EntryType::Symlink, 0o777) }
    }

    pub fn hard_link(path: &str, target: &str) -> Self {
        Self { link: Some(target.to_owned()), ..Self::new(path, tar::EntryType::Link, 0o644) }
    }

    pub fn fifo(path: &str) -> Self {
        Self::new(path, tar::EntryType::Fifo, 0o644)
    }

    pub fn char_device(path: &str, major: u32, minor: u32) -> Self {
        Self { device: Some((major, minor)), ..Self::new(path, tar::EntryType::Char, 0o666) }
    }

    /// Removes `path` of the layers below (image-spec, layer.md, "Whiteouts").
    pub fn whiteout(path: &str) -> Self {
        let (parent, name) = path.rsplit_once('/').map_or(("", path), |(parent, name)| (parent, name));
        let slash = if parent.is_empty() { "" } else { "/" };
        Self::file(&format!("{parent}{slash}.wh.{name}"), "")
    }

    /// Hides what the layers below have in the directory `path`.
    pub fn opaque(path: &str) -> Self {
        Self::file(&format!("{}/.wh..wh..opq", path.trim_end_matches('/')), "")
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    /// An extended attribute, as GNU tar and Go write it.
    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(&format!("SCHILY.xattr.{name}"), value)
    }

    /// A record of a PAX extended header.
    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn append(&self, builder: &mut tar::Builder<Vec<u8>>) {
        let records = self.pax.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        if !self.pax.is_empty() {
            builder.append_pax_extensions(records).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(1_600_000_000);
        header.set_size(self.contents.len() as u64);
        if let Some((major, minor)) = self.device {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        }
        if let Some(target) = &self.link {
            builder.append_link(&mut header, &self.path, target).unwrap();
            return;
        }
        // by bytes, since the crate refuses the hostile names that tests need
        if self.path.len() <= 100 {
            header.as_old_mut().name[..self.path.len()].copy_from_slice(self.path.as_bytes());
            header.set_cksum();
            builder.append(&header, self.contents.as_slice()).unwrap();
        } else {
            builder.append_data(&mut header, &self.path, self.contents.as_slice()).unwrap();
        }
    }
}

/// A tar archive of `entries`.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    entries.iter().for_each(|entry| entry.append(&mut builder));
    builder.into_inner().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub fn apply(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        }
    }

    fn media_type(self, flavour: Flavour) -> &'static str {
        match (flavour, self) {
            (Flavour::Oci, Self::None) => "application/vnd.oci.image.layer.v1.tar",
            (Flavour::Oci, Self::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Flavour::Oci, Self::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Flavour::Docker, Self::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Flavour::Docker, Self::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Flavour::Docker, Self::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Oci,
    Docker,
}

/// Bytes with their digest and media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub media_type: String,
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl Blob {
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", sha256_hex(&bytes));
        Self { media_type: media_type.to_owned(), digest, bytes }
    }

    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// An image to be; gzip layers, for this host's platform, in image-spec's media types, unless said otherwise.
pub struct TestImage {
    layers: Vec<(Compression, Vec<u8>)>,
    config: Value,
    platform: Platform,
    flavour: Flavour,
}

impl Default for TestImage {
    fn default() -> Self {
        Self::new()
    }
}

impl TestImage {
    pub fn new() -> Self {
        let config = json!({ "Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/builder"] });
        Self { layers: Vec::new(), config, platform: Platform::host(), flavour: Flavour::Oci }
    }

    /// An image with one small file of this content, for tests that do not care.
    pub fn with_file(contents: impl AsRef<[u8]>) -> Built {
        Self::new().layer(&[Entry::dir("etc"), Entry::file("etc/motd", contents)]).build()
    }

    /// Adds a layer on top.
    pub fn layer(self, entries: &[Entry]) -> Self {
        self.layer_as(Compression::Gzip, entries)
    }

    pub fn layer_as(self, compression: Compression, entries: &[Entry]) -> Self {
        self.raw_layer(compression, tar(entries))
    }

    /// Adds a layer of any bytes that stand where the tar archive should be.
    pub fn raw_layer(mut self, compression: Compression, tar: Vec<u8>) -> Self {
        self.layers.push((compression, tar));
        self
    }

    /// Replaces the `config` object (image-spec, config.md): Env, Entrypoint, Cmd, User, ...
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Such as `linux/arm/v7`.
    pub fn platform(mut self, text: &str) -> Self {
        let mut parts = text.split('/').map(str::to_owned);
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        self.platform = Platform { os, architecture, variant: parts.next() };
        self
    }

    /// With the media types of docker's schema 2.
    pub fn docker(mut self) -> Self {
        self.flavour = Flavour::Docker;
        self
    }

    pub fn build(&self) -> Built {
        let (config_type, manifest_type) = match self.flavour {
            Flavour::Oci => {
                ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json")
            }
            Flavour::Docker => (
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.distribution.manifest.v2+json",
            ),
        };
        let diff_ids: Vec<String> =
            self.layers.iter().map(|(_, tar)| format!("sha256:{}", sha256_hex(tar))).collect();
        let mut config = json!({
            "os": self.platform.os, "architecture": self.platform.architecture, "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        if let Some(variant) = &self.platform.variant {
            config["variant"] = json!(variant);
        }
        let config = Blob::new(config_type, config.to_string().into_bytes());
        let layers: Vec<Blob> = self
            .layers
            .iter()
            .map(|(how, tar)| Blob::new(how.media_type(self.flavour), how.apply(tar)))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": manifest_type, "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        });
        let manifest = Blob::new(manifest_type, manifest.to_string().into_bytes());
        Built { manifest, config, layers, platform: self.platform.clone() }
    }
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct Built {
    pub manifest: Blob,
    pub config: Blob,
    pub layers: Vec<Blob>,
    pub platform: Platform,
}

impl Built {
    /// The same image with a manifest edited at will; configuration and layers stay.
    pub fn with_manifest(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(&self.manifest.bytes).unwrap();
        edit(&mut value);
        self.manifest = Blob::new(&self.manifest.media_type, value.to_string().into_bytes());
        self
    }

    /// The manifest's descriptor with its platform.
    pub fn descriptor(&self) -> Value {
        let mut descriptor = self.manifest.descriptor();
        descriptor["platform"] =
            json!({ "os": self.platform.os, "architecture": self.platform.architecture });
        if let Some(variant) = &self.platform.variant {
            descriptor["platform"]["variant"] = json!(variant);
        }
        descriptor
    }

    /// Configuration, layers and manifest.
    pub fn blobs(&self) -> Vec<&Blob> {
        self.layers.iter().chain([&self.config, &self.manifest]).collect()
    }
}

/// An image index of several images.
pub fn index_of(images: &[&Built]) -> Blob {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let manifests: Vec<Value> = images.iter().map(|image| image.descriptor()).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
    Blob::new(media_type, index.to_string().into_bytes())
}

/// An OCI image layout to be, as a directory or an archive.
#[derive(Default)]
pub struct Layout {
    entries: Vec<Value>,
    blobs: Vec<Blob>,
}

impl Layout {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image with a name.
    pub fn named(self, name: &str, image: &Built) -> Self {
        self.add(image.manifest.descriptor(), Some(name), image.blobs())
    }

    pub fn unnamed(self, image: &Built) -> Self {
        self.add(image.manifest.descriptor(), None, image.blobs())
    }

    /// Adds an index of several images with a name.
    pub fn index(self, name: &str, images: &[&Built]) -> Self {
        let index = index_of(images);
        let all = images.iter().flat_map(|image| image.blobs()).chain([&index]).collect();
        self.add(index.descriptor(), Some(name), all)
    }

    /// Adds any entry, with the blobs it needs or not.
    pub fn add(mut self, mut descriptor: Value, name: Option<&str>, blobs: Vec<&Blob>) -> Self {
        if let Some(name) = name {
            descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        }
        self.entries.push(descriptor);
        for blob in blobs {
            if !self.blobs.iter().any(|other| other.digest == blob.digest) {
                self.blobs.push(blob.clone());
            }
        }
        self
    }

    /// The files with their paths below the layout, blobs first as most tools write them.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let blobs = self
            .blobs
            .iter()
            .map(|blob| (format!("blobs/{}", blob.digest.replace(':', "/")), blob.bytes.clone()));
        let index = json!({ "schemaVersion": 2, "manifests": self.entries }).to_string();
        let header = r#"{"imageLayoutVersion":"1.0.0"}"#;
        let own = [("index.json", index), ("oci-layout", header.to_owned())];
        blobs.chain(own.map(|(name, text)| (name.to_owned(), text.into_bytes()))).collect()
    }

    /// Writes the layout into `dir`, which is created.
    pub fn write(&self, dir: &Path) {
        for (path, bytes) in self.files() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// The members of an OCI archive, to be edited before [`tar`].
    pub fn members(&self) -> Vec<Entry> {
        self.files().iter().map(|(path, bytes)| Entry::file(path, bytes)).collect()
    }

    /// An OCI archive.
    pub fn archive(&self) -> Vec<u8> {
        tar(&self.members())
    }
}

/// Bytes that do not compress, the same each time (Marsaglia's xorshift).
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..size / 8).flat_map(|_| next().to_le_bytes()).collect()
}
