"""The image layout: python3 -m unittest discover tests/builder"""

import hashlib
import json
import subprocess
import sys
import unittest

from test_recipe import SCRIPTS, Recipe


class Layout(Recipe):
    def layout(self, name, **variables):
        """An image layout of two layers, one of them compressed."""
        for layer, suffix in (("tools.x", ".zst"), ("live.y", "")):
            directory = self.top / layer
            directory.mkdir(exist_ok=True)
            (directory / f"layer.tar{suffix}").write_bytes(layer.encode())
            (directory / "diff_id").write_text("0" * 64 + "  -\n")
        subprocess.run([sys.executable, SCRIPTS / "image_layout.py", self.top / name, self.top / "tools.x", self.top / "live.y"], check=True,
                       env={"SOURCE_DATE_EPOCH": "1750000000", **variables})
        return {str(path.relative_to(self.top / name)): path.read_bytes() for path in (self.top / name).rglob("*") if path.is_file()}

    def test_a_layout_is_complete_and_the_same_each_time(self):
        files = self.layout("one")
        self.assertEqual(files, self.layout("two"))
        (manifest,) = json.loads(files["index.json"])["manifests"]
        self.assertEqual(manifest["annotations"]["org.opencontainers.image.ref.name"], "localhost/isogen-builder:latest")
        for path, data in files.items():
            if path.startswith("blobs/"):
                self.assertEqual(path, f"blobs/sha256/{hashlib.sha256(data).hexdigest()}")
        body = json.loads(files["blobs/sha256/" + manifest["digest"][7:]])
        self.assertEqual([layer["mediaType"].rpartition(".")[2] for layer in body["layers"]], ["tar+zstd", "tar"])

    def test_name_and_architecture_are_the_recipe_s(self):
        files = self.layout("one", BUILDER_IMAGE="registry.example/isogen:1", BUILDER_ARCHITECTURE="arm64")
        (manifest,) = json.loads(files["index.json"])["manifests"]
        self.assertEqual((manifest["annotations"]["org.opencontainers.image.ref.name"], manifest["platform"]["architecture"]), ("registry.example/isogen:1", "arm64"))
        body = json.loads(files["blobs/sha256/" + manifest["digest"][7:]])
        self.assertIn(b'"architecture":"arm64"', files["blobs/sha256/" + body["config"]["digest"][7:]])


if __name__ == "__main__":
    unittest.main()
