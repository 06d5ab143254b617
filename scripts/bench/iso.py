#!/usr/bin/env python3
"""Called by bench.sh: iso.py. What assembling the ISO costs, beside a bare xorriso of the same content with its checksums.

All programs are those of the builder image ($BENCH_IMAGE, default target/builder-image), run in it by chroot(8); `openssl`
is this host's. A row is CPU seconds of one way, minimum/median of $BENCH_RUNS (15) rounds, in which all ways take turns.
`copy` stands for an image made beforehand, copied and patched: what patching and finding the place cost would be added.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import measure
from measure import Failed

IMAGE = pathlib.Path(os.environ.get("BENCH_IMAGE", "target/builder-image"))
USER_DATA = "#cloud-config\nhostname: ephemeral\nwrite_files:\n- {path: /etc/example, content: example}\n"
NETWORK = """version: 2
ethernets:
  oam0: {match: {macaddress: "52:54:00:bf:b2:d8"}, set-name: oam0, addresses: [10.23.25.101/24]}
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": "1750000000"}


def unpack(root):
    """The builder image's files; its layers have no whiteouts."""
    blob = lambda descriptor: IMAGE / "blobs" / descriptor["digest"].replace(":", "/")
    index = json.loads((IMAGE / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    for layer in manifest["layers"]:
        program = {"zstd": ["-I", "zstd"], "gzip": ["-z"]}.get(layer["mediaType"].rpartition("+")[2], [])
        subprocess.run(["tar", "-x", *program, "-f", blob(layer), "-C", root, "--exclude=./dev/*"], check=True)


def prepare(work):
    """Unpacks the image, has it make an ISO, and returns the ways to compare."""
    root = work / "root"
    root.mkdir()
    unpack(root)
    volume, tree = root / "config", root / "tree"
    volume.mkdir()
    for name, text in {"user-data": USER_DATA, "network-config": NETWORK, "meta-data": "instance-id: one\nlocal-hostname: node\n",
                       "builder-conf.yaml": "container: {volume: /config}\nbuilder: {}\n"}.items():
        (volume / name).write_text(text)
    within = ["chroot", root]
    builder = [*within, "/usr/local/bin/build-iso"]
    measure.run(builder, work / "log", ENVIRONMENT)
    # what the builder gives xorriso, read from its own module
    script = ("import sys; sys.path[:0] = ['/usr/local/lib/isogen/build_iso', '/usr/lib/python3/dist-packages']; import configuration, listing, medium, "
              "menu, os, seed, json; c = configuration.read(); os.mkdir('/tree'); seed.make(c, '/tree'); menu.write(c.options, '/tree'); "
              "listing.write('/tree'); print(json.dumps(medium.arguments(c.options, '/tree', '/config/bare.iso')))")
    bare = json.loads(subprocess.run([*within, "python3", "-ISB", "-c", script], env=ENVIRONMENT, check=True, capture_output=True).stdout)
    iso, copy = "/config/ephemeral.iso", "/config/copy.iso"
    return root, {"cp": [*within, "cp", iso, copy], "xorriso alone": [*within, *bare], "md5sum": [*within, "md5sum", iso],
                  "sha256sum": [*within, "sha256sum", iso], "openssl md5": ["openssl", "dgst", "-md5", f"{root}{iso}"],
                  "openssl sha256": ["openssl", "dgst", "-sha256", f"{root}{iso}"], "builder": builder}


def measured(root, ways, log, rounds):
    rows = {name: [] for name in ways}
    for _ in range(rounds):
        for name, command in ways.items():
            for old in ("copy.iso", "bare.iso"):
                (root / "config" / old).unlink(missing_ok=True)
            usage, _ = measure.run(command, log, ENVIRONMENT)
            rows[name].append(usage.ru_utime + usage.ru_stime)
            if name == "xorriso alone" and (root / "config/bare.iso").read_bytes() != (root / "config/ephemeral.iso").read_bytes():
                raise Failed("the bare xorriso does not make the builder's image")
    return rows


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "target")) as directory:
        work = pathlib.Path(directory).absolute()
        root, ways = prepare(work)
        rows = measured(root, ways, work / "log", int(os.environ.get("BENCH_RUNS", "15")))
        size = (root / "config/ephemeral.iso").stat().st_size
    plus = lambda *names: [sum(each) for each in zip(*(rows[name] for name in names))]
    rows["xorriso, md5sum, sha256sum"] = floor = plus("xorriso alone", "md5sum", "sha256sum")
    rows["xorriso and openssl's sums"] = plus("xorriso alone", "openssl md5", "openssl sha256")
    rows["copy and openssl's sums"] = plus("cp", "openssl md5", "openssl sha256")
    print(f"an ISO of {size / 1e6:.1f} MB; CPU seconds, minimum/median")
    for name, row in rows.items():
        pair = [of(row) for of in (min, statistics.median)]
        ours = [of(rows["builder"]) / one for of, one in zip((min, statistics.median), pair)]
        print(f"{name:28}{pair[0]:8.3f}/{pair[1]:.3f}   builder/it {ours[0]:.2f}/{ours[1]:.2f}")
    over = statistics.median(rows["builder"]) / statistics.median(floor)
    if over > 1.2:
        sys.exit(f"bench.sh: the builder takes {over:.2f} times what xorriso and the checksums do; 1.2 is the limit")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failed as error:
        sys.exit(f"bench.sh: {error}")
