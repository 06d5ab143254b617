"""What to build: builder-conf.yaml, with the environment for what it leaves out."""

import os
from collections import namedtuple

import options
from checks import mapping, plain_name, read_yaml

Configuration = namedtuple("Configuration", "volume host_volume user_data network_config image metadata options")
# files beside the image, named after it
BESIDE = (".files", ".spdx.json")


def sides(spec):
    """Splits `host[:container[:options]]`; one part stands for both sides."""
    if not isinstance(spec, str) or not spec:
        raise ValueError("container.volume: missing, or not a string")
    parts = spec.split(":")
    if len(parts) > 3 or not all(part.startswith("/") for part in parts[:2]):
        raise ValueError(f"container.volume: {spec!r} is not host:container with two absolute paths")
    return parts[0].rstrip("/"), parts[min(1, len(parts) - 1)]


def names(builder, path):
    """Names of the inputs, the image and the metadata, all different, also from those that follow from them."""
    def name(key, variable, default):
        value = builder.get(key)
        return plain_name(os.environ.get(variable) or default if value is None else value, f"{path}: builder.{key}")

    found = [name("userDataFileName", "USER_DATA_FILE", "user-data"),
             name("networkConfigFileName", "NET_CONFIG_FILE", "network-config"),
             name("outputFileName", "OUTPUT_FILE_NAME", "ephemeral.iso"),
             name("outputMetadataFileName", "OUTPUT_METADATA_FILE_NAME", "output-metadata.yaml")]
    every = [*found, "meta-data", os.path.basename(path), *(found[2] + suffix for suffix in BESIDE)]
    if len(set(every)) < len(every):
        raise ValueError(f"{path}: builder: two files have the same name: {', '.join(every)}")
    return found


def read():
    """Reads the file that BUILDER_CONFIG names; `kind` and `metadata` around the same body change nothing."""
    path = os.environ.get("BUILDER_CONFIG", "/config/builder-conf.yaml")
    body = mapping(read_yaml(path), path)
    if os.environ.get("IMAGE_TYPE") not in (None, "", "iso"):
        raise ValueError(f"IMAGE_TYPE: {os.environ['IMAGE_TYPE']!r} is not made here, only 'iso' is")
    host, inside = sides(mapping(body.get("container"), f"{path}: container").get("volume"))
    builder = mapping(body.get("builder"), f"{path}: builder")
    return Configuration(inside, host, *names(builder, path), options.read(builder, f"{path}: builder"))
