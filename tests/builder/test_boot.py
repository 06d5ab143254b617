"""The boot loaders' part of the medium, made of stand-ins for Debian's signed ones."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from builder import SCRIPTS

SIGNED = {"amd64": ("x64", "x86_64"), "arm64": ("aa64", "arm64")}


class Boot(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        for suffix, platform in SIGNED.values():
            for name in (f"shim/shim{suffix}.efi.signed", f"shim/mm{suffix}.efi.signed", f"grub/{platform}-efi-signed/gcd{suffix}.efi.signed"):
                path = self.top / "signed/usr/lib" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(name.encode() * 100000)
        (self.top / "signed/usr/lib/grub/i386-pc").symlink_to("/usr/lib/grub/i386-pc")

    def make(self, name, **variables):
        out = self.top / name
        out.mkdir()
        environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1750000000", **variables}
        done = subprocess.run([SCRIPTS / "boot.sh", out, self.top / "signed"], env=environment, capture_output=True, text=True)
        return out, done

    def files(self, out):
        """Paths in the FAT image."""
        listed = subprocess.run(["mdir", "-i", out / "efi.img", "-/", "-b", "::"], capture_output=True, text=True, check=True).stdout
        return sorted(line.removeprefix("::") for line in listed.splitlines() if not line.endswith("/"))

    def read(self, out, path):
        return subprocess.run(["mtype", "-i", out / "efi.img", f"::{path}"], capture_output=True, check=True).stdout

    def test_firmware_finds_the_shim_that_the_loader_and_that_its_menu(self):
        out, done = self.make("out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(out), ["/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/grubx64.efi", "/EFI/BOOT/mmx64.efi", "/boot/grub/grub.cfg"])
        self.assertEqual(self.read(out, "/EFI/BOOT/BOOTX64.EFI"), b"shim/shimx64.efi.signed" * 100000)
        self.assertEqual(self.read(out, "/EFI/BOOT/grubx64.efi"), b"grub/x86_64-efi-signed/gcdx64.efi.signed" * 100000)
        self.assertEqual(self.read(out, "/boot/grub/grub.cfg"), (SCRIPTS / "early.cfg").read_bytes())
        self.assertEqual(sorted(os.listdir(out)), ["boot_hybrid.img", "efi.img", "eltorito.img", "grub.cfg", "marker"])
        self.assertIn(b"FAT16", (out / "efi.img").read_bytes()[:512])

    def test_it_is_the_same_every_time(self):
        sums = set()
        for name, zone in (("one", "UTC"), ("two", "Asia/Kolkata")):
            out, _ = self.make(name, TZ="UTC" if name == "one" else zone)
            sums.add(tuple(hashlib.sha256((out / file).read_bytes()).hexdigest() for file in ("efi.img", "eltorito.img")))
        self.assertEqual(len(sums), 1)

    def test_arm64_has_no_bios(self):
        out, done = self.make("out", BUILDER_ARCHITECTURE="arm64")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(out), ["/EFI/BOOT/BOOTAA64.EFI", "/EFI/BOOT/grubaa64.efi", "/EFI/BOOT/mmaa64.efi", "/boot/grub/grub.cfg"])
        self.assertEqual(sorted(os.listdir(out)), ["efi.img", "grub.cfg", "marker"])

    def test_other_architectures_are_refused(self):
        _, done = self.make("out", BUILDER_ARCHITECTURE="mips")
        self.assertEqual((done.returncode, done.stderr), (2, "BUILDER_ARCHITECTURE: mips is neither amd64 nor arm64\n"))


if __name__ == "__main__":
    unittest.main()
