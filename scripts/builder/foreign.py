#!/usr/bin/env python3
"""Runs a command where programs of another architecture run, by qemu's emulation of user space: foreign.py ARCHITECTURE COMMAND...

The kernel learns of the emulator in a user namespace of the command's own (Linux 6.7), so that nothing of the host changes.
Exit status 125: this cannot be done here; the reason is on standard error.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys

NEWNS, NEWUSER = 0x00020000, 0x10000000
BINFMT = "/proc/sys/fs/binfmt_misc"
# the name of qemu's program, and e_machine of its ELF files (System V ABI, chapter 4)
MACHINES = {"amd64": ("x86_64", r"\x3e\x00"), "arm64": ("aarch64", r"\xb7\x00")}
libc = ctypes.CDLL(None, use_errno=True)


def refuse(reason):
    print(reason, file=sys.stderr)
    sys.exit(125)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        refuse(f"{name}: {os.strerror(ctypes.get_errno())}")


def mapped(process):
    """Gives the process all ids that its user may give: root's are the same inside, others' are a range of their own."""
    if os.geteuid() == 0:
        for kind in ("uid", "gid"):
            with open(f"/proc/{process}/{kind}_map", "w", encoding="ascii") as file:
                file.write("0 0 4294967295\n")
        return True
    name = pwd.getpwuid(os.geteuid()).pw_name
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        with open(f"/etc/sub{kind}", encoding="ascii") as file:
            row = next((row.split(":") for row in file if row.startswith(f"{name}:")), None)
        if row is None or subprocess.run([f"new{kind}map", str(process), "0", str(own), "1", "1", row[1], row[2].strip()], check=False).returncode:
            return False
    return True


def register(machine, number, emulator):
    call("mount", b"none", BINFMT.encode(), b"binfmt_misc", 0, None)
    # executables and shared objects of 64-bit ELF; F: opened now, so that it need not be in the root
    magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00" + number
    mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    try:
        with open(f"{BINFMT}/register", "w", encoding="ascii") as file:
            file.write(f":qemu-{machine}:M::{magic}:{mask}:{emulator}:F")
    except OSError as error:
        refuse(f"{BINFMT}/register: {error.strerror}")


def main():
    machine, number = MACHINES[sys.argv[1]]
    emulator = shutil.which(f"qemu-{machine}-static")
    if emulator is None:
        refuse(f"qemu-{machine}-static is not installed")
    # ids can be given from outside of the namespace only; the command itself keeps this process, and so its signals and exit status
    command, (ready, say) = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(say)
        done = False
        with contextlib.suppress(OSError, KeyError):
            done = os.read(ready, 1) == b"." and mapped(command)
        os._exit(0 if done else 1)
    call("unshare", NEWUSER | NEWNS)
    os.write(say, b".")
    if os.waitpid(helper, 0)[1] != 0:
        refuse("its user has no ids to give: subordinate ids and newuidmap are missing")
    register(machine, number, emulator)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        refuse(f"{sys.argv[2]}: {error.strerror}")


main()
