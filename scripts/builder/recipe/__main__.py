"""What the builder's scripts ask of Python: python3 recipe VERB ..., as verbs.py lists them."""

import argparse
import sys

try:
    import yaml  # noqa: F401
except ImportError:
    sys.exit("Python's YAML parser is missing\n  hint: apt-get install python3-yaml, or scripts/setup.sh demo")

from places import Faults
from verbs import VERBS


def parser():
    top = argparse.ArgumentParser(prog="recipe")
    verbs = top.add_subparsers(required=True)
    for run, arguments in VERBS.items():
        verb = verbs.add_parser(run.__name__.replace("_", "-"))
        for name in arguments:
            verb.add_argument(name, **({"action": "store_true"} if name == "--refuse" else {}))
        verb.set_defaults(run=run)
    return top


try:
    options = parser().parse_args()
    options.run(options)
except Faults as faults:
    print("\n".join(faults.lines), file=sys.stderr)
    sys.exit(2)
