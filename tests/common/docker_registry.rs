//! The real registry: `docker-registry` from Debian, on loopback, in a directory of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http;
use super::image::{Blob, Built, index_of};

/// A running registry; ended and removed when dropped.
pub struct DockerRegistry {
    process: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

/// What the registry says goes here, below its directory.
const LOG: &str = "registry.log";

/// The user and the password of [`DockerRegistry::guarded`].
pub const LOGIN: (&str, &str) = ("ann", "s3cret");
/// The same as `htpasswd -B` writes it.
const HTPASSWD: &str = "ann:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

impl DockerRegistry {
    /// Fails the test where `docker-registry` is not installed: `scripts/setup.sh test` does that.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Self::serve(dir, &data, "")
    }

    /// The same images once more, over TLS with this certificate and key, for [`LOGIN`] only. The
    /// first registry has to live as long.
    pub fn guarded(&self, (certificate, key): (&str, &str)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = (write("cert.pem", certificate), write("key.pem", key));
        let passwords = write("htpasswd", HTPASSWD);
        let more = format!(
            "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            certificate.display(),
            key.display(),
            passwords.display()
        );
        Self::serve(dir, &self.dir.path().join("data"), &more)
    }

    /// The same images once more, over plain HTTP, for [`LOGIN`] only. The first registry has to live
    /// as long.
    pub fn with_login(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let passwords = dir.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let more = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", passwords.display());
        Self::serve(dir, &self.dir.path().join("data"), &more)
    }

    /// With the images in `data`; `more` goes below `http:`.
    fn serve(dir: tempfile::TempDir, data: &Path, more: &str) -> Self {
        for _ in 0..5 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let config = dir.path().join("config.yml");
            let text = format!(
                "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{more}",
                data.display()
            );
            std::fs::write(&config, text).unwrap();
            let mut command = Command::new("docker-registry");
            let log = std::fs::File::create(dir.path().join(LOG)).unwrap();
            command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(log);
            let mut process = command.spawn().expect("docker-registry is installed by scripts/setup.sh test");
            if wait_until_up(&mut process, &dir.path().join(LOG)) {
                return Self { process, address, dir };
            }
        }
        panic!("docker-registry does not come up");
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Host and port, as they stand in a reference.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Pushes an image and returns its full reference.
    pub fn push(&self, repository: &str, tag: &str, image: &Built) -> String {
        self.push_blobs(repository, image);
        self.push_manifest(repository, tag, &image.manifest);
        format!("{}/{repository}:{tag}", self.host())
    }

    /// Pushes an index of several images and returns its full reference.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[&Built]) -> String {
        for image in images {
            self.push_blobs(repository, image);
            self.push_manifest(repository, &image.manifest.digest, &image.manifest);
        }
        self.push_manifest(repository, tag, &index_of(images));
        format!("{}/{repository}:{tag}", self.host())
    }

    fn push_blobs(&self, repository: &str, image: &Built) {
        for blob in image.layers.iter().chain([&image.config]) {
            let begun = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
            let location = &begun.headers["location"];
            let location = location.strip_prefix(&format!("http://{}", self.address)).unwrap_or(location);
            let separator = if location.contains('?') { '&' } else { '?' };
            let target = format!("{location}{separator}digest={}", blob.digest);
            let put = self.send("PUT", &target, "application/octet-stream", &blob.bytes);
            assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
        }
    }

    /// Pushes a manifest or index whose parts are there.
    pub fn push_manifest(&self, repository: &str, name: &str, manifest: &Blob) {
        let target = format!("/v2/{repository}/manifests/{name}");
        let put = self.send("PUT", &target, &manifest.media_type, &manifest.bytes);
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    }

    fn send(&self, method: &str, target: &str, content_type: &str, body: &[u8]) -> http::Response {
        let answer = http::send(self.address, method, target, content_type, body);
        answer.unwrap_or_else(|error| {
            let log = std::fs::read_to_string(self.dir.path().join(LOG)).unwrap();
            panic!("{method} {target}: {error}; the registry says:\n{log}")
        })
    }
}

/// False where the port was taken by another meanwhile. That something answers there proves nothing:
/// it may be another test's, which will be gone in the midst of this one.
fn wait_until_up(process: &mut Child, log: &Path) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if std::fs::read_to_string(log).unwrap().contains("listening on") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = process.kill();
    let _ = process.wait();
    false
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
