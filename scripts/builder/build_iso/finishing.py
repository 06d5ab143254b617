"""What is done with a complete file: flushed to the disk, and its checksums taken."""

import functools
import hashlib
import os


def sync(path):
    """Waits until a file's contents, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


md5sum = functools.partial(digest, algorithm="md5")
sha256sum = functools.partial(digest, algorithm="sha256")
