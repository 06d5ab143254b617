"""The image itself, made by xorriso from small files: what is on it, that it is the same each time, and what stops it."""

import hashlib
import json
import os
import re
import stat
import subprocess
import time
import unittest

from builder import OPEN_STACK, SECRET, BuilderCase

# runs a command with the volume on a file system of its own, of 40 MiB unless the options say something else
MOUNTED = """set -eu; at=$1 options=$2; shift 2
mount -t tmpfs -o size=40m isogen "$at"; cp "$at".saved/* "$at"; mount -o "remount,$options" "$at"
"$@" && status=0 || status=$?
ls -A "$at" >&2; exit "$status"
"""


class Medium(BuilderCase):
    image = property(lambda self: self.volume / "ephemeral.iso")

    def extract(self):
        """The volume's files, by path."""
        target = self.top / f"extracted-{time.monotonic_ns()}"
        subprocess.run(["xorriso", "-no_rc", "-report_about", "FATAL", "-osirrox", "on", "-indev", self.image, "-extract", "/", target],
                       check=True, capture_output=True)
        return target

    def test_the_list_of_files_holds_on_the_medium_and_is_beside_it(self):
        self.made()
        root = self.extract()
        listed = (root / ".airship/SHA256SUMS").read_text()
        check = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", ".airship/SHA256SUMS"], cwd=root, capture_output=True, text=True)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
        self.assertEqual((self.volume / "ephemeral.iso.files").read_text(), listed)
        paths = {line[66:] for line in listed.splitlines()}
        there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        self.assertEqual(there - paths, {".airship/SHA256SUMS", "boot/boot.cat", "boot/grub/eltorito.img"})

    def test_what_speaks_of_user_data_is_roots_alone_on_the_node(self):
        for form, directory in (("version: 2\nethernets: {a: {}}\n", "nocloud"), (OPEN_STACK, "config-drive")):
            self.put("network-config", form)
            self.made()
            root = self.extract()
            for path in [root / directory, *(root / directory).rglob("*"), root / ".airship/SHA256SUMS"]:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
            self.assertEqual(stat.S_IMODE((root / "live/vmlinuz").stat().st_mode), 0o444)
            self.assertEqual([name for name in ("nocloud", "config-drive") if (root / name).exists()], [directory])

    def test_everything_beside_the_image_is_its_owners_alone(self):
        self.made()
        names = {"ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"}
        self.assertEqual(set(os.listdir(self.volume)) - names, {"user-data", "network-config", "builder-conf.yaml"})
        for name in names:
            self.assertEqual(stat.S_IMODE((self.volume / name).stat().st_mode), 0o600, name)

    def test_metadata_have_the_sums_and_the_size(self):
        self.made()
        data = self.image.read_bytes()
        self.assertEqual((self.volume / "output-metadata.yaml").read_text(),
                         f"bootImagePath: /srv/iso/ephemeral.iso\nmd5sum: {hashlib.md5(data).hexdigest()}\n"
                         f"sha256sum: {hashlib.sha256(data).hexdigest()}\nsize: {len(data)}\n")

    def test_the_label_is_the_volumes(self):
        self.configure(f"  label: {'a-B_c.9' * 4}0123\n")
        self.made()
        self.assertEqual(self.image.read_bytes()[32768 + 40:32768 + 72].decode(), "a-B_c.9" * 4 + "0123")
        self.configure()
        self.assertNotIn("xorriso :", self.made(SOURCE_DATE_EPOCH="1750000000"))

    def test_the_same_inputs_give_the_same_bytes(self):
        seen = set()
        for zone, umask in (("UTC", 0o022), ("Asia/Kolkata", 0o077)):
            for name in ("user-data", "network-config", "builder-conf.yaml"):
                os.utime(self.volume / name, (zone == "UTC" and 1 or 1e9,) * 2)
            os.umask(umask)
            self.made(TZ=zone, LC_ALL="C.UTF-8")
            time.sleep(1.1)
            seen.add(tuple((self.volume / f"ephemeral.iso{suffix}").read_bytes() for suffix in ("", ".files", ".spdx.json")))
        self.assertEqual(len(seen), 1)
        self.configure("  sourceDateEpoch: 1700000000\n")
        self.made()
        self.assertNotIn(self.image.read_bytes(), {files[0] for files in seen})
        self.assertIn(b"2023111422132000", self.image.read_bytes())

    def test_the_list_of_packages_is_spdx(self):
        self.made()
        document = json.loads((self.volume / "ephemeral.iso.spdx.json").read_text())
        self.assertEqual((document["spdxVersion"], document["creationInfo"]["created"]), ("SPDX-2.3", "2025-06-15T15:06:40Z"))
        self.assertRegex(document["documentNamespace"], "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$")
        image, cpp, zlib = document["packages"]
        self.assertEqual(image["checksums"][1]["checksumValue"], hashlib.sha256(self.image.read_bytes()).hexdigest())
        self.assertEqual(cpp["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64")
        self.assertEqual(zlib["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64")
        self.assertEqual((zlib["versionInfo"], zlib["sourceInfo"]), ("1:1.2.13.dfsg-1", "built from source package zlib 1:1.2.13.dfsg-1"))
        ids = [package["SPDXID"] for package in document["packages"]]
        self.assertTrue(all(re.fullmatch("SPDXRef-[A-Za-z0-9.-]+", name) for name in ids) and len(set(ids)) == 3, ids)
        self.assertEqual({link["relatedSpdxElement"] for link in document["relationships"]}, set(ids))

    def test_an_image_without_a_list_of_packages_removes_an_older_one(self):
        self.made()
        (self.top / "assets/packages.json").unlink()
        self.made()
        self.assertFalse((self.volume / "ephemeral.iso.spdx.json").exists())

    def test_existing_outputs_are_replaced_whole(self):
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            (self.volume / name).write_bytes(b"older" * (1 << 20))
            os.link(self.volume / name, self.top / name)
        self.made()
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            self.assertNotIn(b"older", (self.volume / name).read_bytes())
            self.assertEqual((self.top / name).stat().st_size, 5 << 20)

    def test_directories_in_the_place_of_outputs_are_refused_at_once(self):
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            (self.volume / name).mkdir()
            status, output = self.run_builder()
            self.assertEqual(status, 1)
            self.assertIn(f"{name}: is a directory", output)
            (self.volume / name).rmdir()

    def test_names_that_follow_from_the_images_are_taken(self):
        for name in ("outputMetadataFileName: ephemeral.iso.files", "userDataFileName: ephemeral.iso.spdx.json"):
            self.configure(f"  {name}\n")
            self.refused("two files have the same name")

    def mounted(self, options):
        """Runs the builder with the volume on a file system mounted so, and returns what it said and what is left there."""
        self.volume.rename(f"{self.volume}.saved")
        self.volume.mkdir()
        become = [] if os.geteuid() == 0 else ["--map-root-user"]
        process = self.start("unshare", "--mount", *become, "sh", "-c", MOUNTED, "sh", str(self.volume), options)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, output)
        self.assertNotIn(SECRET, output)
        self.assertEqual(output.splitlines()[-3:], ["builder-conf.yaml", "network-config", "user-data"])
        return output

    def test_a_volume_without_room_is_said_before_anything_is_written(self):
        self.assertRegex(self.mounted("size=1m"), r"error: .*/volume: 0 MiB free, 8 MiB needed")

    def test_a_volume_that_fills_up_meanwhile_is_left_as_it_was(self):
        program = self.top / "bin/xorriso"
        program.write_text('#!/bin/sh\nfor word; do case $word in *.new) exec dd if=/dev/zero of="$word" bs=1M count=90 ;; esac; done\n')
        program.chmod(0o755)
        output = self.mounted("rw")
        self.assertIn("No space left on device", output)
        self.assertIn("error: assembling the image: xorriso ended with status 1", output)

    def test_a_volume_that_cannot_be_written_is_named(self):
        self.assertRegex(self.mounted("ro"), r"error: .*: Read-only file system")


if __name__ == "__main__":
    unittest.main()
