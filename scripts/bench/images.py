"""The images of `bench.sh pull`: made once from files of this host, as an OCI image layout that a registry shares.

`main` is 4 gzip layers (level 6) of 563 MB in 21,000 entries, `zstd` the same layers in zstd, `small` 113,000 entries of
832 MB in 3 layers, `large` one file of 4 GiB in one layer. What is in them differs from host to host, so that only
ratios of one run can be compared.
"""
import fcntl
import hashlib
import io
import json
import os
import pathlib
import platform
import random
import stat
import struct
import subprocess
import tarfile
import zlib
from dataclasses import dataclass

# is part of the cache's path: a change of the recipe must not meet images of the older one
RECIPE = "images-3"
NAMES = ("main", "zstd", "small", "large")
MIB = 1 << 20
ROOTS = ("/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/sbin")
# what one layer has of all of `main`: a base, then what is put on top of it
SHARES = (0.50, 0.75, 0.90, 1.0)
TYPE = "application/vnd.oci.image."
REF_NAME = "org.opencontainers.image.ref.name"
COMPRESSORS = {"gzip": ["gzip", "-6", "-n"], "zstd": ["zstd", "-q", "-3", "-T1"]}


@dataclass
class Layer:
    """One layer's tar, compressed in several ways at once."""
    diff_id: str
    blobs: dict


def make(directory, names):
    """Makes those of `names` that are missing in `directory`; returns the layout."""
    root = pathlib.Path(directory) / RECIPE
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        layout = Layout(root)
        for name in names:
            if layout.manifest(name) is None:
                print(f"making the image {name}", flush=True)
                MAKERS[name](layout)
    return layout


class Layout:
    """An OCI image layout at `oci`, and beside it the storage of docker-registry, with hard links to the same blobs."""

    def __init__(self, root):
        self.root, self.oci, self.registry = root, root / "oci", root / "registry"
        self.blobs = self.oci / "blobs/sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        (self.oci / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.index = self.oci / "index.json"
        if not self.index.exists():
            self.index.write_text(json.dumps({"schemaVersion": 2, "manifests": []}))

    def manifest(self, name):
        """The image's manifest, or None."""
        digest = self.digest(name)
        return digest and json.loads(self.blob(digest).read_text())

    def digest(self, name):
        for entry in json.loads(self.index.read_text())["manifests"]:
            if entry["annotations"][REF_NAME] == name:
                return entry["digest"]
        return None

    def blob(self, digest):
        return self.blobs / digest.removeprefix("sha256:")

    def layers(self, name):
        """The files of the image's compressed layers."""
        return [self.blob(layer["digest"]) for layer in self.manifest(name)["layers"]]

    def add(self, file):
        """Moves a file among the blobs: its digest and size."""
        with open(file, "rb") as opened:
            digest = "sha256:" + hashlib.file_digest(opened, "sha256").hexdigest()
        os.rename(file, self.blob(digest))
        return {"digest": digest, "size": self.blob(digest).stat().st_size}

    def add_json(self, kind, value):
        file = self.root / "json.tmp"
        file.write_text(json.dumps(value))
        return {"mediaType": TYPE + kind, **self.add(file)}

    def publish(self, name, layers, kind):
        """Puts the image into the index and into the registry; `layers` have a blob of `kind`."""
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        config = self.add_json("config.v1+json", {
            "architecture": machine, "os": "linux", "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            # ch-image requires it
            "history": [{"created_by": "scripts/bench/images.py"} for _ in layers]})
        manifest = self.add_json("manifest.v1+json", {
            "schemaVersion": 2, "mediaType": TYPE + "manifest.v1+json", "config": config,
            "layers": [{"mediaType": f"{TYPE}layer.v1.tar+{kind}", **layer.blobs[kind]} for layer in layers]})
        self.serve(name, manifest["digest"], [config, *(layer.blobs[kind] for layer in layers)])
        index = json.loads(self.index.read_text())
        # `main` and `zstd` are made together, also where one of them is there
        index["manifests"] = [e for e in index["manifests"] if e["annotations"][REF_NAME] != name]
        index["manifests"].append({**manifest, "annotations": {REF_NAME: name}})
        self.index.with_suffix(".tmp").write_text(json.dumps(index))
        os.rename(self.index.with_suffix(".tmp"), self.index)

    def serve(self, name, manifest, blobs):
        """As docker-registry's filesystem driver has it: links are files that hold a digest."""
        root = self.registry / "docker/registry/v2"
        image = root / "repositories" / name
        links = [image / "_layers/sha256" / blob["digest"][7:] for blob in blobs]
        links += [image / "_manifests/revisions/sha256" / manifest[7:]]
        links += [image / "_manifests/tags/latest/current", image / "_manifests/tags/latest/index/sha256" / manifest[7:]]
        digests = [blob["digest"] for blob in blobs] + [manifest] * 3
        for link, digest in zip(links, digests):
            link.mkdir(parents=True, exist_ok=True)
            (link / "link").write_text(digest)
            data = root / "blobs/sha256" / digest[7:9] / digest[7:] / "data"
            data.parent.mkdir(parents=True, exist_ok=True)
            if not data.exists():
                os.link(self.blob(digest), data)

    def archive(self, name):
        """An OCI archive of one image, made once."""
        file, manifest = self.root / f"{name}-{self.digest(name)[7:19]}.tar", self.manifest(name)
        if file.exists():
            return file
        index = json.loads(self.index.read_text())
        index["manifests"] = [e for e in index["manifests"] if e["digest"] == self.digest(name)]
        with tarfile.open(file.with_suffix(".tmp"), "w") as tar:
            tar.add(self.oci / "oci-layout", "oci-layout")
            put(tar, "index.json", json.dumps(index).encode())
            for digest in [self.digest(name), manifest["config"]["digest"], *(l["digest"] for l in manifest["layers"])]:
                tar.add(self.blob(digest), "blobs/sha256/" + digest[7:])
        return file.with_suffix(".tmp").rename(file)


class Sink:
    """A file to write a layer's tar to: it is hashed and goes to all compressors."""

    def __init__(self, layout, kinds):
        self.layout, self.hash = layout, hashlib.sha256()
        self.files = {kind: layout.root / f"layer.{kind}.tmp" for kind in kinds}
        self.children = {}
        for kind, file in self.files.items():
            with open(file, "wb") as output:
                self.children[kind] = subprocess.Popen(COMPRESSORS[kind], stdin=subprocess.PIPE, stdout=output)

    def write(self, data):
        self.hash.update(data)
        for child in self.children.values():
            child.stdin.write(data)
        return len(data)

    def layer(self):
        """Ends the layer."""
        for kind, child in self.children.items():
            child.stdin.close()
            if child.wait() != 0:
                raise SystemExit(f"{COMPRESSORS[kind]} failed: {child.returncode}")
        blobs = {kind: self.layout.add(file) for kind, file in self.files.items()}
        return Layer("sha256:" + self.hash.hexdigest(), blobs)


def write_layer(layout, kinds, fill):
    """`fill` puts the entries into the tar it is given."""
    sink = Sink(layout, kinds)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        fill(tar)
    return sink.layer()


def put(tar, name, data, kind=tarfile.REGTYPE, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.mode, entry.mtime = kind, len(data), mode, 1700000000
    tar.addfile(entry, io.BytesIO(data))


def add(tar, path):
    """A file of this host, with root as its owner and whole seconds, as builders of images have it."""
    entry = tar.gettarinfo(path, path.lstrip("/"))
    if entry.islnk():
        # the other names of the file may be in no layer
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", os.stat(path).st_size
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime, entry.mode = int(entry.mtime), entry.mode | 0o444
    if not entry.isreg():
        return tar.addfile(entry)
    with open(path, "rb") as file:
        return tar.addfile(entry, file)


def fraction(text):
    """A number in 0..1 that only depends on the text: spreads directories over layers, the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def host_directories():
    """Directories of this host with their (path, size), in an order that mixes them."""
    found = []
    for root in ROOTS:
        for directory, _, names in os.walk(root):
            found.append((directory, [(path, os.lstat(path)) for path in (f"{directory}/{name}" for name in names)]))
    for directory, files in sorted(found, key=lambda pair: fraction(pair[0])):
        plain = [(path, s.st_size) for path, s in files if stat.S_ISREG(s.st_mode) or stat.S_ISLNK(s.st_mode)]
        yield directory, [(path, size) for path, size in plain if os.access(path, os.R_OK) or os.path.islink(path)]


def choose(entries, size):
    """Paths of small files in whole directories up to the number of entries, then big files up to the size: few more."""
    directories, chosen, total, seen = list(host_directories()), [], 0, set()
    for directory, files in directories:
        if len(chosen) + len(seen) >= entries:
            break
        small = [(path, bytes_) for path, bytes_ in files if bytes_ < 32768]
        seen |= {directory, *map(str, pathlib.Path(directory).parents)} if small else set()
        chosen += [path for path, _ in small]
        total += sum(bytes_ for _, bytes_ in small)
    big = [file for _, files in directories for file in files if 32768 <= file[1] < 16 * MIB and is_program(file[0])]
    for path, bytes_ in sorted(big, key=lambda file: fraction(file[0])):
        if total + bytes_ <= size:
            chosen.append(path)
            total += bytes_
    return sorted(chosen)


def is_program(path):
    """Programs and libraries are most of an image's bytes; text and static libraries would compress better."""
    return os.access(path, os.X_OK) or ".so" in os.path.basename(path)


def fill_with_files(paths, extra):
    """Each directory comes once before its files; `extra` are (name, data) at the end."""
    def fill(tar):
        seen = {"/"}
        for path in paths:
            for parent in map(str, reversed(pathlib.Path(path).parents)):
                if parent not in seen:
                    seen.add(parent)
                    add(tar, parent)
            add(tar, path)
        for name, data in extra:
            put(tar, name, data)
    return fill


def make_main(layout):
    """Both `main` and `zstd`; the last layer removes a file of the first one and replaces another."""
    paths = choose(21_000, 563_000_000)
    parts, lower = [], 0.0
    for share in SHARES:
        parts.append([path for path in paths if lower <= fraction(os.path.dirname(path) + "/") < share])
        lower = share
    plain = [path for path in parts[0] if not os.path.islink(path)]
    removed = f"{os.path.dirname(plain[0])}/.wh.{os.path.basename(plain[0])}".lstrip("/")
    extras = [[], [], [], [(removed, b""), (plain[1].lstrip("/"), b"replaced\n")]]
    kinds = ["gzip", "zstd"]
    layers = [write_layer(layout, kinds, fill_with_files(part, extra)) for part, extra in zip(parts, extras)]
    layout.publish("main", layers, "gzip")
    layout.publish("zstd", layers, "zstd")


def text_of_host(size):
    """Text, of which small files are cut."""
    pool, endings = bytearray(), (".h", ".py", ".pl", ".pm", ".html", ".txt", ".md", ".json", ".xml", ".js", ".po", ".el")
    for _, files in host_directories():
        for path, bytes_ in files:
            if path.endswith(endings) and bytes_ < MIB and not os.path.islink(path):
                pool += pathlib.Path(path).read_bytes()
        if len(pool) >= size:
            break
    return pool


def make_small(layout):
    """40 files in a directory, most of them a few KiB, their mean such that 110,000 of them are 832 MB."""
    pool, generator = text_of_host(128 * MIB), random.Random(3)

    def fill(tar, layer):
        for directory in range(920):
            if directory % 40 == 0:
                put(tar, f"srv/{layer}/{directory // 40}", b"", tarfile.DIRTYPE, 0o755)
            path = f"srv/{layer}/{directory // 40}/{directory % 40:02}"
            put(tar, path, b"", tarfile.DIRTYPE, 0o755)
            for file in range(40):
                size = min(int(generator.lognormvariate(8.43, 1.0)), 60_000)
                start = generator.randrange(len(pool) - size)
                put(tar, f"{path}/file-{file:02}.txt", bytes(pool[start:start + size]))

    layers = [write_layer(layout, ["gzip"], lambda tar, layer=layer: fill(tar, layer)) for layer in range(3)]
    layout.publish("small", layers, "gzip")


def make_large(layout):
    """4 GiB: one compressed block repeated, each with an empty window before it, so that it costs one compression."""
    block = bytes(text_of_host(64 * MIB)[:64 * MIB])
    entry = tarfile.TarInfo("large")
    entry.size, entry.mtime = 64 * len(block), 1700000000
    deflate, file = zlib.compressobj(6, zlib.DEFLATED, -15), layout.root / "layer.gzip.tmp"
    pieces = [(entry.tobuf(), 1), (block, 64), (bytes(10240), 1)]
    hashed, crc, size = hashlib.sha256(), 0, 0
    with open(file, "wb") as output:
        output.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
        for data, times in pieces:
            compressed = deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)
            for _ in range(times):
                output.write(compressed)
                hashed.update(data)
                crc, size = zlib.crc32(data, crc), size + len(data)
        output.write(deflate.flush() + struct.pack("<II", crc, size % 2**32))
    layout.publish("large", [Layer("sha256:" + hashed.hexdigest(), {"gzip": layout.add(file)})], "gzip")


MAKERS = {"main": make_main, "zstd": make_main, "small": make_small, "large": make_large}
