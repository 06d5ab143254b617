"""Saved packages: which are there as a lock file wants them, and an archive of exactly those for apt."""

import contextlib
import hashlib
import os
import shutil
import subprocess

from places import simple


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def every(lock):
    """Each package once, whichever roots have it."""
    return sorted({item for root in lock.packages.values() for item in root})


def missing(lock, debs):
    """Packages not saved; a file that differs is not what was locked, and goes."""
    absent = []
    for item in every(lock):
        path = os.path.join(debs, item.file)
        if os.path.exists(path) and digest(path) == item.sha256:
            with contextlib.suppress(PermissionError):
                os.utime(path)
            continue
        if os.path.lexists(path):
            os.unlink(path)
        absent.append(item)
    return absent


def refuse(absent, offers, mirrors):
    """Names every package that cannot be had as it is locked, and what there is instead."""
    rows = "".join(f"  {item.name} {item.version} {item.architecture} (sha256 {item.sha256}): {instead(item, offers.get(item.name, {}))}\n" for item in absent)
    raise simple(f"these packages are neither saved nor at the mirrors as they are locked:\n{rows}mirrors: {', '.join(mirrors) or 'none'}\n"
                 "  hint: name a snapshot mirror under `mirrors`; or --update, without --locked, takes the versions of today")


def instead(item, offer):
    """Says what the mirrors' lists have of a package; `offer` has their hashes by version."""
    if item.version not in offer:
        return f"the mirrors have {', '.join(offer) or 'no version of it'}"
    return "listed, but could not be fetched" if item.sha256 in offer[item.version] else "the mirrors have other bytes of that version"


def link(source, path):
    try:
        os.link(source, path)
    except OSError:
        # another's file, or another file system
        shutil.copyfile(source, path)


def control(path):
    made = subprocess.run(["dpkg-deb", "--field", path], stdout=subprocess.PIPE, check=False)
    if made.returncode != 0:
        raise simple(f"{path}: not a Debian package that dpkg-deb can read")
    return made.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def index(packages, debs, directory):
    """Writes an archive with nothing but these packages, from which apt can choose no others."""
    os.makedirs(directory)
    with open(os.path.join(directory, "Packages"), "w", encoding="utf-8", errors="surrogateescape") as file:
        for item in sorted(packages):
            path = os.path.join(directory, item.file)
            link(os.path.join(debs, item.file), path)
            file.write(f"{control(path)}\nFilename: ./{item.file}\nSize: {os.path.getsize(path)}\nSHA256: {item.sha256}\n\n")


def unpack(packages, debs, directory):
    """Unpacks packages that are not installed, but read from."""
    os.makedirs(directory)
    for item in sorted(packages):
        made = subprocess.run(["dpkg-deb", "--extract", os.path.join(debs, item.file), directory], check=False)
        if made.returncode != 0:
            raise simple(f"{item.file}: unpacking it: dpkg-deb ended with status {made.returncode}")
