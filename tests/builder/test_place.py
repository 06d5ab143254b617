"""Where the image goes, with a stand-in for what is put there: python3 -m unittest discover tests/builder"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from builder import SCRIPTS

# as build.sh does it
BUILD = """set -euo pipefail
here=$TOP/project/scripts/builder work=$TOP/work out=$1 new=
wrong() { printf '%s\\n' "$@" >&2 && exit 2; }
recipe() { [[ $1 == names && $3 == live && $(<"$2") != other ]]; }
trap 'rm -rf ${new:+"$new"}' EXIT
. "$SCRIPTS/place.sh"
take_place
[[ ! -e $TOP/fail ]] || exit 4
[[ ! -e $TOP/meanwhile ]] || mv "$TOP/meanwhile" "$out/notes"
mkdir -p "$new/image/blobs" && echo "$2" | tee "$new/image/index.json" "$new/image/oci-layout" >"$work/builder.lock"
put_in_place
echo "$out"
"""


class Place(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.top)
        (self.top / "project/scripts/builder").mkdir(parents=True)
        (self.top / "work").mkdir()

    def build(self, out, what="one", flavour="small", status=0):
        environment = {"PATH": os.environ["PATH"], "TOP": str(self.top), "SCRIPTS": str(SCRIPTS), "BUILDER_FLAVOUR": flavour}
        ended = subprocess.run(["bash", "-c", BUILD, "build", out, what], cwd=self.top, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, status, ended.stderr)
        return ended.stderr if status else ended.stdout.strip()

    def files(self):
        """All but those of the test itself, with their contents."""
        own = ("work", "project/scripts", "fail")
        found = {str(path.relative_to(self.top)): path.read_text() for path in self.top.rglob("*") if path.is_file()}
        return {name: text for name, text in found.items() if not name.startswith(own)}

    def image(self, out, text):
        return {f"{out}/index.json": text, f"{out}/oci-layout": text, f"{out}.lock": text}

    def test_an_image_is_replaced_with_its_lock_however_it_is_named(self):
        for number, out in enumerate(("out", "out/", "./out", "new/../out", str(self.top / "out"))):
            self.assertEqual(self.build(out, str(number)), str(self.top / "out"))
            self.assertEqual(self.files(), self.image("out", f"{number}\n"))

    def test_a_link_leads_to_the_image(self):
        self.build("there/out")
        (self.top / "link").symlink_to("there/out")
        self.assertEqual(self.build("link", "two"), str(self.top / "there/out"))
        self.assertEqual(self.files(), self.image("there/out", "two\n"))
        self.assertTrue((self.top / "link").is_symlink())

    def test_each_flavour_has_its_place_among_what_is_built(self):
        self.build("")
        self.build("", flavour="hardware")
        self.assertEqual(self.files(), self.image("project/target/builder-image", "one\n") | self.image("project/target/builder-image-hardware", "one\n"))

    def test_an_empty_directory_is_taken(self):
        (self.top / "out").mkdir()
        self.build("out")
        self.assertEqual(self.files(), self.image("out", "one\n"))

    def test_what_was_not_made_here_stays(self):
        places = {"home": ["notes"], "cache": ["blobs/x", "index.json", "oci-layout", "lock"], "layout": ["blobs/x", "index.json", "oci-layout"], "it's": ["a"]}
        for out, names in places.items():
            for name in names:
                (self.top / out / name).parent.mkdir(parents=True, exist_ok=True)
                (self.top / out / name).write_text("kept")
        for name in ("home.lock", "cache.lock", "file"):
            (self.top / name).write_text("kept")
        before = self.files()
        for out in (*places, "file", ".", "/", "/proc"):
            said = self.build(out, status=2)
            self.assertIn("is there, and nothing that build.sh made or can replace\nname another OUT, or remove that if nobody needs it", said)
        self.assertEqual(self.files(), before)

    def test_a_lock_file_of_another_program_stays(self):
        (self.top / "Cargo.lock").write_text("other")
        # without a directory of that name, and beside an empty one
        for _ in range(2):
            self.assertIn("Cargo.lock is there, and no lock file of build.sh", self.build("Cargo", status=2))
            self.assertEqual(self.files(), {"Cargo.lock": "other"})
            (self.top / "Cargo").mkdir(exist_ok=True)

    def test_what_came_while_the_image_was_made_stays(self):
        (self.top / "out").mkdir()
        (self.top / "meanwhile").write_text("kept")
        self.assertIn("nothing that build.sh made", self.build("out", status=2))
        self.assertEqual(self.files(), {"out/notes": "kept"})

    def test_a_place_that_cannot_be_written_is_found_before_anything_is_made(self):
        (self.top / "file").write_text("")
        for out in ("file/out", "/proc/out"):
            self.assertIn("/out cannot be written\nname another OUT", self.build(out, status=2))

    def test_a_failed_build_leaves_the_image_that_was_there(self):
        self.build("out")
        (self.top / "fail").touch()
        self.build("out", "two", status=4)
        self.build("other", status=4)
        self.assertEqual(self.files(), self.image("out", "one\n"))
        self.assertEqual(sorted(path.name for path in self.top.iterdir()), ["fail", "out", "out.lock", "project", "work"])

    def test_what_a_killed_build_left_goes(self):
        (self.top / ".out.new/image").mkdir(parents=True)
        self.build("out")
        self.assertEqual(sorted(path.name for path in self.top.iterdir()), ["out", "out.lock", "project", "work"])


if __name__ == "__main__":
    unittest.main()
