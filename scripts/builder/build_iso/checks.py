"""Refusals, each of which names the file and, where there is one, the way out; never with the data itself."""

import os

import yaml

# what the recipe put into this image; elsewhere in tests
ASSETS = os.environ.get("ISOGEN_ASSETS", "/usr/share/isogen")


def read_yaml(path, text=None):
    """Parses a file, or what was read from it; errors carry line and column only, since the text around them may be secret."""
    if text is None:
        with open(path, "rb") as file:
            text = file.read()
    try:
        # not the loader in C: it overflows the stack on deep nesting
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ValueError(f"{path}{place}: not YAML") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: not YAML that can be read") from None


def mapping(value, what):
    if not isinstance(value, dict):
        raise ValueError(f"{what}: missing, or not a mapping")
    return value


def plain_name(value, what):
    if not isinstance(value, str) or value in ("", ".", "..") or set("/\0\n") & set(value):
        raise ValueError(f"{what}: not a plain file name")
    return value


def free_space(volume, inputs):
    """The image is the sum of its files, plus boot records, padding and directories."""
    needed = 8 << 20
    for directory, _, names in (entry for top in (ASSETS, inputs) for entry in os.walk(top)):
        needed += sum(os.path.getsize(os.path.join(directory, name)) + 2048 for name in names)
    room = os.statvfs(volume)
    if room.f_bavail * room.f_frsize < needed:
        raise ValueError(f"{volume}: {room.f_bavail * room.f_frsize >> 20} MiB free, {needed >> 20} MiB needed")
