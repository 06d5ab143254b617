"""The lock file: every package of an image, by name, version, architecture, source and hash."""

import json
import re
from dataclasses import asdict, dataclass

from places import simple

FORM = 1
ROOTS = ("live", "tools", "boot")
# they become parts of file names and apt's arguments
PARTS = {"name": r"[a-z0-9][a-z0-9+.-]+", "version": r"[0-9][A-Za-z0-9.+:~-]*", "architecture": r"all|[a-z0-9-]+",
         "source": r"[a-z0-9][a-z0-9+.-]+ [A-Za-z0-9.+:~-]+", "sha256": r"[0-9a-f]{64}"}
REMEDY = "\n  hint: make the image without --locked to have a lock file written anew"


@dataclass(frozen=True, order=True)
class Package:
    name: str
    version: str
    architecture: str
    source: str
    sha256: str

    @property
    def file(self):
        """The name apt gives it in a directory of saved packages."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    @property
    def label(self):
        return f"{self.name}={self.version}"


@dataclass(frozen=True)
class Lock:
    suite: str
    architecture: str
    # what was asked for, by root: the rest came with it
    request: dict
    # programs of the host whose versions show in the bytes
    host: dict
    # by root
    packages: dict


def fault(path, text):
    return simple(f"{path}: {text}{REMEDY}")


def package(path, value, where):
    if not isinstance(value, dict) or set(value) != set(PARTS):
        raise fault(path, f"{where}: not a package with {', '.join(PARTS)}")
    for key, pattern in PARTS.items():
        if not isinstance(value[key], str) or not re.fullmatch(pattern, value[key]):
            raise fault(path, f"{where}.{key}: {value[key]!r} is not allowed")
    return Package(**value)


def read(path):
    """Reads a lock file; whatever is not as this program writes it is refused by its place."""
    try:
        with open(path, encoding="utf-8") as file:
            body = json.load(file)
    except OSError as error:
        raise simple(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise fault(path, f"not a lock file: {error}") from None
    if not isinstance(body, dict) or body.get("form") != FORM:
        raise fault(path, f"not a lock file of form {FORM}")
    for key, kind in (("suite", str), ("architecture", str), ("request", dict), ("host", dict), ("packages", dict)):
        if not isinstance(body.get(key), kind):
            raise fault(path, f"{key}: missing, or of another type")
    for key in ("request", "packages"):
        if set(body[key]) != set(ROOTS) or not all(isinstance(value, list) for value in body[key].values()):
            raise fault(path, f"{key}: not lists for {', '.join(ROOTS)}")
    packages = {root: [package(path, value, f"packages.{root}[{i}]") for i, value in enumerate(body["packages"][root])] for root in ROOTS}
    return Lock(body["suite"], body["architecture"], body["request"], body["host"], packages)


def write(path, lock):
    """One package a line, so that two lock files can be compared by eye."""
    lines = []
    for root in ROOTS:
        rows = ",\n".join("   " + json.dumps(asdict(item)) for item in sorted(lock.packages[root]))
        lines.append(f'  "{root}": [\n{rows}\n  ]')
    head = {"form": FORM, "suite": lock.suite, "architecture": lock.architecture, "request": lock.request, "host": lock.host}
    rows = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    with open(path, "w", encoding="utf-8") as file:
        file.write("{\n" + rows + ',\n "packages": {\n' + ",\n".join(lines) + "\n }\n}\n")


def differences(lock, suite, architecture, request):
    """What a configuration asks for and a lock file does not hold, in words."""
    found = []
    for what, theirs, ours in (("suite", lock.suite, suite), ("architecture", lock.architecture, architecture)):
        if theirs != ours:
            found.append(f"{what}: locked {theirs}, configured {ours}")
    for root in ROOTS:
        locked, asked = set(lock.request[root]), set(request[root])
        found += [f"{name}: configured, not locked" for name in sorted(asked - locked, key=str)]
        found += [f"{name}: locked, not configured" for name in sorted(locked - asked, key=str)]
    return found
