"""From apt's answers to a lock: what it would install, and how the archive's signed lists describe that."""

import os
import re
import subprocess

import lock
from places import simple

# what they make of the same packages may differ from version to version
HOST = ("mmdebstrap", "squashfs-tools", "zstd", "mtools", "grub-common", "fakeroot", "fakechroot")


def chosen(simulation):
    """Name, version and architecture of each package that `apt-get --simulate install` names."""
    with open(simulation, encoding="utf-8") as file:
        return [match.groups() for match in re.finditer(r"^Inst (\S+) \((\S+) .*\[(\S+)\]\)", file.read(), re.MULTILINE)]


def fields(stanza):
    return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))


def described(stanzas):
    """The packages of `apt-cache show`, by name, version and architecture; the first of several sources counts."""
    found = {}
    with open(stanzas, encoding="utf-8", errors="surrogateescape") as file:
        for stanza in file.read().split("\n\n"):
            field = fields(stanza)
            if "SHA256" not in field:
                continue
            name, _, version = field.get("Source", field["Package"]).partition(" ")
            source = f"{name} {version.strip('()') or field['Version']}"
            key = field["Package"], field["Version"], field["Architecture"]
            found.setdefault(key, lock.Package(*key, source, field["SHA256"]))
    return found


def ask(*command):
    """What one of apt's programs says; what it does not know it leaves out."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="surrogateescape", check=False).stdout


def available(labels):
    """Which of NAME=VERSION apt's lists have."""
    rows = ask("apt-cache", "madison", *sorted({label.partition("=")[0] for label in labels}))
    had = {"=".join(part.strip() for part in row.split("|")[:2]) for row in rows.splitlines()}
    return [label for label in labels if label in had]


def offers(names, architecture):
    """By name and version, the hashes that apt's lists have for packages."""
    found = {}
    for stanza in ask("apt-cache", "show", *names).split("\n\n"):
        field = fields(stanza)
        if field.get("Architecture") in ("all", architecture) and "SHA256" in field:
            found.setdefault(field["Package"], {}).setdefault(field["Version"], set()).add(field["SHA256"])
    return found


def mirrors():
    """Those that apt's lists are of, without the names and passwords that their URIs may have."""
    uris = ask("apt-get", "indextargets", "--format", "$(REPO_URI)").split()
    return sorted({re.sub("//[^/]*@", "//", uri) for uri in uris})


def root(directory, name):
    known = described(os.path.join(directory, f"{name}.stanzas"))
    if name == "boot":
        return list(known.values())
    wanted = chosen(os.path.join(directory, f"{name}.simulation"))
    absent = [" ".join(key) for key in wanted if key not in known]
    if absent or not wanted:
        raise simple(f"{name}: the mirrors' lists do not describe {', '.join(absent) or 'anything'}\n  hint: --update reads them anew")
    return [known[key] for key in wanted]


def requests(directory):
    """What the recipe asks for, by root."""
    found = {}
    for name in lock.ROOTS:
        with open(os.path.join(directory, f"{name}.packages"), encoding="utf-8") as file:
            found[name] = file.read().split()
    return found


def host():
    made = subprocess.run(["dpkg-query", "--show", *HOST], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    rows = (row.split("\t") for row in made.stdout.splitlines())
    return {row[0].partition(":")[0]: row[1] for row in rows if row[-1]}


def make(directory):
    """The lock of what apt chose."""
    packages = {name: root(directory, name) for name in lock.ROOTS}
    settings = os.environ
    return lock.Lock(settings["BUILDER_SUITE"], settings["BUILDER_ARCHITECTURE"], requests(directory), host(), packages)
