"""A site's configuration over those of the flavours it is based on."""

import json
import os
import re
import shlex

import files
import keys
import sources
from places import Faults, load, simple

FLAVOURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "flavours")
# a node runs from a live medium, and is set up by cloud-init, whatever its flavour
DEFAULTS = {"architecture": "amd64", "kernel": "cloud", "image": "localhost/isogen-builder:latest"}
COMPRESSION = {"squashfs": 3, "layers": 9}
CONSOLES = {"amd64": ["tty0", "ttyS0,115200n8"], "arm64": ["tty0", "ttyAMA0,115200n8"]}
MODES = ["auto", "root", "unshare", "fakechroot"]
# of squashfs, which counts in 32 bits
LAST_SECOND = 2**32 - 1
KERNELS = {"cloud": "linux-image-cloud-", "generic": "linux-image-"}

# what a run of the image needs
TOOLS = ["python3", "python3-yaml", "xorriso"]
# boot loaders, which are unpacked and not installed
BOOT = {"amd64": ["grub-efi-amd64-signed", "grub-pc-bin", "shim-helpers-amd64-signed", "shim-signed"],
        "arm64": ["grub-efi-arm64-signed", "shim-helpers-arm64-signed", "shim-signed"]}
# else usrmerge comes in, and 47 MB of perl with it
MERGED = ["usr-is-merged"]


def flavours():
    return sorted(name.removesuffix(".yaml") for name in os.listdir(FLAVOURS) if name.endswith(".yaml"))


def chain(path, asked):
    """The configurations from the first flavour to the site's own, and the name of the last flavour."""
    found, name = [], asked
    if path is not None:
        found.append(one(path))
    name = asked or (found[0].get("flavour") if found else None) or "small"
    last, seen = name, []
    while name is not None:
        if name not in flavours() or name in seen:
            raise simple(f"flavour {name!r}: {'based on itself' if name in seen else 'not there'}\n  hint: there are {', '.join(flavours())}")
        seen.append(name)
        found.append(one(os.path.join(FLAVOURS, f"{name}.yaml")))
        name = found[-1].get("flavour")
    return found[::-1], last


def one(path):
    faults = Faults()
    value = keys.read(load(path), faults)
    faults.end()
    return value


def merged(found):
    """Later ones add to lists and settle everything else."""
    result = {}
    for configuration in found:
        for key, value in configuration.items():
            if isinstance(value, list) and key not in ("console", "mirrors"):
                value = result.get(key, []) + value
            elif isinstance(value, dict):
                value = result.get(key, {}) | value
            result[key] = value
    return result


def check_surroundings(architecture):
    """What the command line and the environment say, which have no lines to name."""
    seconds = os.environ["SOURCE_DATE_EPOCH"]
    if not re.fullmatch("[0-9]{1,10}", seconds) or int(seconds) > LAST_SECOND:
        raise simple(f"SOURCE_DATE_EPOCH: {seconds!r} is not allowed\n  hint: seconds since 1970, at most {LAST_SECOND}")
    for name, value, allowed in (("--architecture", architecture, CONSOLES), ("BUILDER_MODE", os.environ.get("BUILDER_MODE"), MODES)):
        if value and value not in allowed:
            raise simple(f"{name}: {value!r} is not allowed\n  hint: one of {', '.join(allowed)}")
    suite = os.environ["BUILDER_SUITE"]
    if not re.fullmatch(keys.SUITE, suite):
        raise simple(f"BUILDER_SUITE: {suite!r} is not allowed\n  hint: the code name of a release, such as bookworm")


def doubled(entries):
    paths = [entry.path for entry in entries]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise simple(f"files: {twice[0]} is there twice\n  hint: a flavour's files cannot be replaced, only added to")


def read(path, options):
    """Everything a build needs to know, with the command line's word before the file's."""
    check_surroundings(options.get("architecture"))
    found, flavour = chain(path, options.get("flavour"))
    recipe = DEFAULTS | {"suite": os.environ["BUILDER_SUITE"]} | merged(found)
    recipe |= {key: options[key] for key in ("architecture",) if options.get(key)} | {"flavour": flavour}
    recipe["compression"] = COMPRESSION | recipe.get("compression", {})
    recipe.setdefault("console", CONSOLES[recipe["architecture"]])
    recipe["files"] = recipe.get("files", []) + recipe.pop("images", [])
    doubled(recipe["files"])
    kernel = KERNELS[recipe["kernel"]] + recipe["architecture"]
    recipe["packages"] = list(dict.fromkeys([kernel, *recipe.get("packages", [])]))
    return recipe


def write(recipe, directory):
    """Leaves what the scripts read: settings, package lists, apt's sources and the node's files."""
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    settings = {
        "SUITE": recipe["suite"], "ARCHITECTURE": recipe["architecture"], "FLAVOUR": recipe["flavour"], "IMAGE": recipe["image"],
        "SQUASHFS_LEVEL": recipe["compression"]["squashfs"], "LAYER_LEVEL": recipe["compression"]["layers"],
        "INITRD_MODULES": " ".join(recipe.get("initrdModules", [])), "UNITS": " ".join(recipe.get("units", [])),
        "MIRRORS": "configured" if recipe.get("mirrors") else "host",
    }
    medium = {key: recipe.get(key, []) for key in ("architecture", "flavour", "suite", "kernelArguments", "console")}
    texts = {
        "settings": "".join(f"export BUILDER_{name}={shlex.quote(str(value))}\n" for name, value in settings.items()),
        "live.packages": "\n".join(recipe["packages"] + MERGED) + "\n",
        "tools.packages": "\n".join(TOOLS + MERGED) + "\n",
        "boot.packages": "\n".join(BOOT[recipe["architecture"]]) + "\n",
        "mirrors": "\n".join(sources.complete(text, recipe["suite"]) for text in recipe.get("mirrors", [])),
        "sources": "\n".join(recipe.get("sources", [])),
        "recipe.json": json.dumps(medium, indent=1) + "\n",
    }
    for name, text in texts.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    files.write(os.path.join(directory, "files.tar"), recipe["files"], epoch)
