"""What the run leaves in the volume: the image, then the metadata, each complete or not there."""

import contextlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

import yaml

from finishing import md5sum, sha256sum, sync


class Workspace:
    """Other names for files that are not complete; gone at the end, however it comes; the seed, with its secrets, is not in the volume."""

    def __init__(self, config):
        self.config = config
        # always the same, so that what a killed run left is removed by the next
        self.image = os.path.join(config.volume, f".{config.image}.new")
        self.metadata = os.path.join(config.volume, f".{config.metadata}.new")

    def __enter__(self):
        self.clear()
        self.seed = tempfile.mkdtemp(prefix="seed-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.seed, ignore_errors=True)
        self.clear()

    def clear(self):
        for path in (self.image, self.metadata):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def finish(self):
        """Renames the image first: metadata that can be seen speak of an image that can be seen."""
        with ThreadPoolExecutor() as pool:
            flushed, md5, sha256 = (pool.submit(work, self.image) for work in (sync, md5sum, sha256sum))
        flushed.result()
        path = f"{self.config.host_volume}/{self.config.image}"
        facts = {"bootImagePath": path, "md5sum": md5.result(), "sha256sum": sha256.result()}
        with open(self.metadata, "w", encoding="utf-8") as file:
            yaml.safe_dump(facts, file, sort_keys=False, allow_unicode=True, width=1 << 20)
        sync(self.metadata)
        os.rename(self.image, os.path.join(self.config.volume, self.config.image))
        os.rename(self.metadata, os.path.join(self.config.volume, self.config.metadata))
        sync(self.config.volume)
