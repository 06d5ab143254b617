"""What the scripts ask for by name; each verb is a few lines over the other files."""

import json
import os
import sys

import configuration
import lock
import resolving
import saved
from places import simple


def configure(options):
    configuration.write(configuration.read(options.file, vars(options)), options.directory)


def write_lock(options):
    lock.write(os.path.join(options.directory, "builder.lock"), resolving.make(options.directory))


def compare(options):
    """Takes a lock file for a recipe, or refuses it with all that differs."""
    locked = lock.read(options.lock)
    suite, architecture = os.environ["BUILDER_SUITE"], os.environ["BUILDER_ARCHITECTURE"]
    found = lock.differences(locked, suite, architecture, resolving.requests(options.directory))
    if found:
        rows = "".join(f"  {row}\n" for row in found)
        raise simple(f"{options.lock}: made for another configuration:\n{rows}  hint: give the configuration that it was made with, or make the image without --locked")
    here = resolving.host()
    for name, version in locked.host.items():
        if here.get(name) != version:
            print(f"warning: {name} is {here.get(name, 'missing')} here, and was {version}: the bytes may differ", file=sys.stderr)
    lock.write(os.path.join(options.directory, "builder.lock"), locked)


def missing(options):
    """Prints what has to be fetched, as apt's arguments; with --refuse, that it is missing is an error."""
    locked = lock.read(options.lock)
    absent = saved.missing(locked, options.debs)
    if absent and options.refuse:
        saved.refuse(absent, resolving.offers({item.name for item in absent}, locked.architecture), resolving.mirrors())
    print("\n".join(item.label for item in absent))


def available(options):
    """Prints those of the packages asked for which the mirrors' lists have in that version: one without would end apt's work."""
    with open(options.missing, encoding="utf-8") as file:
        print("\n".join(resolving.available(file.read().split())))


def names(options):
    """Prints a root's packages, for the recipe of its layer."""
    print("\n".join(f"{item.label} {item.architecture} {item.sha256}" for item in lock.read(options.lock).packages[options.root]))


def index(options):
    packages = lock.read(options.lock).packages[options.root]
    (saved.unpack if options.root == "boot" else saved.index)(packages, options.debs, options.directory)


def inventory(options):
    """Lists the packages of the node, and of its medium's boot loaders, for those who write documents about them; licences are not known."""
    packages = lock.read(options.lock).packages
    rows = [{"name": item.name, "version": item.version, "architecture": item.architecture, "source": item.source,
             "license": None, "sha256": item.sha256} for item in sorted({*packages["live"], *packages["boot"]})]
    with open(options.out, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


# the arguments of each verb
VERBS = {
    configure: ("--file", "--flavour", "--architecture", "directory"),
    compare: ("lock", "directory"),
    write_lock: ("directory",),
    missing: ("--refuse", "lock", "debs"),
    available: ("missing",),
    names: ("lock", "root"),
    index: ("root", "lock", "debs", "directory"),
    inventory: ("lock", "out"),
}
