"""What cloud-init finds on the medium: a NoCloud seed, or a config drive where the network data are OpenStack's."""

import hashlib
import os

import config_drive
import network
from checks import read_yaml

NOCLOUD = "nocloud"
CONFIG_DRIVE = "config-drive"


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    if not data.strip():
        raise ValueError(f"{path}: empty")
    return data


def inputs(config):
    """User-data, network configuration and meta-data, as they are, by the names that NoCloud gives them."""
    files = {name: read(os.path.join(config.volume, own))
             for name, own in (("user-data", config.user_data), ("network-config", config.network_config))}
    meta_data = os.path.join(config.volume, "meta-data")
    if os.path.exists(meta_data):
        return {**files, "meta-data": read(meta_data)}
    # cloud-init runs its once-per-instance modules anew when the id changes
    digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files.values()))
    return {**files, "meta-data": f"instance-id: iso-{digest.hexdigest()[:16]}\n".encode()}


def make(config, tree):
    """Writes the files below `tree` and says of which kind they are."""
    files = inputs(config)
    path = os.path.join(config.volume, config.network_config)
    form = network.form(read_yaml(path, files["network-config"]), path)
    directory, kind = os.path.join(tree, NOCLOUD), f"a NoCloud seed, {form}"
    if form == network.OPEN_STACK:
        files = config_drive.files(files, config)
        directory, kind = os.path.join(tree, CONFIG_DRIVE, "openstack/latest"), "a config drive"
    os.makedirs(directory)
    for name, data in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)
    return kind
