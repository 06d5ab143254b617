"""Files for the node: those that a configuration names, and archives of container images."""

import os
import re
import tarfile
from dataclasses import dataclass

import yaml

from places import beside, entries, kind

# emptied or written when the root is made, or mounted over on the node
TAKEN = ("/boot", "/dev", "/etc/apt/sources.list", "/proc", "/run", "/sys", "/tmp", "/var/cache", "/var/lib/apt/lists", "/var/log", "/var/run")
IMAGES = "/var/lib/airship/images"
KEYS = ("path", "source", "mode")


@dataclass(frozen=True)
class Entry:
    path: str
    source: str
    mode: int


def target(node, faults, where):
    """The path on the node; one that leads elsewhere, or that would not be there, is a fault."""
    if not node.tag.endswith(":str"):
        return faults.add(node, f"{where}: {kind(node)}, not text", "an absolute path on the node")
    path = node.value
    parts = path.split("/")
    if not path.startswith("/") or {"", ".", ".."} & set(parts[1:]) or not path.isprintable():
        return faults.add(node, f"{where}: {path!r} is not a path within the node's root", "an absolute path without `..`, such as /etc/motd")
    taken = next((top for top in TAKEN if path == top or path.startswith(top + "/")), None)
    if taken:
        return faults.add(node, f"{where}: what is below {taken} would not be on the node", "another directory")
    return path


def origin(node, faults, where):
    if not node.tag.endswith(":str") or not node.value:
        return faults.add(node, f"{where}: {kind(node)}, not text", "the path of a file, beside this one")
    path = beside(node, node.value)
    if not os.path.exists(path):
        return faults.add(node, f"{where}: {path}: not there", "a path beside this file, or an absolute one")
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return faults.add(node, f"{where}: {path}: not a file that can be read", "each file has an entry of its own")
    return path


def mode(node, faults, where):
    value = node.value if isinstance(node, yaml.ScalarNode) else ""
    # as it is written, since YAML reads 0644 as 420 and 644 as it is
    if not re.fullmatch("0?[0-7]{3}|[0-7]{4}|0o[0-7]{3,4}", value):
        return faults.add(node, f"{where}: {value or kind(node)!r} is not a mode", "octal digits, such as 0644")
    return int(value.removeprefix("0o"), 8)


def entry(node, faults, where):
    """One entry of `files`."""
    found = entries(node, KEYS, faults, where)
    for key in ("path", "source"):
        if found and key not in found:
            faults.add(node, f"{where}: no `{key}`", "path: where it is on the node; source: the file it is made from")
    if not {"path", "source"} <= set(found):
        return None
    path = target(found["path"], faults, f"{where}.path")
    source = origin(found["source"], faults, f"{where}.source")
    bits = mode(found["mode"], faults, f"{where}.mode") if "mode" in found else 0o644
    return None if None in (path, source, bits) else Entry(path, source, bits)


def image_fault(path):
    """Says why a file is no archive of container images, or nothing."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.removeprefix("./") in ("index.json", "manifest.json"):
                    return None
    except (OSError, tarfile.TarError, EOFError) as error:
        return f"{path}: not an archive of container images: {error}"
    return f"{path}: not an archive of container images: neither index.json (OCI) nor manifest.json (docker) is in it"


def images(node, faults, where):
    """The archives of a directory, as `skopeo copy` and `docker save` write them; all else in it is a fault."""
    hint = "a directory of .tar files, made with `skopeo copy docker://NAME oci-archive:FILE.tar:NAME` or `docker save`"
    directory = beside(node, node.value) if node.tag.endswith(":str") else None
    if directory is None or not os.path.isdir(directory):
        return faults.add(node, f"{where}: {directory or kind(node)}: not a directory", hint)
    names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
    for name in names:
        path = os.path.join(directory, name)
        fault = image_fault(path) if re.fullmatch(r"[A-Za-z0-9@._+-]+\.tar", name) else f"{path}: its name does not end with .tar, or has other than letters, digits and @._+-"
        if fault:
            faults.add(node, f"{where}: {fault}", hint)
    if not names:
        faults.add(node, f"{where}: {directory}: empty", hint)
    return [Entry(f"{IMAGES}/{name}", os.path.join(directory, name), 0o644) for name in names]


def write(path, found, epoch):
    """Writes the files, root's and of one date, as a tar without directories: those the node has stay as they are."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for item in sorted(found, key=lambda item: item.path):
            info = tarfile.TarInfo(item.path.lstrip("/"))
            info.size, info.mode, info.mtime = os.path.getsize(item.source), item.mode, epoch
            with open(item.source, "rb") as file:
                archive.addfile(info, file)
