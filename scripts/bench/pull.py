#!/usr/bin/env python3
"""Called by bench.sh: pull.py [IMAGE...]. From a registry on this host to an unpacked image, beside other programs.

A row is one way: minimum/median of $BENCH_RUNS (3) rounds, in which all ways take turns; `ours/it` divides our minimum
and median by that row's. The CPU time counts daemons and the registry; memory that of the biggest process but the registry.
$BENCH_DIR (target/bench) keeps the images, $BENCH_PEERS names the other programs, $AIRSHIPCTL ours, $BENCH_FS of
`tmpfs ext4` where to unpack, $BENCH_EXT4 a directory for ext4 where there are no loop devices, $BENCH_NICE the priority
(-15).
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

import images
import measure
import peers
from measure import Daemon, Failed

NEEDED = ("docker-registry", "gzip", "zstd", "mkfs.ext4", "time")
# the biggest is for its memory: an ext4 in memory would hold it twice
ONLY_TMPFS = ("large",)
OURS = peers.Ours()


def main():
    names = sys.argv[1:] or list(images.NAMES)
    if unknown := set(names) - set(images.NAMES):
        sys.exit(f"bench.sh: no image {', '.join(sorted(unknown))}; there are: {', '.join(images.NAMES)}")
    # SIGTERM unwinds too, so that everything is stopped and unmounted
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        bench = Bench(stack, names)
        for name in names:
            bench.check(name)
            for kind in os.environ.get("BENCH_FS", "tmpfs ext4").split():
                if kind == "tmpfs" or name not in ONLY_TMPFS:
                    bench.compare(name, kind)
                    if name not in ONLY_TMPFS:
                        bench.cached(name, kind)


def chosen():
    """The other programs: those of $BENCH_PEERS, else those that are installed."""
    wanted = os.environ.get("BENCH_PEERS")
    found = []
    for peer in peers.PEERS:
        missing = peer.missing()
        if wanted is not None and peer.name in wanted.split() and missing:
            sys.exit(f"bench.sh: {peer.name} needs {', '.join(missing)}\nhint: scripts/setup.sh bench")
        if missing:
            print(f"without {peer.name}, which needs {', '.join(missing)} (scripts/setup.sh bench)", file=sys.stderr)
        elif wanted is None or peer.name in wanted.split():
            found.append(peer)
    return found


def prefer(stack, nice):
    """What else this machine does would be in all the times; children inherit it, servers too."""
    os.nice(nice)
    # with autogroups (sched(7)) that counts among the processes of one session only, and this file among sessions
    autogroup = pathlib.Path("/proc/self/autogroup")
    with contextlib.suppress(OSError):
        before = autogroup.read_text().split()[-1]
        autogroup.write_text(str(nice))
        stack.callback(autogroup.write_text, before)


class Bench:
    """The registry, the images in it and the file systems; `stack` ends them."""

    def __init__(self, stack, names):
        needed = [program for program in (*NEEDED, OURS.binary) if shutil.which(program) is None]
        if needed:
            sys.exit(f"bench.sh: install {', '.join(needed)}\nhint: scripts/setup.sh bench, cargo build --release")
        self.peers, self.rounds = chosen(), int(os.environ.get("BENCH_RUNS", "3"))
        directory = pathlib.Path(os.environ.get("BENCH_DIR", "target/bench")).absolute()
        self.layout = images.make(directory, names)
        for peer in self.peers:
            peer.prepare(directory)
        prefer(stack, int(os.environ.get("BENCH_NICE", "-15")))
        # short, as the address of a socket has at most 108 bytes
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, self.work, ignore_errors=True)
        self.stack, self.log = stack, self.work / "log"
        self.places = {"tmpfs": self.mount("tmpfs", "-t", "tmpfs", "-o", "mode=755", "tmpfs")}
        self.notes = {"tmpfs": ""}
        if "ext4" in os.environ.get("BENCH_FS", "ext4"):
            self.places["ext4"], self.notes["ext4"] = self.ext4()
        self.registries = {tls: self.registry(tls) for tls in sorted({peer.tls for peer in (OURS, *self.peers)})}
        # a second Ctrl-C must not cut short what the first one began to clean up
        stack.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)

    def mount(self, name, *options):
        place = self.work / name
        place.mkdir()
        subprocess.run(["mount", *options, place], check=True)
        self.stack.callback(subprocess.run, ["umount", "-l", place])
        return place

    def ext4(self):
        """An ext4 in memory, else the directory that the caller named."""
        if named := os.environ.get("BENCH_EXT4"):
            place = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=named))
            self.stack.callback(shutil.rmtree, place, ignore_errors=True)
            return place, f" ({named})"
        file = self.mount("memory", "-t", "tmpfs", "-o", "size=10g", "tmpfs") / "image"
        with open(file, "wb") as opened:
            opened.truncate(8 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0", file], check=True)
        try:
            # discarding blocks as files go costs kernel threads a CPU second that would fall into the next run
            return self.mount("ext4", "-o", "loop,nodiscard,noatime", file), " (in memory, loop device, nodiscard)"
        except subprocess.CalledProcessError:
            sys.exit("bench.sh: there are no loop devices\nhint: name a directory on ext4 in BENCH_EXT4")

    def registry(self, tls):
        """Its address and the server; all of them serve the same files."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        secure = ""
        if tls:
            key, certificate = self.work / "key.pem", self.work / "certificate.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                           check=True, stderr=subprocess.DEVNULL)
            secure = f", tls: {{certificate: {certificate}, key: {key}}}"
        configuration = self.work / f"registry-{port}.yml"
        configuration.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.layout.registry}}}}}\n"
            f'http: {{addr: "127.0.0.1:{port}"{secure}}}\n')
        server = Daemon(["docker-registry", "serve", configuration], self.work / f"registry-{port}.log")
        self.stack.callback(server.stop)
        server.wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        return f"127.0.0.1:{port}", server

    @contextlib.contextmanager
    def target(self, kind):
        """An empty directory, and the environment of what works in it; both go with all that was mounted below."""
        target = self.places[kind] / "t"
        target.mkdir()
        (target / "tmp").mkdir()
        # ch-image wants a USER, and its HTTP library heeds this variable more than --tls-no-verify
        env = {"USER": "root", **os.environ, "TMPDIR": str(target / "tmp"),
               "REQUESTS_CA_BUNDLE": str(self.work / "certificate.pem")}
        try:
            yield target, env
        finally:
            mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
            for mounted in reversed([line.split()[1] for line in mounts]):
                if mounted.startswith(f"{target}/"):
                    subprocess.run(["umount", "-l", mounted], check=False)
            # a helper of an interrupted program may still write; what stays would fail the next one
            shutil.rmtree(target, ignore_errors=True)

    def run(self, peer, name, kind):
        """The cost of one way in one directory."""
        host, registry = self.registries[peer.tls]
        with self.target(kind) as (target, env):
            daemon = peer.start(target, env)
            try:
                subprocess.run(["sync", "-f", target], check=True)
                return measure.cost(peer.command(target, host, name), self.log, env, registry, daemon)
            finally:
                if daemon:
                    daemon.stop()

    def check(self, name):
        """That what we unpack is what umoci does. It knows no zstd, but that image has the layers of `main`."""
        with self.target("tmpfs") as (target, env):
            measure.run(OURS.command(target, self.registries[False][0], name), self.log, env)
            ours = measure.tree_hash(OURS.rootfs(target))
        verdict = "not compared: umoci is not installed"
        if shutil.which("umoci"):
            with self.target("tmpfs") as (target, env):
                twin = "main" if name == "zstd" else name
                measure.run(["umoci", "unpack", "--image", f"{self.layout.oci}:{twin}", target / "b"], self.log, env)
                theirs = measure.tree_hash(target / "b/rootfs")
            if ours != theirs:
                sys.exit(f"bench.sh: {name}: ours is {ours}, but umoci's {theirs} (entries, bytes, hash)")
            verdict = "the same as umoci's"
        size = sum(file.stat().st_size for file in self.layout.layers(name))
        print(f"\n{name}: {len(self.layout.layers(name))} layers, {size / 1e6:.0f} MB; "
              f"{ours[0]} entries, {ours[1] / 1e6:.0f} MB, {verdict}")

    def compare(self, name, kind):
        """The table of one image on one file system."""
        rows = {peer: [] for peer in (OURS, *self.peers)}
        failed = {}
        for _ in range(self.rounds):
            for peer, costs in rows.items():
                if peer not in failed:
                    try:
                        costs.append(self.run(peer, name, kind))
                    except Failed as error:
                        failed[peer] = str(error)
        if OURS in failed:
            sys.exit(f"bench.sh: {failed[OURS]}")
        head(f"{name}, {kind}{self.notes[kind]}")
        for peer, costs in rows.items():
            if peer in failed:
                print(f"{peer.name:14} failed: {' '.join(failed[peer].split())[-150:]}")
            else:
                row(peer.name, costs, rows[OURS])

    def cached(self, name, kind):
        """What needs no unpacking: an archive loaded beside a pull, blobs verified beside sha256sum, an image present."""
        host, registry = self.registries[False]
        archive, reference = self.layout.archive(name), f"{host}/{name}"
        costs = {"load": [], "pull": [], "verify": [], "sha256sum": []}
        for _ in range(self.rounds):
            for way, arguments in (("load", ["load", archive, "--name", reference]), ("pull", ["pull", reference])):
                with self.target(kind) as (target, env):
                    subprocess.run(["sync", "-f", target], check=True)
                    costs[way].append(measure.cost(OURS.image(target, *arguments), self.log, env, registry))
        with self.target(kind) as (target, env):
            measure.run(OURS.command(target, host, name), self.log, env)
            blobs = list((target / "cache/blobs/sha256").iterdir())
            for _ in range(self.rounds):
                costs["verify"].append(measure.cost(OURS.image(target, "verify"), self.log, env))
                costs["sha256sum"].append(measure.cost(["sha256sum", *blobs], self.log, env))
            present = OURS.image(target, "pull", "--unpack", "--pull", "missing", reference)
            milliseconds = [measure.cpu_of(present, 5) for _ in range(self.rounds)]
        for way, other in (("load", "pull"), ("verify", "sha256sum")):
            row(way, costs[way], costs[way])
            row(f"  {other}", costs[other], costs[way])
        print(f"image present: {min(milliseconds):.1f}/{statistics.median(milliseconds):.1f} ms CPU of a pull --unpack")


def pair(values, digits=2):
    return f"{min(values):.{digits}f}/{statistics.median(values):.{digits}f}"


def head(title):
    print(f"\n{title}\n{'':14}{'wall s':>14}{'CPU s':>14}{'(registry)':>12}{'others':>8}{'peak MiB':>10}"
          f"{'ours/it: wall':>16}{'CPU':>12}{'own CPU':>12}", flush=True)


def row(name, costs, ours):
    """`own CPU` is without the registry's; `others` is what the rest of the machine took meanwhile."""
    def ratio(value):
        it, us = [value(cost) for cost in costs], [value(cost) for cost in ours]
        return f"{min(us) / max(min(it), 1e-6):.2f}/{statistics.median(us) / max(statistics.median(it), 1e-6):.2f}"
    registry, others = (statistics.median(values) for values in zip(*((c.registry, c.others) for c in costs)))
    print(f"{name:14}{pair([c.wall for c in costs]):>14}{pair([c.cpu for c in costs]):>14}"
          f"{registry:>12.2f}{others:>8.2f}{max(c.memory for c in costs):>10.0f}"
          f"{ratio(lambda c: c.wall):>16}{ratio(lambda c: c.cpu):>12}{ratio(lambda c: c.cpu - c.registry):>12}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failed as error:
        sys.exit(f"bench.sh: {error}")
