#!/usr/bin/env python3
"""A host with nothing on it: run.py AIRSHIPCTL BUILDER_LAYOUT UID, as root.

In a mount namespace of its own the root becomes a tmpfs with the (static) program, /proc, /sys, /dev, and a directory of
the user's with a site, a loaded cache and a volume; there the user, who has one id, makes the ISO. Prints its size."""
import ctypes, os, pathlib, shutil, subprocess, sys

program, layout, uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
site = pathlib.Path(__file__).resolve().parent.parent / "fixtures/example-site"
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_BIND, MS_REC, MS_SLAVE, MNT_DETACH, SYS_PIVOT_ROOT = 0x20000, 0x1000, 0x4000, 0x80000, 2, 155


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind, flags=0):
    pathlib.Path(target).mkdir(exist_ok=True)
    check(libc.mount(source.encode(), str(target).encode(), kind and kind.encode(), flags, None))


def furnish(home):
    """The user's directory: site, volume, and the cache that the program itself fills."""
    shutil.copytree(site / "documents", home / "documents")
    (home / "volume").mkdir()
    (home / "isogen.yaml").write_text((site / "isogen.yaml").read_text().replace("/srv/isogen", "/home/volume"))
    subprocess.run([program, "image", "load", "--rootfs-cache", home / "cache", layout], check=True, stdout=sys.stderr)
    for path in [home, *home.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)


root = pathlib.Path(program).resolve().parent / "root"
root.mkdir(exist_ok=True)
check(libc.unshare(CLONE_NEWNS))
check(libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None))
mount("tmpfs", root, "tmpfs")
shutil.copy(program, root / "airshipctl")
mount("proc", root / "proc", "proc")
mount("sysfs", root / "sys", "sysfs")
mount("/sys/fs/cgroup", root / "sys/fs/cgroup", None, MS_BIND | MS_REC)
mount("/dev", root / "dev", None, MS_BIND)
(root / "home").mkdir()
furnish(root / "home")
(root / "old").mkdir()
check(libc.syscall(SYS_PIVOT_ROOT, str(root).encode(), str(root / "old").encode()))
os.chdir("/")
check(libc.umount2(b"/old", MNT_DETACH))
os.rmdir("/old")
print("the whole host:", sorted(os.listdir("/")), flush=True)
if os.fork() == 0:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    arguments = ["airshipctl", "bootstrap", "isogen", "--rootfs-cache", "/home/cache", "--conf", "/home/isogen.yaml"]
    os.execve("/airshipctl", [*arguments, "/home/documents"], {"HOME": "/home"})
status = os.waitstatus_to_exitcode(os.wait()[1])
iso = os.stat("/home/volume/ephemeral.iso")
print(f"exit code {status}; {iso.st_size} bytes of user {iso.st_uid}")
sys.exit(status != 0 or iso.st_uid != uid)
