"""A config drive of OpenStack's: what cloud-init reads in `openstack/latest`."""

import json
import os

import yaml

from checks import mapping, read_yaml

# aliases can make gigabytes of some lines
LIMIT = 4 << 20


class Loader(yaml.SafeLoader):
    """Dates stay text, as which JSON has them too."""


Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def is_json(data):
    try:
        return isinstance(json.loads(data.decode()), dict)
    except (ValueError, RecursionError):
        return False


def as_json(data, path):
    """Network data in JSON, the only form that cloud-init reads; YAML, which people write, is translated, JSON unchanged."""
    if is_json(data):
        return data
    parts, size = [], 0
    try:
        for part in json.JSONEncoder(allow_nan=False).iterencode(yaml.load(data, Loader)):
            size += len(part)
            if size > LIMIT:
                raise ValueError(f"more than {LIMIT >> 20} MiB as JSON")
            parts.append(part)
    except (TypeError, ValueError, RecursionError) as error:
        # the encoder's own messages show values
        reason = error if str(error).startswith("more than") else "something in it cannot be written as JSON"
        raise ValueError(f"{path}: {reason}; cloud-init reads network_data as JSON only") from None
    return "".join(parts).encode() + b"\n"


def files(seed, config):
    """The files, from those of a NoCloud seed, where uuid and hostname have other names."""
    path = os.path.join(config.volume, "meta-data")
    facts = mapping(read_yaml(path, seed["meta-data"]), path)
    if not facts.get("instance-id"):
        raise ValueError(f"{path}: no instance-id")
    names = {"uuid": facts["instance-id"], "hostname": facts.get("local-hostname"), "name": facts.get("local-hostname")}
    meta_data = {key: str(value) for key, value in names.items() if value}
    data = as_json(seed["network-config"], os.path.join(config.volume, config.network_config))
    return {"user_data": seed["user-data"], "meta_data.json": json.dumps(meta_data).encode(), "network_data.json": data}
