#!/usr/bin/env python3
"""Under a filter that answers EPERM to seccomp(2): unfiltered.py COMMAND..."""
import ctypes, os, platform, struct, sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
seccomp = {"x86_64": 317, "aarch64": 277}[platform.machine()]
load, equal, answer = 0x20, 0x15, 0x06
code = [(load, 0, 0, 0), (equal, 0, 1, seccomp), (answer, 0, 0, 0x50001), (answer, 0, 0, 0x7FFF0000)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


# as root, so that programs with the setuid bit go on working
program = Program(len(code), b"".join(struct.pack("=HBBI", *line) for line in code))
if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
    sys.exit("the filter cannot be loaded")
os.execvp(sys.argv[1], sys.argv[1:])
