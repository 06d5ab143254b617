"""What a command costs with everything that works for it: wall and CPU seconds, and the memory of its biggest process."""
import contextlib
import hashlib
import os
import pathlib
import resource
import signal
import stat
import subprocess
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Seconds; `cpu` with that of daemons and `registry`, which is named too, `others` of all the rest of the machine.
    `memory` in MiB, of a daemon since it began."""
    wall: float
    cpu: float
    registry: float
    memory: float
    others: float


class Failed(Exception):
    """A command that ended with an error; with the end of what it said."""


class Daemon:
    """A server in the background with its children; stopped by its id."""

    def __init__(self, argv, log, env=None):
        with open(log, "wb") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            env=env, process_group=0)
        self.log = log

    def wait_until(self, ready, seconds=30):
        """Returns when `ready()` holds."""
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.process.args[0]} did not start: {tail(self.log)}")
            time.sleep(0.05)

    def tree(self):
        """Ids of the process and its living descendants."""
        found = [self.process.pid]
        for pid in found:
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
        return found

    def cpu(self):
        """Seconds of all of them, with those that they have waited for."""
        total = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                # after the name, which may hold anything: utime is field 14 of proc(5)
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))
        return total / TICKS

    def memory(self):
        """MiB of the biggest of them at its peak."""
        peaks = [0]
        for pid in self.tree():
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                peaks += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
        return max(peaks) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in self.tree():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


def tail(log):
    return pathlib.Path(log).read_text(errors="replace")[-800:].strip()


def cost(argv, log, env, registry=None, daemon=None):
    """Runs a command to its end, and fails if it does."""
    registry_before, daemon_before = (d.cpu() if d else 0.0 for d in (registry, daemon))
    start, machine = time.monotonic(), busy()
    usage, peak = run(argv, log, env)
    wall, machine = time.monotonic() - start, busy() - machine
    registry_after, daemon_after = (d.cpu() if d else 0.0 for d in (registry, daemon))
    served = registry_after - registry_before
    own = usage.ru_utime + usage.ru_stime + daemon_after - daemon_before
    memory = max(peak, daemon.memory() if daemon else 0.0)
    return Cost(wall, own + served, served, memory, max(machine - own - served, 0.0))


def run(argv, log, env):
    """What wait4 says of the command and all that it waited for, and MiB of the biggest of these processes."""
    peak = f"{log}.peak"
    # a child of this process would inherit its peak of memory (exec keeps that of the address space it leaves), hence `time`
    launched = ["/usr/bin/time", "-q", "-f", "%M", "-o", peak, *map(str, argv)]
    with open(log, "wb") as output:
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)]
        pid = os.posix_spawn(launched[0], launched, env, file_actions=actions, setpgroup=0)
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if os.waitstatus_to_exitcode(status) != 0:
        raise Failed(f"{' '.join(map(str, argv))}: {os.waitstatus_to_exitcode(status)}: {tail(log)}")
    return usage, int(pathlib.Path(peak).read_text().split()[-1]) / 1024


def cpu_of(argv, times):
    """CPU milliseconds of one of several runs; without `time`, whose own would count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000 / times


def busy():
    """CPU seconds that this machine has worked since it began."""
    user, nice, system, _, _, irq, softirq = map(int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def tree_hash(root):
    """Number of entries below `root`, their bytes, and one hash over path, type, mode, owner, size, link and content."""
    lines, size = [], 0
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            lines.append(describe(path, os.path.relpath(path, root)))
            size += os.lstat(path).st_size if os.path.isfile(path) and not os.path.islink(path) else 0
    return len(lines), size, hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()[:16]


def describe(path, name):
    found, content, size = os.lstat(path), "", 0
    if stat.S_ISLNK(found.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            content, size = hashlib.file_digest(file, "sha256").hexdigest(), found.st_size
    return f"{name}\0{found.st_mode:o}\0{found.st_uid}:{found.st_gid}\0{size}\0{content}"
