"""The builder script, with a stand-in for xorriso: python3 -m unittest discover tests/builder"""

import os
import signal
import stat
import subprocess
import time
import unittest

from builder import OPEN_STACK, SECRET, VERSION_1, VERSION_2, BuilderCase

# writes what it was told to the image, and its seed's names and contents after that
XORRISO = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -o) image=$2 ;; /nocloud=*) seed=${1#*=} ;; /config-drive=*) seed=${1#*=}/openstack/latest ;; esac; shift
done
{ ls "$seed"; cat "$seed"/*; } > "$image" || exit 4
[ ! -e "$FAIL" ] || exit 5
[ ! -e "$HANG" ] || exec sleep 60
"""


class BuildIso(BuilderCase):
    def setUp(self):
        super().setUp()
        program = self.top / "bin/xorriso"
        program.write_text(XORRISO)
        program.chmod(0o755)

    def test_metadata_name_the_host_side(self):
        status, output = self.run_builder()
        self.assertEqual(status, 0, output)
        metadata = (self.volume / "output-metadata.yaml").read_text()
        self.assertIn("bootImagePath: /srv/iso/ephemeral.iso\n", metadata)
        digest = subprocess.run(["md5sum", self.volume / "ephemeral.iso"], capture_output=True, text=True).stdout.split()[0]
        self.assertIn(f"md5sum: {digest}\n", metadata)

    def test_image_is_readable_by_its_owner_alone(self):
        self.run_builder()
        self.assertEqual(stat.S_IMODE((self.volume / "ephemeral.iso").stat().st_mode), 0o600)

    def test_wrapped_configuration_and_other_names_are_read(self):
        self.put("ud", "#!/bin/sh\n")
        self.configure("  userDataFileName: ud\n  outputFileName: a b.iso\n  outputMetadataFileName: m.yaml\n",
                       "apiVersion: airshipit.org/v1alpha1\nkind: IsoConfiguration\nmetadata: {name: isogen}\n")
        status, output = self.run_builder()
        self.assertEqual(status, 0, output)
        self.assertIn("#!/bin/sh", (self.volume / "a b.iso").read_text())
        self.assertIn("bootImagePath: /srv/iso/a b.iso\n", (self.volume / "m.yaml").read_text())

    def test_environment_names_what_the_configuration_leaves_out(self):
        self.run_builder(OUTPUT_FILE_NAME="env.iso")
        self.assertTrue((self.volume / "env.iso").exists())

    def test_meta_data_of_the_volume_goes_on_the_medium_unchanged(self):
        self.put("meta-data", "instance-id: iid-7\nlocal-hostname: node\n")
        self.run_builder()
        self.assertIn("instance-id: iid-7\nlocal-hostname: node\n", (self.volume / "ephemeral.iso").read_text())

    def test_instance_id_changes_with_the_inputs(self):
        ids = set()
        for text in ("#cloud-config\na: 1\n", "#cloud-config\na: 2\n", "#cloud-config\na: 2\n"):
            self.put("user-data", text)
            self.run_builder()
            lines = (self.volume / "ephemeral.iso").read_text().splitlines()
            ids.add(next(line for line in lines if line.startswith("instance-id: iso-")))
        self.assertEqual(len(ids), 2)

    def test_forms_that_nocloud_takes_are_accepted(self):
        for text in (VERSION_1, "network:\n  " + VERSION_1.replace("\n", "\n  ").rstrip(), "network:\n  " + VERSION_2.replace("\n", "\n  ").rstrip(),
                     '{"version": 2, "ethernets": {"e": {}}}'):
            with self.subTest(text):
                self.put("network-config", text)
                status, output = self.run_builder()
                self.assertEqual(status, 0, output)

    def test_other_forms_are_refused_by_name(self):
        for text, words in {
            f'{{"links": {{}}, "networks": [], "services": ["{SECRET}"]}}': "whose `links` is not a list",
            f"links: []\nnetworks: [&a [{SECRET}, *a]]\n": "cannot be written as JSON",
            f"links: []\nnetworks: [{{{SECRET}: .nan}}]\n": "cannot be written as JSON",
            f"links: []\nnetworks: [{{? [{SECRET}] : 1}}]\n": "not YAML",
            "links: [&a [x, x, x, x, x, x, x, x, x]" + "".join(
                f", &{next_} [{', '.join(['*' + one] * 9)}]" for one, next_ in zip("abcdefgh", "bcdefghi")) + "]\nnetworks: []\n": "more than 4 MiB",
            f"auto eth0\niface eth0 inet static {SECRET}\n": "interfaces",
            "version: 3\nethernets: {}\n": "unknown `version`",
            "version: 1\nethernets: {}\n": "version 1 without",
            "version: 2\nconfig: []\n": "version 2 without",
            "ethernets: {}\n": "no `version`",
            "network: {config: disabled}\n": "switched off",
            f"a: [{SECRET}\n": "not YAML",
            f"a: !!python/object/apply:os.system [{SECRET}]\n": "not YAML",
            "[" * 20000: "not YAML",
            " \n": "empty",
        }.items():
            with self.subTest(text[:60]):
                self.put("network-config", text)
                self.refused(words)

    def test_missing_and_empty_inputs_are_named(self):
        for name in ("user-data", "network-config"):
            with self.subTest(name):
                saved = (self.volume / name).read_text()
                self.put(name, "")
                self.refused(f"{name}: empty")
                os.unlink(self.volume / name)
                self.refused(name)
                self.put(name, saved)

    def test_bad_configurations_are_refused(self):
        for extra in ("  userDataFileName: ../x\n", "  outputFileName: ''\n", "  outputFileName: 7\n",
                      "  outputFileName: user-data\n", "  userDataFileName: meta-data\n"):
            with self.subTest(extra):
                self.configure(extra)
                self.refused("builder")
        for volume in ("relative:/config", "/a:/b:rw:x", "7"):
            with self.subTest(volume):
                self.configure(volume=volume)
                self.refused("container.volume")

    def test_other_kinds_of_image_are_refused(self):
        self.refused("IMAGE_TYPE", IMAGE_TYPE="qcow2")

    def test_failure_of_xorriso_leaves_the_older_image(self):
        self.run_builder()
        before = (self.volume / "ephemeral.iso").read_text()
        self.put("user-data", "#cloud-config\nother: 1\n")
        (self.top / "fail").touch()
        status, output = self.run_builder()
        self.assertEqual(status, 1)
        self.assertIn("xorriso ended with status 5", output)
        self.assertEqual((self.volume / "ephemeral.iso").read_text(), before)

    def test_termination_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            (self.top / "hang").touch()
            process = self.start()
            deadline = time.monotonic() + 30
            while not (self.volume / ".ephemeral.iso.new").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(number)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 128 + number)
            self.assertEqual(os.listdir(self.top / "tmp"), [])
            self.assertEqual(sorted(os.listdir(self.volume)), ["builder-conf.yaml", "network-config", "user-data"])


if __name__ == "__main__":
    unittest.main()
