"""The list of packages beside the image: SPDX 2.3 in JSON, from what the recipe noted when it made the live root."""

import json
import re
import time

from checks import ASSETS

NOTHING = "NOASSERTION"


def identifier(*parts):
    """An SPDXID (SPDX 2.3, 7.2): letters, digits, dots and dashes; what else is in a version gets its number."""
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", lambda found: f"-{ord(found[0])}-", "-".join(parts))


def namespace(sha256):
    """A name of its own for each image, the same for the same bytes: a UUID of version 8 (RFC 9562, 5.8)."""
    digits = f"{sha256[:12]}8{sha256[13:16]}8{sha256[17:32]}"
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def package(found):
    """One binary package of Debian's; `found` has name, version, architecture, and as far as they are known source and sha256."""
    name, version, architecture = found["name"], found["version"], found["architecture"]
    # of the characters in names and versions, a package URL escapes only this one
    purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}".replace("+", "%2B")
    entry = {"SPDXID": identifier("deb", name, version, architecture), "name": name, "versionInfo": version,
             "downloadLocation": NOTHING, "filesAnalyzed": False, "licenseConcluded": NOTHING, "licenseDeclared": NOTHING,
             "copyrightText": NOTHING,
             "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]}
    if found.get("source"):
        entry["sourceInfo"] = f"built from source package {found['source']}"
    if found.get("sha256"):
        entry["checksums"] = [{"algorithm": "SHA256", "checksumValue": found["sha256"]}]
    return entry


def listed():
    """What the recipe noted: a list of mappings, sorted; none in an image whose recipe notes nothing."""
    try:
        with open(f"{ASSETS}/packages.json", encoding="utf-8") as file:
            return sorted(json.load(file), key=lambda found: (found["name"], found["architecture"], found["version"]))
    except FileNotFoundError:
        return []


def document(config, facts):
    """The document for the image of these facts, `None` without packages; no time or place of this run is in it."""
    sums = [{"algorithm": kind.upper(), "checksumValue": facts[f"{kind}sum"]} for kind in ("md5", "sha256")]
    image = {"SPDXID": "SPDXRef-image", "name": config.image, "downloadLocation": NOTHING, "filesAnalyzed": False,
             "primaryPackagePurpose": "OPERATING-SYSTEM", "licenseConcluded": NOTHING, "licenseDeclared": NOTHING,
             "copyrightText": NOTHING, "checksums": sums}
    entries = [package(found) for found in listed()]
    if not entries:
        return None
    links = [("SPDXRef-DOCUMENT", "DESCRIBES", image)] + [("SPDXRef-image", "CONTAINS", entry) for entry in entries]
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(config.options.epoch))
    text = json.dumps({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": config.image,
        "documentNamespace": namespace(facts["sha256sum"]),
        "creationInfo": {"created": created, "creators": ["Tool: isogen-builder"]},
        "packages": [image, *entries],
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}
                          for one, kind, other in links],
    }, ensure_ascii=False)
    return text + "\n"
