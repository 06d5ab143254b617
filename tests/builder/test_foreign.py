"""Programs of another architecture, by foreign.py."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from builder import SCRIPTS

# namespaces have handlers of their own since Linux 6.7
RECENT = tuple(int(number) for number in os.uname().release.split(".")[:2]) >= (6, 7)
EMULATED = RECENT and os.geteuid() == 0 and shutil.which("qemu-aarch64-static") and shutil.which("arch-test")


def foreign(*command, **variables):
    return subprocess.run([sys.executable, SCRIPTS / "foreign.py", "arm64", *command], capture_output=True, text=True, env=os.environ | variables)


def handlers():
    """What this host has registered; nothing where binfmt_misc is not mounted."""
    directory = "/proc/sys/fs/binfmt_misc"
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


class Foreign(unittest.TestCase):
    def test_a_host_without_the_emulator_is_told_so(self):
        with tempfile.TemporaryDirectory() as empty:
            done = foreign("true", PATH=empty)
        self.assertEqual((done.returncode, done.stderr), (125, "qemu-aarch64-static is not installed\n"))

    @unittest.skipUnless(EMULATED, "needs root, Linux 6.7, qemu-user-static and arch-test")
    def test_programs_run_and_the_host_does_not_change(self):
        before = handlers()
        self.assertEqual(foreign("arch-test", "arm64").stdout, "arm64: ok\n")
        self.assertEqual(foreign("sh", "-c", "cat /proc/self/uid_map").stdout.split(), ["0", "0", "4294967295"])
        self.assertEqual(handlers(), before)

    @unittest.skipUnless(EMULATED, "needs root, Linux 6.7, qemu-user-static and arch-test")
    def test_the_command_ends_as_it_would_without(self):
        self.assertEqual(foreign("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(foreign("sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)
        done = foreign("/nonexistent")
        self.assertEqual((done.returncode, done.stderr), (125, "/nonexistent: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
