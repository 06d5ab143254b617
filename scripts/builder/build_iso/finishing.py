"""What is done with a complete file: flushed to the disk, and its checksums taken."""

import hashlib
import mmap
import os
import threading


def sync(path):
    """Waits until a file's contents, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sums(path, algorithms):
    """The checksums of a file, in hexadecimal; meanwhile it is flushed, which takes time and not the processor."""
    found = {}

    def take(algorithm, contents):
        found[algorithm] = hashlib.new(algorithm, contents, usedforsecurity=False).hexdigest()

    # mapped: both read the page cache where it is
    with open(path, "rb") as file:
        contents = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    threads = [threading.Thread(target=take, args=(algorithm, contents)) for algorithm in algorithms]
    for thread in threads:
        thread.start()
    sync(path)
    for thread in threads:
        thread.join()
    return [found[algorithm] for algorithm in algorithms]
