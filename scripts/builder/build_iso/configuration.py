"""What to build: builder-conf.yaml, with the environment for what it leaves out."""

import os
from dataclasses import dataclass

from checks import mapping, plain_name, read_yaml


@dataclass(frozen=True)
class Configuration:
    volume: str
    host_volume: str
    user_data: str
    network_config: str
    image: str
    metadata: str


def sides(spec):
    """Splits `host[:container[:options]]`; one part stands for both sides."""
    if not isinstance(spec, str) or not spec:
        raise ValueError("container.volume: missing, or not a string")
    parts = spec.split(":")
    if len(parts) > 3 or not all(part.startswith("/") for part in parts[:2]):
        raise ValueError(f"container.volume: {spec!r} is not host:container with two absolute paths")
    return parts[0].rstrip("/"), parts[min(1, len(parts) - 1)]


def read():
    """Reads the file that BUILDER_CONFIG names; `kind` and `metadata` around the same body change nothing."""
    path = os.environ.get("BUILDER_CONFIG", "/config/builder-conf.yaml")
    body = mapping(read_yaml(path), path)
    if os.environ.get("IMAGE_TYPE") not in (None, "", "iso"):
        raise ValueError(f"IMAGE_TYPE: {os.environ['IMAGE_TYPE']!r} is not made here, only 'iso' is")
    host, inside = sides(mapping(body.get("container"), f"{path}: container").get("volume"))
    builder = mapping(body.get("builder"), f"{path}: builder")

    def name(key, variable, default):
        value = builder.get(key)
        return plain_name(os.environ.get(variable) or default if value is None else value, f"{path}: builder.{key}")

    names = [name("userDataFileName", "USER_DATA_FILE", "user-data"),
             name("networkConfigFileName", "NET_CONFIG_FILE", "network-config"),
             name("outputFileName", "OUTPUT_FILE_NAME", "ephemeral.iso"),
             name("outputMetadataFileName", "OUTPUT_METADATA_FILE_NAME", "output-metadata.yaml")]
    if len({*names, "meta-data", os.path.basename(path)}) < len(names) + 2:
        raise ValueError(f"{path}: builder: two files have the same name: {', '.join(names)}")
    return Configuration(inside, host, *names)
