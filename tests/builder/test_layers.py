"""Layers kept for the next image, with a stand-in for what makes them: python3 -m unittest discover tests/builder"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts/builder"
# as build.sh does it, with a directory of other makers
BUILD = """set -euo pipefail
here=$TOP/makers layers=$TOP/layers work=$TOP/layers/new.$$ debs= foreign=()
mkdir "$work" && trap 'rm -rf "$work"' EXIT && touch "$work/fetched"
. "$SCRIPTS/jobs.sh"
. "$SCRIPTS/layers.sh"
for name; do layer "$name" "$layers/$name.bookworm" "$TOP/recipe"; done
printf '%s\\n' "${image[@]}"
"""
# notes that it ran, and with which recipe
MAKER = """#!/bin/sh
echo "${0##*/}" >>"$TOP/made"
[ ! -e "$TOP/fail" ] || exit 7
cp "$TOP/recipe" "$1/layer.tar"
"""


class Layers(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        for name in ("makers", "layers"):
            (self.top / name).mkdir()
        for name in ("live.sh", "tools.sh", "settings.sh"):
            (self.top / "makers" / name).write_text(MAKER)
            (self.top / "makers" / name).chmod(0o755)
        (self.top / "made").touch()

    def build(self, recipe, *names, epoch="1", status=0):
        """The directories of the image's layers."""
        (self.top / "recipe").write_text(recipe)
        environment = {"PATH": os.environ["PATH"], "TOP": str(self.top), "SCRIPTS": str(SCRIPTS), "SOURCE_DATE_EPOCH": epoch}
        ended = subprocess.run(["bash", "-c", BUILD, "build", *(names or ["live"])], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, status, ended.stderr)
        return ended.stdout.split()

    def made(self):
        return (self.top / "made").read_text().split()

    def kept(self, kind="live"):
        """The recipes of the layers that are there."""
        return sorted((path / "layer.tar").read_text() for path in (self.top / "layers").glob(f"{kind}.*"))

    def test_configurations_by_turns_are_each_made_once(self):
        for _ in range(3):
            for recipe in ("one", "two"):
                tools, live = self.build(recipe, "tools", "live")
                self.assertEqual(pathlib.Path(live, "layer.tar").read_text(), recipe)
                self.assertIn("/tools.bookworm.", tools)
        self.assertEqual(self.made(), ["tools.sh", "live.sh"] * 2)

    def test_another_maker_or_date_is_another_layer(self):
        self.build("one")
        self.build("one", epoch="2")
        with (self.top / "makers/live.sh").open("a") as file:
            file.write("# changed\n")
        self.build("one")
        self.build("one")
        self.assertEqual(len(self.made()), 3)

    def test_the_six_used_last_are_kept_of_each_kind(self):
        self.build("other kind", "tools")
        for recipe in "abcdef":
            self.build(recipe)
        self.build("a")
        self.assertEqual(self.kept(), list("abcdef"))
        self.build("g")
        self.assertEqual(self.kept(), list("acdefg"))
        self.build("h")
        self.assertEqual(self.kept(), list("adefgh"))
        self.assertEqual(self.kept("tools"), ["other kind"])

    def test_the_layer_of_this_image_stays_whatever_the_clock_says(self):
        for recipe in "abcdef":
            self.build(recipe)
        for path in (self.top / "layers").iterdir():
            os.utime(path, (1 << 33, 1 << 33))
        (directory,) = self.build("g")
        self.assertEqual(pathlib.Path(directory, "layer.tar").read_text(), "g")
        self.assertEqual(len(self.kept()), 6)

    def test_layers_of_former_names_go_in_their_turn(self):
        old = self.top / "layers/live.bookworm.amd64.small"
        old.mkdir()
        os.utime(old, (1, 1))
        for recipe in "abcdef":
            self.build(recipe)
        self.assertFalse(old.exists())

    def test_what_failed_is_not_there(self):
        (self.top / "fail").touch()
        self.build("one", status=7)
        self.assertEqual(list((self.top / "layers").iterdir()), [])
        (self.top / "fail").unlink()
        self.build("one")
        self.assertEqual((len(self.made()), self.kept()), (2, ["one"]))


if __name__ == "__main__":
    unittest.main()
