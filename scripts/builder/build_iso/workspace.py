"""Where a run works: names in the volume for files that are not complete, and a directory for what goes on the medium."""

import contextlib
import os
from collections import namedtuple

from configuration import BESIDE

Output = namedtuple("Output", "new path")


def remove_tree(top):
    """Removes a directory of ours; shutil, which could, is slow to import."""
    for directory, directories, files in os.walk(top, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in directories:
            os.rmdir(os.path.join(directory, name))
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(top)


class Workspace:
    """Gone at the end, however it comes; the seed, with its secrets, is not in the volume."""

    def __init__(self, config):
        self.config = config
        self.image, self.metadata, self.list, self.packages = (
            # always the same, so that what a killed run left is removed by the next
            Output(os.path.join(config.volume, f".{name}.new"), os.path.join(config.volume, name))
            for name in (config.image, config.metadata, *(config.image + suffix for suffix in BESIDE)))
        self.tree = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"isogen-{os.urandom(8).hex()}")

    def outputs(self):
        """In the order in which they appear: metadata that can be seen speak of an image that can be seen."""
        return self.packages, self.list, self.image, self.metadata

    def __enter__(self):
        for output in self.outputs():
            if os.path.isdir(output.path):
                raise ValueError(f"{output.path}: is a directory; move it away, or give the output another name")
        self.clear()
        os.mkdir(self.tree, 0o700)
        return self

    def __exit__(self, *_):
        remove_tree(self.tree)
        self.clear()

    def clear(self):
        for output in self.outputs():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(output.new)
