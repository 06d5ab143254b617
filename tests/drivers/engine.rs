//! `dockerd` for the tests: without systemd, without a bridge, on a socket and in directories of its
//! own. It brings its own containerd along; other engines on this host are not touched.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::guard::Authority;

pub struct Engine {
    process: Child,
    dir: tempfile::TempDir,
    address: SocketAddr,
}

impl Engine {
    /// Fails where `dockerd` is not installed: `scripts/setup.sh test` does that.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // for the test with another user, who is no member of the group that the engine looks for
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = |name: &str| dir.path().join(name);
        let log = File::create(path("dockerd.log")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("dockerd");
        command.arg("-H").arg(format!("unix://{}", path("docker.sock").display()));
        command.arg("-H").arg(format!("tcp://{address}")).arg("--tlsverify");
        for (name, file) in certificates(dir.path()) {
            command.arg(format!("--tls{name}={}", file.display()));
        }
        command.arg("--data-root").arg(path("data")).arg("--exec-root").arg(path("exec"));
        command.arg("--pidfile").arg(path("docker.pid"));
        // a bridge needs kernel modules and iptables; `none` and `host` are all that is tested
        command.args(["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]);
        command.args(["--userland-proxy=false"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().expect("docker.io is installed by scripts/setup.sh test");
        let mut engine = Self { process, dir, address };
        engine.wait_until_up();
        engine
    }

    fn wait_until_up(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            assert!(self.process.try_wait().unwrap().is_none(), "dockerd ended: {}", self.last_words());
            if UnixStream::connect(self.socket()).is_ok() && self.last_words().contains("API listen on") {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("dockerd does not come up: {}", self.last_words());
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// With TLS; [`Engine::certificates`] has what clients need.
    pub fn tcp_host(&self) -> String {
        format!("tcp://{}", self.address)
    }

    pub fn certificates(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let mut text = Vec::new();
        File::open(self.dir.path().join("dockerd.log")).unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).into_owned()
    }
}

/// Makes an authority with a certificate for the engine and one for clients; returns the engine's
/// options and files.
fn certificates(dir: &Path) -> [(&'static str, PathBuf); 3] {
    let authority = Authority::new("Engine CA");
    let write = |place: &str| {
        let (certificate, key) = authority.issue("127.0.0.1");
        let place = dir.join(place);
        std::fs::create_dir(&place).unwrap();
        let texts = [("ca.pem", authority.pem()), ("cert.pem", certificate), ("key.pem", key)];
        texts.iter().for_each(|(name, text)| std::fs::write(place.join(name), text).unwrap());
        place
    };
    write("client");
    let server = write("server");
    [("cacert", server.join("ca.pem")), ("cert", server.join("cert.pem")), ("key", server.join("key.pem"))]
}

impl Drop for Engine {
    /// Politely, so that it ends its containerd too.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let begun = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begun.elapsed() > Duration::from_secs(20) {
                let _ = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
