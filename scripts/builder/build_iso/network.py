"""Which forms of network data NoCloud takes."""

from checks import read_yaml

DEVICES = ("ethernets", "bonds", "bridges", "vlans", "wifis")


def fault(value):
    """Names what is wrong with the form, or returns None."""
    if not isinstance(value, dict):
        return "not a mapping (Debian's interfaces format, perhaps)"
    if "links" in value and "networks" in value:
        return "OpenStack network_data (links, networks, services)"
    body = value.get("network", value)
    if not isinstance(body, dict):
        return "`network` is not a mapping"
    if body.get("config") == "disabled":
        return "the network is switched off (config: disabled)"
    version = body.get("version")
    if isinstance(version, bool) or version not in (1, 2):
        return "no `version`" if version is None else "an unknown `version`"
    if version == 1 and not isinstance(body.get("config"), list):
        return "version 1 without a list `config`"
    if version == 2 and not any(isinstance(body.get(kind), dict) for kind in DEVICES):
        return "version 2 without ethernets, bonds, bridges or vlans"
    return None


def check(path):
    """Refuses, by name, what cloud-init would ignore without a word: the node would come up without addresses."""
    form = fault(read_yaml(path))
    if form:
        raise ValueError(f"{path}: {form}; this builder takes network-config version 1 or 2")
