"""The NoCloud seed: user-data, meta-data and network-config as cloud-init's DataSourceNoCloud expects them."""

import hashlib
import os

import network


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    if not data.strip():
        raise ValueError(f"{path}: empty")
    return data


def make(config, directory):
    """Copies the inputs, unchanged, under the names the seed needs."""
    paths = {
        "user-data": os.path.join(config.volume, config.user_data),
        "network-config": os.path.join(config.volume, config.network_config),
    }
    files = {name: read(path) for name, path in paths.items()}
    network.check(paths["network-config"])
    meta_data = os.path.join(config.volume, "meta-data")
    if os.path.exists(meta_data):
        files["meta-data"] = read(meta_data)
    else:
        # cloud-init runs its once-per-instance modules anew when the id changes
        digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files.values()))
        files["meta-data"] = f"instance-id: iso-{digest.hexdigest()[:16]}\n".encode()
    for name, data in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)
    return directory
