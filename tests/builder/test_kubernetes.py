"""Images and measurements of scripts/test-kubernetes.sh; the rest of it takes a node."""

import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts/kubernetes"
NAME = "registry.example/kubernetes/tool:1"


class Archives(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def archive(self, *arguments):
        out = self.directory / "out.tar"
        subprocess.run([sys.executable, SCRIPTS / "archive.py", out, NAME, *arguments], check=True)
        return out.read_bytes()

    def blobs(self, data):
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}

    def program(self, name="tool"):
        path = self.directory / name
        path.write_bytes(b"#!/bin/sh\n")
        return path

    def test_every_blob_is_what_its_name_says_and_is_led_to(self):
        files = self.blobs(self.archive(f"/bin/tool={self.program()}", "--", "/bin/tool", "x"))
        index = json.loads(files["index.json"])["manifests"][0]
        self.assertEqual(index["annotations"]["io.containerd.image.name"], NAME)
        manifest = json.loads(files["blobs/sha256/" + index["digest"].removeprefix("sha256:")])
        for descriptor in [index, manifest["config"], *manifest["layers"]]:
            data = files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
            self.assertEqual(descriptor["digest"], "sha256:" + hashlib.sha256(data).hexdigest())
            self.assertEqual(descriptor["size"], len(data))
        config = json.loads(files["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])
        self.assertEqual(config["config"]["Entrypoint"], ["/bin/tool", "x"])
        self.assertEqual(config["rootfs"]["diff_ids"], [manifest["layers"][0]["digest"]])

    def test_the_layer_holds_the_programs_and_the_libraries_they_are_linked_with(self):
        files = self.blobs(self.archive(f"/bin/tool={self.program()}", f"/usr/bin/python={pathlib.Path(sys.executable).resolve()}"))
        layer = max(files.values(), key=len)
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            members = {member.name: member.mode for member in archive}
        self.assertEqual(members["bin/tool"], 0o755)
        self.assertTrue(any(name.split("/")[-1].startswith("libc.so") for name in members), members)

    def test_the_same_programs_make_the_same_bytes(self):
        first = self.archive(f"/bin/tool={self.program('first')}")
        self.assertEqual(first, self.archive(f"/bin/tool={self.program('second')}"))


class Times(unittest.TestCase):
    def test_a_line_of_the_log_is_told_with_the_uptime_it_names(self):
        with tempfile.TemporaryDirectory() as directory:
            log = f"{directory}/log"
            command = ["sh", "-c", 'printf "node: 42 s: done\\r\\n" >"$1"; sleep 2', "sh", log]
            told = subprocess.run([sys.executable, SCRIPTS / "timed.py", log, r"all done=^node: \d+ s: done$", "--", *command],
                                  check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertRegex(told[0], r"^all done 42 [0-9]+ [0-9]+$")
        self.assertRegex(told[1], r"^end - [0-9]+ [0-9]+$")

    def test_the_commands_status_is_its_own(self):
        command = [sys.executable, SCRIPTS / "timed.py", "/nonexistent/log", "x=y", "--", "sh", "-c", "exit 3"]
        self.assertEqual(subprocess.run(command, capture_output=True).returncode, 3)


if __name__ == "__main__":
    unittest.main()
