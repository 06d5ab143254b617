"""The list of the volume's files with their SHA-256, as sha256sum(1) writes it."""

import hashlib
import os

from checks import ASSETS

PATH = ".airship/SHA256SUMS"


def fixed():
    """What was summed up when this image was made. Not in it: the boot catalogue and GRUB's boot image, which xorriso changes."""
    with open(f"{ASSETS}/SHA256SUMS", encoding="utf-8") as file:
        return [line for line in file.read().splitlines() if line]


def changing(tree):
    """The files below `tree`, which were made for this image."""
    for directory, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                yield f"{hashlib.sha256(file.read()).hexdigest()}  {os.path.relpath(path, tree)}"


def write(tree):
    """Makes the list below `tree` and returns it, sorted by path."""
    lines = sorted([*fixed(), *changing(tree)], key=lambda line: line[66:])
    text = "".join(f"{line}\n" for line in lines)
    os.makedirs(os.path.join(tree, os.path.dirname(PATH)))
    with open(os.path.join(tree, PATH), "w", encoding="utf-8") as file:
        file.write(text)
    return text
