"""The settings of the live root, in a directory of stand-ins: python3 -m unittest discover tests/builder"""

import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts/builder"
HOST = "nameserver 192.0.2.53\n"


class LiveHook(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        for name in ("bin", "root/etc/cloud/cloud.cfg.d", "root/etc/systemd/system", "root/etc/ssh", "root/usr/share/doc", "root/boot"):
            (self.top / name).mkdir(parents=True)
        (self.top / "bin/chroot").write_text("#!/bin/sh\n")
        (self.top / "bin/chroot").chmod(0o755)
        for name in ("vmlinuz-6.1", "initrd.img-6.1"):
            (self.top / "root/boot" / name).touch()

    def test_nothing_of_the_host_stays(self):
        etc = self.top / "root/etc"
        # as mmdebstrap copies them, with their modes, and systemd-resolved keeps one
        for name in ("hostname", "resolv.conf", ".resolv.conf.systemd-resolved.bak", "machine-id", "ssh/ssh_host_rsa_key"):
            (etc / name).write_text(HOST)
            (etc / name).chmod(0o755)
        subprocess.run(["sh", SCRIPTS / "live-hook.sh", self.top / "root"], check=True, umask=0o022,
                       env={"PATH": f"{self.top}/bin:{os.environ['PATH']}"})
        files = [path for path in (self.top / "root").rglob("*") if path.is_file() and not path.is_symlink()]
        self.assertEqual([path for path in files if HOST in path.read_text()], [])
        self.assertEqual([path for path in files if stat.S_IMODE(path.stat().st_mode) != 0o644 and path.parent == etc], [])
        self.assertEqual(((etc / "hostname").read_text(), (etc / "machine-id").read_text()), ("live\n", ""))


if __name__ == "__main__":
    unittest.main()
