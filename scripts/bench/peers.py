"""The ways from a registry to an unpacked image that `bench.sh pull` compares: what each needs, and what it runs."""
import json
import os
import pathlib
import shutil
import subprocess

from measure import Daemon, Failed


class Peer:
    """One way. `start` brings up in an empty directory what does not count, `command` is measured, `stop` ends the rest."""
    name, programs, tls = "", (), False

    def missing(self):
        return [program for program in self.programs if shutil.which(program) is None]

    def prepare(self, _bench):
        """Makes what is needed once."""

    def start(self, _target, _env):
        """Returns the daemon that works for the command, if there is one."""
        return None

    def command(self, target, host, image):
        raise NotImplementedError


class Ours(Peer):
    name = "airshipctl"

    def __init__(self):
        self.binary = os.path.abspath(os.environ.get("AIRSHIPCTL", "target/release/airshipctl"))
        self.programs = (self.binary,)

    def command(self, target, host, image):
        return self.image(target, "pull", "--unpack", f"{host}/{image}")

    def image(self, target, *arguments):
        return [self.binary, "image", *map(str, arguments), "--rootfs-cache", target / "cache"]

    def rootfs(self, target):
        return next((target / "cache/rootfs").glob("root-*")) / "rootfs"


class OciUnpack(Peer):
    """The example of a crate; made from the sources that cargo keeps."""
    name, programs, version = "oci-unpack", ("cargo",), "0.2.0"
    binary = pathlib.Path("oci-unpack")

    def prepare(self, bench):
        self.binary = bench / f"peers/oci-unpack-{self.version}/target/release/examples/unpack"
        if self.binary.exists():
            return
        print("building oci-unpack", flush=True)
        sources = bench / "peers" / f"oci-unpack-{self.version}"
        shutil.rmtree(sources, ignore_errors=True)
        shutil.copytree(self.fetch(bench / "peers/fetch"), sources)
        # its lock file names versions that a mirror may not have yet
        (sources / "Cargo.lock").unlink(missing_ok=True)
        subprocess.run(["cargo", "build", "-q", "--release", "--example", "unpack"], cwd=sources, check=True)

    def fetch(self, package):
        """Where cargo has unpacked the crate; a package that depends on it is the way to ask."""
        (package / "src").mkdir(parents=True, exist_ok=True)
        (package / "src/lib.rs").touch()
        (package / "Cargo.toml").write_text(
            f'[package]\nname = "fetch"\nedition = "2021"\n[dependencies]\noci-unpack = "={self.version}"\n[workspace]\n')
        asked = subprocess.run(["cargo", "metadata", "--format-version", "1"], cwd=package, check=True,
                               stdout=subprocess.PIPE)
        crates = json.loads(asked.stdout)["packages"]
        return pathlib.Path(next(c["manifest_path"] for c in crates if c["name"] == "oci-unpack")).parent

    def command(self, target, host, image):
        return [self.binary, f"{host}/{image}", target / "rootfs"]


class Umoci(Peer):
    name, programs = "skopeo+umoci", ("skopeo", "umoci")

    def command(self, target, host, image):
        copy = f"skopeo --insecure-policy copy -q --src-tls-verify=false docker://{host}/{image} oci:{target}/oci:{image}"
        return ["sh", "-ec", f"{copy}\numoci unpack --image {target}/oci:{image} {target}/bundle"]


class Podman(Peer):
    name, programs = "podman", ("podman",)

    def command(self, target, host, image):
        return ["podman", "--root", target / "root", "--runroot", target / "run", "--storage-driver", "overlay",
                "pull", "-q", "--tls-verify=false", f"docker://{host}/{image}"]


class ChImage(Peer):
    """Knows HTTPS only."""
    name, programs, tls = "ch-image", ("ch-image", "openssl"), True

    def command(self, target, host, image):
        # Debian's Python, for which its modules are installed
        return ["/usr/bin/python3", shutil.which("ch-image"), "pull", "--no-cache", "-s", target / "ch",
                "--tls-no-verify", f"{host}/{image}:latest"]


class Docker(Peer):
    """A daemon of its own, with which nothing is shared."""
    name, programs = "docker", ("docker", "dockerd", "containerd")

    def socket(self, target):
        return f"unix://{target}/docker.sock"

    def start(self, target, env):
        daemon = Daemon(["dockerd", "-H", self.socket(target), "--data-root", target / "data", "--exec-root",
                         target / "exec", "--pidfile", target / "docker.pid", "--bridge=none", "--iptables=false",
                         "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"],
                        target / "docker.log", env)
        def ready():
            return subprocess.run(["docker", "-H", self.socket(target), "version"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0
        try:
            daemon.wait_until(ready)
        except Failed:
            daemon.stop()
            raise
        return daemon

    def command(self, target, host, image):
        return ["docker", "-H", self.socket(target), "pull", "-q", f"{host}/{image}"]


PEERS = (OciUnpack(), Umoci(), Podman(), ChImage(), Docker())
