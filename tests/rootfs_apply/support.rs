//! Layers built in memory, applied, and the result as text.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use airshipctl::error::{Doing, Error, ErrorKind, Result};
use airshipctl::image::digest::{Digest, sha256_hex};
use airshipctl::image::layer::Layer;
use airshipctl::image::rootfs::{Blob, Mapping, Ownership, Rootfs, Unpack, unpack, verified};
use oci_spec::image::MediaType;
use tempfile::TempDir;

/// As whom the suite runs; `main.rs` runs it as all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Root,
    /// Root of a user namespace with a range of ids.
    Mapped,
    /// Root of a user namespace in which it is alone.
    Single,
    Plain,
}

pub fn caller() -> Caller {
    if !nix::unistd::geteuid().is_root() {
        return Caller::Plain;
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let ids = map.lines().filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum();
    match ids {
        1 => Caller::Single,
        2..=1_000_000 => Caller::Mapped,
        _ => Caller::Root,
    }
}

/// Runs one test once more, as root of a user namespace: what needs mounts is tested by every user.
pub fn again_as_single(test: &str) {
    let me = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new("unshare");
    let output = command.arg("-rm").arg(me).args(["--exact", test, "--quiet"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "unshare -rm: {said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

pub fn ownership() -> Ownership {
    match caller() {
        Caller::Root | Caller::Mapped => Ownership::Keep,
        Caller::Single | Caller::Plain => Ownership::Own,
    }
}

pub fn keeps_owners() -> bool {
    ownership() == Ownership::Keep
}

/// One archive entry; `..of(name)` fills the rest in.
#[derive(Clone)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub link: &'a [u8],
    pub mode: u32,
    pub owner: (u64, u64),
    pub mtime: u64,
    pub device: (u32, u32),
    pub data: &'a [u8],
    /// The header's size where it differs from the data's.
    pub size: Option<u64>,
    pub pax: Vec<(&'a str, Vec<u8>)>,
}

pub fn of<'a>(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Entry<'a> {
    Entry {
        name: name.as_ref(),
        kind: b'0',
        link: b"",
        mode: 0o644,
        owner: (0, 0),
        mtime: 1_600_000_000,
        device: (0, 0),
        data: b"",
        size: None,
        pax: Vec::new(),
    }
}

pub fn pax_records(records: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (key, value) in records {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while body + length.to_string().len() != length {
            length += 1;
        }
        all.extend_from_slice(format!("{length} {key}=").as_bytes());
        all.extend_from_slice(value);
        all.push(b'\n');
    }
    all
}

/// An uncompressed layer.
#[derive(Clone, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn entry(mut self, entry: Entry<'_>) -> Self {
        if !entry.pax.is_empty() {
            let records = pax_records(&entry.pax);
            self = self.raw(&Entry { kind: b'x', data: &records, ..of("pax") });
        }
        self.raw(&entry)
    }

    fn raw(mut self, entry: &Entry<'_>) -> Self {
        let mut header = tar::Header::new_ustar();
        let ustar = header.as_ustar_mut().unwrap();
        assert!(entry.name.len() <= 100 && entry.link.len() <= 100, "use pax or long()");
        ustar.name[..entry.name.len()].copy_from_slice(entry.name);
        ustar.linkname[..entry.link.len()].copy_from_slice(entry.link);
        ustar.typeflag = [entry.kind];
        ustar.set_device_major(entry.device.0);
        ustar.set_device_minor(entry.device.1);
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.mtime);
        header.set_size(entry.size.unwrap_or(entry.data.len() as u64));
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.block(entry.data)
    }

    /// Bytes filled up to whole blocks.
    pub fn block(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn dir(self, name: &str) -> Self {
        self.entry(Entry { kind: b'5', mode: 0o755, ..of(name) })
    }

    pub fn file(self, name: &str, data: &str) -> Self {
        self.entry(Entry { data: data.as_bytes(), ..of(name) })
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(Entry { kind: b'2', link: target.as_bytes(), mode: 0o777, ..of(name) })
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(Entry { kind: b'1', link: target.as_bytes(), ..of(name) })
    }

    /// With the two blocks of zeros.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_str(&format!("sha256:{}", sha256_hex(bytes))).unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A cache, blobs, and a directory that nothing may change.
pub struct Site {
    pub home: TempDir,
    victim: String,
}

impl Site {
    pub fn new() -> Self {
        let home = TempDir::new().unwrap();
        let victim = home.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("secret"), "secret").unwrap();
        fs::set_permissions(victim.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(home.path().join("blobs")).unwrap();
        let mut site = Self { home, victim: String::new() };
        site.victim = site.victim_now();
        site
    }

    pub fn cache(&self) -> PathBuf {
        self.home.path().join("cache")
    }

    pub fn victim(&self) -> PathBuf {
        self.home.path().join("victim")
    }

    fn victim_now(&self) -> String {
        let secret = fs::metadata(self.victim().join("secret")).unwrap();
        format!("{} {} {}", list(&self.victim()), secret.nlink(), secret.ctime_nsec())
    }

    /// Fails the test if anything outside the rootfs has changed.
    pub fn check_victim(&self) {
        assert_eq!(self.victim, self.victim_now(), "something outside of the root was changed");
    }

    pub fn add_blob(&self, blob: &[u8], tar: &[u8], media_type: MediaType) -> Layer {
        let digest = digest_of(blob);
        fs::write(self.blob(&digest), blob).unwrap();
        Layer { digest, size: blob.len() as u64, media_type, diff_id: digest_of(tar) }
    }

    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.home.path().join("blobs").join(digest.digest())
    }

    pub fn add(&self, tar: Tar) -> Layer {
        let tar = tar.end();
        self.add_blob(&gzip(&tar), &tar, MediaType::ImageLayerGzip)
    }

    pub fn mapping(&self) -> Mapping {
        match caller() {
            Caller::Root => Mapping::root(),
            Caller::Mapped => Mapping::mapped(0, "0 0 1, 1 100000 65536"),
            Caller::Single | Caller::Plain => Mapping::single(nix::unistd::geteuid().as_raw()),
        }
    }

    pub fn unpack(&self, layers: &[Layer]) -> Result<Rootfs> {
        let cache = self.cache();
        let mapping = self.mapping();
        let job = Unpack { cache: &cache, mapping: &mapping, ownership: ownership(), layers };
        let unpacked = unpack(&job, &|_, layer| self.open(layer), None);
        self.check_victim();
        unpacked
    }

    pub fn open(&self, layer: &Layer) -> Result<Blob> {
        let file = File::open(self.blob(&layer.digest));
        verified(file.doing(ErrorKind::Image, || "opening blob".into())?, layer)
    }

    /// Nothing is visible, and nothing left over.
    pub fn check_empty(&self) {
        let left: Vec<_> =
            fs::read_dir(self.cache().join("rootfs")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }
}

pub struct Applied {
    pub site: Site,
    pub rootfs: Rootfs,
}

impl Applied {
    pub fn path(&self, name: &str) -> PathBuf {
        self.rootfs.path().join(name)
    }

    pub fn mode(&self, name: &str) -> u32 {
        self.path(name).symlink_metadata().unwrap().mode() & 0o7777
    }
}

/// Applies the layers, lowest first.
pub fn apply(layers: impl IntoIterator<Item = Tar>) -> Applied {
    let site = Site::new();
    let layers: Vec<_> = layers.into_iter().map(|tar| site.add(tar)).collect();
    let rootfs = site.unpack(&layers).unwrap();
    Applied { site, rootfs }
}

/// The names in the tree after the layers were applied, with contents and targets.
pub fn tree(layers: impl IntoIterator<Item = Tar>) -> String {
    list(apply(layers).rootfs.path())
}

/// Applies the layers, which must fail and leave nothing.
pub fn refused(layers: impl IntoIterator<Item = Tar>) -> Error {
    let site = Site::new();
    let layers: Vec<_> = layers.into_iter().map(|tar| site.add(tar)).collect();
    let error = site.unpack(&layers).expect_err("the layers were accepted");
    assert_eq!(error.kind(), ErrorKind::Image, "{error}");
    site.check_empty();
    error
}

/// Like [`refused`], and the message must contain `part`.
pub fn refused_with(layers: impl IntoIterator<Item = Tar>, part: &str) {
    let error = refused(layers).to_string();
    assert!(error.contains(part), "{part:?} is not in: {error}");
}

/// `name`, `name/`, `name -> target`, `name = content`, one word each, sorted.
pub fn list(root: &Path) -> String {
    let mut lines = Vec::new();
    list_into(root, root, &mut lines);
    lines.sort();
    lines.join("\n")
}

fn list_into(root: &Path, at: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let name =
            String::from_utf8_lossy(path.strip_prefix(root).unwrap().as_os_str().as_bytes()).into_owned();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            lines.push(format!("{name}/"));
            list_into(root, &path, lines);
        } else if kind.is_symlink() {
            lines.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
        } else if kind.is_file() {
            let content = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            lines.push(format!("{name} = {}", content.unwrap_or_else(|_| "?".into())));
        } else {
            lines.push(format!("{name} is {}", if kind.is_fifo() { "a fifo" } else { "a device" }));
        }
    }
}
