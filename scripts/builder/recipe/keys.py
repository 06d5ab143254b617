"""The keys of a configuration: what each may be, and what it becomes."""

import re

import yaml

import files
import sources
from places import entries, kind

SUITE = r"[a-z0-9][a-z0-9.-]*"
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](=[A-Za-z0-9.+:~-]+)?")
IMAGE = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
UNIT = re.compile(r"[A-Za-z0-9@._-]+\.(service|socket|timer|target|path|mount)")
ARGUMENT = re.compile(r"""[^\s\x00-\x1f\x7f-\U0010ffff"'\\`$<>|&{}]+""")
CONSOLE = re.compile(r"[a-zA-Z]+[0-9]*(,[0-9]+[noe]?[5-8]?r?)?")


def text(pattern, what):
    """A text as the pattern wants it."""

    def check(node, faults, where):
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith((":str", ":int", ":float")):
            return faults.add(node, f"{where}: {kind(node)}, not text", f"{what}; in quotes, if need be")
        if not re.fullmatch(pattern, node.value):
            return faults.add(node, f"{where}: {node.value!r} is not allowed", what)
        return node.value

    return check


def choice(*names):
    return text("|".join(names), f"one of {', '.join(names)}")


def number(low, high):
    def check(node, faults, where):
        if not node.tag.endswith(":int") or not re.fullmatch("[0-9]{1,9}", node.value) or not low <= int(node.value) <= high:
            return faults.add(node, f"{where}: {getattr(node, 'value', None)!r} is not allowed"
                              if isinstance(node, yaml.ScalarNode) else f"{where}: {kind(node)}, not a number",
                              f"a number from {low} to {high}")
        return int(node.value)

    return check


def listed(check):
    """A list of such values; those with faults are left out."""

    def check_all(node, faults, where):
        if not isinstance(node, yaml.SequenceNode):
            return faults.add(node, f"{where}: {kind(node)}, not a list", "each entry on a line of its own, after `- `")
        values = [check(child, faults, f"{where}[{i}]") for i, child in enumerate(node.value)]
        return [value for value in values if value is not None]

    return check_all


def mapping(keys):
    def check(node, faults, where):
        found = entries(node, keys, faults, where)
        return {key: keys[key](value, faults, f"{where}.{key}") for key, value in found.items()}

    return check


KEYS = {
    "flavour": text("[a-z0-9-]+", "the name of a file in scripts/builder/flavours, without .yaml"),
    "suite": text(SUITE, "the code name of a release, such as bookworm"),
    "architecture": choice("amd64", "arm64"),
    "kernel": choice("cloud", "generic"),
    "mirrors": listed(sources.mirror),
    "sources": listed(sources.source),
    "packages": listed(text(PACKAGE, "the name of a package, or name=version: a-z, 0-9, plus, minus and dots")),
    "initrdModules": listed(text("[A-Za-z0-9_-]+", "the name of a kernel module")),
    "files": listed(files.entry),
    "images": files.images,
    "units": listed(text(UNIT, "the name of a systemd unit, with its suffix")),
    # what begins something in grub's language even within a word is refused
    "kernelArguments": listed(text(ARGUMENT, "one argument: no blanks, quotes, backslashes, nor any of `$<>|&{}")),
    "console": listed(text(CONSOLE, "as in the kernel's console=, such as ttyS0,115200n8")),
    "compression": mapping({"squashfs": number(1, 22), "layers": number(1, 19)}),
    "image": text(IMAGE, "a name with a tag, such as registry.example/isogen:1"),
}


def read(node, faults):
    """Checks a whole document; an empty one says nothing."""
    if node is None:
        return {}
    found = entries(node, KEYS, faults, "the configuration")
    return {key: KEYS[key](value, faults, key) for key, value in found.items()}
