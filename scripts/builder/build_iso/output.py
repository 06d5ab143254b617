"""What the run leaves in the volume: the files beside the image, the image, then the metadata, each complete or not there."""

import contextlib
import os

import yaml

import packages
from finishing import sums, sync


def facts(workspace):
    """The metadata: where the host finds the image, and how to know it again."""
    config, path = workspace.config, workspace.image.new
    md5, sha256 = sums(path, ("md5", "sha256"))
    return {"bootImagePath": f"{config.host_volume}/{config.image}", "md5sum": md5, "sha256sum": sha256, "size": os.path.getsize(path)}


def write(output, text):
    with open(output.new, "w", encoding="utf-8") as file:
        file.write(text)
    sync(output.new)


def give_names(workspace):
    for output in workspace.outputs():
        try:
            os.rename(output.new, output.path)
        except FileNotFoundError:
            # an image without a list of packages; an older list does not speak of it
            with contextlib.suppress(FileNotFoundError):
                os.unlink(output.path)
    sync(workspace.config.volume)


def finish(workspace, listed):
    """Takes the checksums, writes what names them, and gives everything its name."""
    metadata = facts(workspace)
    write(workspace.metadata, yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=1 << 20))
    write(workspace.list, listed)
    document = packages.document(workspace.config, metadata)
    if document:
        write(workspace.packages, document)
    give_names(workspace)
