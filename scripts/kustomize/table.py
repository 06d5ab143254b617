#!/usr/bin/env python3
"""Called by test-kustomize.sh: renders the cases of tests/kustomize with our program and with kustomize, and compares.

Without `kustomize` or `kubectl` (with kustomize 5) in PATH, the committed expectations stand for it. $AIRSHIPCTL names our program.
tests/kustomize/README.md describes the cases.
"""
import argparse
import concurrent.futures
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import cases

BINARY = os.path.abspath(os.environ.get("AIRSHIPCTL", "target/debug/airshipctl"))
CODE = re.compile(r"\[([a-z0-9-]+)\]$", re.M)


class Loader(yaml.CSafeLoader):
    """YAML 1.1, with `=` as the text that it is, and dates as their text, since there are none such as 2020-13-45."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: ("date", loader.construct_scalar(node)))


def oracle():
    """The command of kustomize 5 that is installed; earlier ones render otherwise."""
    for asked, command in [(["kustomize", "version"], ["kustomize", "build"]),
                           (["kubectl", "version", "--client"], ["kubectl", "kustomize"])]:
        said = run(asked)[0] if shutil.which(asked[0]) else None
        if re.search(r"^(Kustomize Version: )?v5\.", said or "", re.M):
            return command
    return None


def run(argv):
    """Standard output, or None with the end of what was said instead."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{error}", -1
    return (done.stdout.decode() if done.returncode == 0 else None), done.stderr.decode(errors="replace"), done.returncode


def code(said):
    """The code of the first fault that our program tells."""
    found = CODE.search(said)
    return found[1] if found else "none"


def meaning(text):
    """The documents as values, the order of keys aside; what cannot be read agrees with nothing."""
    def plain(value):
        if isinstance(value, dict):
            return sorted(((str(k), plain(v)) for k, v in value.items()), key=lambda pair: pair[0])
        return [plain(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)
    try:
        return repr([plain(d) for d in yaml.load_all(text, Loader)])
    except yaml.YAMLError as error:
        return f"not YAML: {error}"


class Result:
    """What became of one case."""

    def __init__(self, case, command):
        self.case, self.said, self.stale = case, "", False
        self.wanted = case.rendered
        with tempfile.TemporaryDirectory() as work:
            root = case.write(pathlib.Path(work))
            if command and not case.differs:
                self.wanted = run([*command, str(root)])[0]
                self.stale = self.wanted != case.rendered
            self.ours, self.said, status = run([BINARY, "document", "render", str(root)])
        self.bytes = self.ours is not None and self.ours == self.wanted
        if self.wanted is None or self.ours is None:
            self.agrees = self.wanted is None and self.ours is None and status == 3 and code(self.said) == case.refused
        else:
            self.agrees = self.bytes or meaning(self.ours) == meaning(self.wanted)

    def excerpt(self):
        """What differs, some lines of it."""
        if self.wanted is None or self.ours is None:
            return [f"expected: {'rendered' if self.case.refused is None else 'refused: ' + self.case.refused}",
                    *(["ours: rendered", *self.ours.splitlines()[:12]] if self.ours is not None
                      else ["ours: " + line for line in self.said.splitlines()[:6]])]
        return list(difflib.unified_diff(self.wanted.splitlines(), self.ours.splitlines(), "expected", "ours", "", "", 2, ""))[:40]


def regenerate(features, command):
    """Writes what kustomize says into the files of cases."""
    if not command:
        sys.exit("test-kustomize.sh: neither kustomize 5 nor a kubectl that has it is installed")
    for feature in features:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda case: expect(case, command), feature.cases))
        feature.save()


def expect(case, command):
    """What kustomize prints; where it refuses, the code that we refuse with."""
    with tempfile.TemporaryDirectory() as work:
        root = str(case.write(pathlib.Path(work)))
        rendered = case.rendered if case.differs else run([*command, root])[0]
        refused = None if rendered is not None else code(run([BINARY, "document", "render", root])[1])
    case.rendered, case.refused = rendered, refused


def table(features, command, verbose):
    """Prints a line for each feature; whether everything agrees."""
    total, wrong = [0, 0, 0, 0], []
    print(f"{'feature':<24}{'cases':>6}{'agree':>6}{'rendered':>9}{'same bytes':>11}   against {' '.join(command or ['the committed expectations'])}")
    for feature in features:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda case: Result(case, command), feature.cases))
        wrong += [result for result in results if not result.agrees or result.stale]
        row = [len(results), sum(r.agrees for r in results), sum(r.wanted is not None for r in results), sum(r.bytes for r in results)]
        total = [a + b for a, b in zip(total, row)]
        print(f"{feature.name:<24}{row[0]:>6}{row[1]:>6}{row[2]:>9}{row[3]:>11}")
        for result in results if verbose else []:
            if not result.bytes and result.ours is not None or not result.agrees:
                print("\n".join([f"-- {feature.name}: {result.case.name}", *result.excerpt()]))
    print(f"{'all':<24}{total[0]:>6}{total[1]:>6}{total[2]:>9}{total[3]:>11}")
    for result in wrong:
        what = "disagrees" if not result.agrees else "is expected otherwise than kustomize does it: --regenerate"
        print(f"{result.case.feature}: {result.case.name}: {what}", file=sys.stderr)
    return not wrong


def main():
    parser = argparse.ArgumentParser(prog="test-kustomize.sh", description="Compares our renderer with kustomize.")
    parser.add_argument("--regenerate", action="store_true", help="take the expectations from kustomize")
    parser.add_argument("--committed", action="store_true", help="do not ask kustomize, even if it is installed")
    parser.add_argument("--verbose", action="store_true", help="show what differs")
    parser.add_argument("feature", nargs="*")
    options = parser.parse_args()
    features, command = cases.load(options.feature), None if options.committed else oracle()
    if options.regenerate:
        regenerate(features, command)
    elif not table(features, command, options.verbose):
        sys.exit(1)


if __name__ == "__main__":
    main()
