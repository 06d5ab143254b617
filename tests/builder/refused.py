"""Which values the reference builder refuses: reads a list of YAML texts, each a section `builder`, as JSON; prints true or false for each."""

import json
import pathlib
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts/builder/build_iso"))

import menu
import options


def refused(text):
    try:
        found = options.read(yaml.safe_load(text), "builder")
    except ValueError:
        return True
    return menu.too_long(f"linux /live/vmlinuz {' '.join(found.arguments)}")


json.dump([refused(text) for text in json.load(sys.stdin)], sys.stdout)
