#!/usr/bin/env python3
"""Called by bench.sh: run.py. From the start of a command to the first instruction of a builder that is in the cache.

A row is one way: minimum/median of $BENCH_RUNS (20) rounds, in which all ways take turns; `ours/it` divides our minimum
and median by that row's. `runc` gets the config.json of our run, with Docker's seccomp profile and a network namespace
added, on the same files. $AIRSHIPCTL names our program, $BENCH_NICE the priority (-15).
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import measure
import pull
import seccomp
from measure import Failed

BINARY = os.path.abspath(os.environ.get("AIRSHIPCTL", "target/release/airshipctl"))
IMAGE = "localhost/bench:1"
# somebody without a name, and so without subordinate ids
USER = 54321
SITE = pathlib.Path("tests/fixtures/example-site").absolute()


class Ours:
    """`bootstrap isogen` with a cache, state and volume of its own, as root or as the user."""

    def __init__(self, work, uid, number=0):
        self.uid, self.home, self.cache = uid, work / f"{uid}-{number}", work / f"cache-{uid}"
        self.volume, self.program, self.log = self.home / "volume", str(work / "airshipctl"), work / "log"
        self.name = "airshipctl" if uid == 0 else "airshipctl, single id"
        self.volume.mkdir(parents=True)
        conf = (SITE / "isogen.yaml").read_text().replace("/srv/isogen", str(self.volume))
        (self.home / "isogen.yaml").write_text(conf.replace("builder:", f"  image: {IMAGE}\nbuilder:", 1))
        self.places = ["--rootfs-cache", self.cache, "--state-dir", self.home / "state"]
        self.command = self.wrapped("bootstrap", "isogen", "--conf", self.home / "isogen.yaml", *self.places, SITE / "documents")

    def wrapped(self, *arguments):
        become = ["setpriv", "--reuid", self.uid, "--regid", self.uid, "--clear-groups"] if self.uid else []
        return [*map(str, become), self.program, *map(str, arguments)]

    def give(self):
        for path in [self.home, *self.home.rglob("*")]:
            os.chown(path, self.uid, self.uid)

    def load(self, image):
        self.cache.mkdir()
        os.chown(self.cache, self.uid, self.uid)
        measure.run(self.wrapped("image", "load", image, "--name", IMAGE, "--rootfs-cache", self.cache), self.log, os.environ)

    def config(self):
        """config.json of a run, which `--debug` keeps."""
        measure.run([self.program, "--debug", *self.command[1:]], self.log, os.environ)
        kept = next((self.home / "state/runs").iterdir())
        config = json.loads((kept / "bundle/config.json").read_text())
        shutil.rmtree(self.home / "state")
        return config


def image(work, program):
    """An OCI image layout whose only layer is the builder."""
    layout = work / "layout"
    umoci = lambda *words: subprocess.run(["umoci", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:{IMAGE}")
    umoci("insert", "--image", f"{layout}:{IMAGE}", program, "/builder")
    umoci("config", "--image", f"{layout}:{IMAGE}", "--config.entrypoint", "/builder")
    return layout


def runc(work, ours):
    """The same isolation for the same file, by runc."""
    bundle, config = work / "bundle", ours.config()
    (bundle / "rootfs").mkdir(parents=True)
    shutil.copy(work / "builder", bundle / "rootfs/builder")
    capabilities = config["process"]["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        # what our program needs to load its filter, and drops
        capabilities[kind] = [name for name in capabilities[kind] if name != "CAP_SYS_ADMIN"]
    config["root"] = {"path": "rootfs", "readonly": False}
    config["linux"]["namespaces"].append({"type": "network"})
    config["linux"]["cgroupsPath"] = "/airshipctl-bench"
    config["linux"]["seccomp"] = seccomp.profile(capabilities["bounding"])
    (bundle / "config.json").write_text(json.dumps(config))
    return ["runc", "--root", work / "runc", "run", "--bundle", bundle, "airshipctl-bench"]


def docker(work, stack, archive):
    """A daemon of its own."""
    peer = pull.peers.Docker()
    place = work / "docker"
    place.mkdir()
    daemon = peer.start(place, os.environ)
    stack.callback(daemon.stop)
    client = ["docker", "-H", peer.socket(place)]
    subprocess.run([*client, "load", "-q", "-i", archive], check=True, stdout=subprocess.DEVNULL)
    return client, daemon


class Bench:
    """The ways, and what they have in common; `stack` ends them."""

    def __init__(self, stack):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, self.work, ignore_errors=True)
        self.work.chmod(0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.work], check=True)
        stack.callback(subprocess.run, ["umount", "-l", self.work])
        self.root, self.user = Ours(self.work, 0), Ours(self.work, USER)
        subprocess.run(["cc", "-O2", "-static", "-o", self.work / "builder", "scripts/bench/builder.c"], check=True)
        # where the user can reach it
        shutil.copy(BINARY, self.work / "airshipctl")
        layout = image(self.work, self.work / "builder")
        subprocess.run(["chmod", "-R", "a+rX", layout], check=True)
        for ours in (self.root, self.user):
            ours.give()
            ours.load(layout)
        self.ways = {ours.name: (ours.command, None) for ours in (self.root, self.user)}
        self.ways["runc"] = (runc(self.work, self.root), None)
        self.engines(stack, layout)
        pull.prefer(stack, int(os.environ.get("BENCH_NICE", "-15")))

    def engines(self, stack, layout):
        """Those that are installed, with the volume of root and neither bridge nor limits."""
        archive, volume = self.work / "archive.tar", f"{self.root.volume}:/config"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:{IMAGE}",
                        f"docker-archive:{archive}:{IMAGE}"], check=True)
        if shutil.which("dockerd"):
            client, daemon = docker(self.work, stack, archive)
            self.ways["docker"] = ([*client, "run", "--rm", "--network", "none", "-v", volume, IMAGE], daemon)
        if shutil.which("podman"):
            podman = ["podman", "--root", self.work / "podman", "--runroot", self.work / "podman-run", "--runtime", "runc",
                      "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
            subprocess.run([*podman, "load", "-q", "-i", archive], check=True, stdout=subprocess.DEVNULL)
            # this may not raise limits
            self.ways["podman"] = ([*podman, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
                                    "--ulimit", "nproc=1024:1024", "-v", volume, IMAGE], None)

    def once(self, name):
        """Seconds to the first instruction, to the end, and of CPU, all of one run."""
        command, daemon = self.ways[name]
        first = (self.user if name == self.user.name else self.root).volume / "first"
        first.unlink(missing_ok=True)
        before, served = resource.getrusage(resource.RUSAGE_CHILDREN), daemon.cpu() if daemon else 0.0
        start = time.monotonic()
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        end = time.monotonic()
        if done.returncode != 0:
            raise Failed(f"{name}: {done.returncode}: {done.stdout.decode(errors='replace')[-600:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = sum(after[:2]) - sum(before[:2]) + (daemon.cpu() - served if daemon else 0.0)
        return int(first.read_text()) / 1e9 - start, end - start, own

    def compare(self, rounds):
        rows, failed = {name: [] for name in self.ways}, {}
        for _ in range(rounds):
            for name in rows.keys() - failed.keys():
                try:
                    rows[name].append(self.once(name))
                except Failed as error:
                    failed[name] = error
        print(f"{'':24}{'first instr. ms':>18}{'whole run ms':>18}{'CPU ms':>18}   ours/it: first, whole, CPU")
        for name, row in rows.items():
            if name in failed:
                print(f"{name:24} failed: {' '.join(str(failed[name]).split())[-300:]}")
            else:
                print(f"{name:24}" + "".join(f"{pull.pair([s * 1000 for s in c], 1):>18}" for c in zip(*row)) + ratios(rows, row))
        if self.root.name in failed:
            sys.exit(1)

    def crowd(self, commands):
        """These runs with a volume each on one cache, one after the other and at once: runs in a second, and MiB of
        the biggest process."""
        rates, peaks = [], []
        for at_once in (1, len(commands)):
            start = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
                runs = [pool.submit(measure.run, command, self.work / f"log-{number}", os.environ)
                        for number, command in enumerate(commands)]
                peaks += [run.result()[1] for run in runs]
            rates.append(len(commands) / (time.monotonic() - start))
        return *rates, max(peaks)


def ratios(rows, row):
    ours = rows["airshipctl"]
    pairs = [f"{min(us) / min(it):.2f}/{statistics.median(us) / statistics.median(it):.2f}" for us, it in zip(zip(*ours), zip(*row))]
    return "   " + "  ".join(pairs)


def main():
    rounds = int(os.environ.get("BENCH_RUNS", "20"))
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        bench.compare(rounds)
        crowd = [Ours(bench.work, 0, number).command for number in range(1, 9)]
        crowds = [bench.crowd(crowd) for _ in range(3)]
    one, many, peak = (statistics.median(values) for values in zip(*crowds))
    print(f"8 runs on one cache: {one:.1f} a second one after the other, {many:.1f} at once, ratio {many / one:.2f}; "
          f"the biggest of our processes {peak:.0f} MiB")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failed as error:
        sys.exit(f"bench.sh: {error}")
