"""Where packages come from: deb822 stanzas, checked before apt sees them, with their keys."""

import os
import re

from places import beside, kind

DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
FIELDS = {name.lower(): name for name in (
    "Types", "URIs", "Suites", "Components", "Architectures", "Signed-By", "Trusted", "Enabled", "Check-Valid-Until",
    "Check-Date", "Date-Max-Future", "Valid-Until-Min", "Valid-Until-Max", "By-Hash", "PDiffs", "Allow-Insecure",
    "Allow-Weak", "Allow-Downgrade-To-Insecure", "InRelease-Path", "Snapshot")}
URI = re.compile(r"(https?|file):/\S+")
# a mirror given by its URI alone; what is completed when the suite is known
SUITES = "@SUITES@"
HINT = "URIs, Suites, Components and Signed-By, each on a line of its own, as in sources.list(5)"


def stanzas(text):
    """Splits deb822 text into dictionaries of fields; raises ValueError."""
    found, field = [{}], None
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            found.append({})
            field = None
        elif line[0] in " \t":
            if field is None:
                raise ValueError(f"{line.strip()!r} continues nothing")
            found[-1][field] += "\n" + line
        else:
            name, colon, value = line.partition(":")
            field = FIELDS.get(name.strip().lower())
            if not colon or field is None:
                raise ValueError(f"{name.strip()!r} is not a field of a source")
            if field in found[-1]:
                raise ValueError(f"{field} is there twice")
            found[-1][field] = value.strip()
    return [stanza for stanza in found if stanza]


def key_file(path):
    """Says what is wrong with a key file, or nothing: apt tells armoured keys from others by their names only."""
    try:
        with open(path, "rb") as file:
            start = file.read(64)
    except OSError as error:
        return f"Signed-By: {path}: {error.strerror}"
    armoured = start.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    if armoured and not path.endswith(".asc"):
        return f"Signed-By: {path}: an armoured key, whose name has to end with .asc"
    # every packet's first byte has the highest bit (RFC 4880, 4.2)
    if not armoured and (path.endswith(".asc") or not start[:1] >= b"\x80"):
        return f"Signed-By: {path}: not an OpenPGP public key"
    return None


def signed(stanza, node, default):
    """Completes Signed-By, which is a file's path or a key; raises ValueError."""
    value = stanza.get("Signed-By", default)
    if stanza.get("Trusted", "no").lower() == "yes":
        return
    if value is None:
        raise ValueError("no Signed-By")
    if "-----BEGIN PGP PUBLIC KEY BLOCK-----" in value:
        return
    path = beside(node, value)
    fault = key_file(path)
    if fault:
        raise ValueError(fault)
    stanza["Signed-By"] = path


def check(stanza, node, default=None):
    for field in ("URIs", "Suites"):
        if not stanza.get(field):
            raise ValueError(f"no {field}")
    wrong = [uri for uri in stanza["URIs"].split() if not URI.fullmatch(uri)]
    if wrong:
        raise ValueError(f"URIs: {wrong[0]!r} is not http, https or file")
    if stanza.get("Types", "deb") != "deb":
        raise ValueError(f"Types: {stanza['Types']!r} is not deb")
    exact = any(suite.endswith("/") for suite in stanza["Suites"].split())
    if not exact and not stanza.get("Components"):
        raise ValueError("no Components")
    signed(stanza, node, default)
    return "\n".join(f"{name}: {value}" for name, value in ({"Types": "deb"} | stanza).items()) + "\n"


def text_of(node, faults, where):
    """The deb822 text of an entry, from the file that it names or itself."""
    if not node.tag.endswith(":str"):
        return faults.add(node, f"{where}: {kind(node)}, not text", "deb822 text after `- |`, or the path of a .sources file")
    if "\n" in node.value.strip() or not node.value.strip().endswith(".sources"):
        return node.value
    path = beside(node, node.value.strip())
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(1 << 20)
    except (OSError, UnicodeDecodeError) as error:
        return faults.add(node, f"{where}: {path}: {getattr(error, 'strerror', 'not text')}", "a file in the form of sources.list(5), deb822")


def source(node, faults, where, default=None):
    """One entry of `sources`: one stanza or more."""
    text = text_of(node, faults, where)
    if text is None:
        return None
    try:
        found = stanzas(text)
        if not found:
            raise ValueError("empty")
        return "\n".join(check(stanza, node, default) for stanza in found)
    except ValueError as error:
        key = "key" in str(error) or "Signed-By" in str(error)
        faults.add(node, f"{where}: {error}", "Signed-By: the path of the archive's public key, beside this file, or the key itself" if key else HINT)
        return None


def mirror(node, faults, where):
    """One entry of `mirrors`: like a source, or a URI of Debian's archive alone."""
    value = getattr(node, "value", None)
    if not node.tag.endswith(":str") or not URI.fullmatch(value.strip()) or value.strip().endswith(".sources"):
        return source(node, faults, where, DEBIAN_KEYS)
    if not os.path.exists(DEBIAN_KEYS):
        return faults.add(node, f"{where}: Signed-By: {DEBIAN_KEYS}: not there", "install debian-archive-keyring")
    suites = SUITES + ("security" if "security" in value else "")
    # what a snapshot holds is never fresh
    stale = "Check-Valid-Until: no\n" if re.search(r"/[0-9]{8}T[0-9]{6}Z", value) else ""
    return f"Types: deb\nURIs: {value.strip()}\nSuites: {suites}\nComponents: main\nSigned-By: {DEBIAN_KEYS}\n{stale}"


def complete(stanza, suite):
    """Puts the suites of a release into a mirror given by its URI."""
    return stanza.replace(SUITES + "security", f"{suite}-security").replace(SUITES, f"{suite} {suite}-updates")
