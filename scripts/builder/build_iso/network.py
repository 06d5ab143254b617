"""Which forms of network data cloud-init takes from a medium."""

DEVICES = ("ethernets", "bonds", "bridges", "vlans", "wifis")
OPEN_STACK = "OpenStack network_data"


def fault(value):
    """Names what is wrong with a network-config, or returns None."""
    if not isinstance(value, dict):
        return "not a mapping (Debian's interfaces format, perhaps)"
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


def form(value, path):
    """Names the form; refuses what cloud-init would ignore without a word: the node would come up without addresses."""
    if isinstance(value, dict) and "links" in value and "networks" in value:
        for key in ("links", "networks", "services"):
            if not isinstance(value.get(key, []), list):
                raise ValueError(f"{path}: {OPEN_STACK} whose `{key}` is not a list")
        return OPEN_STACK
    wrong = fault(value)
    if wrong:
        raise ValueError(f"{path}: {wrong}; this builder takes network-config version 1 or 2, and {OPEN_STACK}")
    return f"network-config version {value.get('network', value)['version']}"
