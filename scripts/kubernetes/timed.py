#!/usr/bin/env python3
"""Runs a command and says when lines showed in a log: timed.py LOG LABEL=REGEX... -- COMMAND...

Prints `LABEL GUEST WALL CPU`: the uptime that the line tells, or -, the seconds since the start, and the CPU seconds of all that the command started.
"""

import os, pathlib, re, subprocess, sys, time

TICKS = os.sysconf("SC_CLK_TCK")


def processes():
    """Parent and CPU seconds, those of waited-for children included, of every process (proc(5), stat)."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS
    return found


def cpu(top):
    """CPU seconds of a process and its descendants."""
    found, total, todo = processes(), 0, [top]
    while todo:
        process = todo.pop()
        total += found.get(process, (0, 0))[1]
        todo += [child for child, (parent, _) in found.items() if parent == process]
    return total


def main(log, *rest):
    end = rest.index("--")
    waiting = dict(item.split("=", 1) for item in rest[:end])
    start, child = time.monotonic(), subprocess.Popen(rest[end + 1:], stdout=subprocess.DEVNULL)
    while child.poll() is None and waiting:
        time.sleep(1)
        text = pathlib.Path(log).read_text(errors="replace").replace("\r", "") if os.path.exists(log) else ""
        used = cpu(child.pid)
        for label, pattern in list(waiting.items()):
            if match := re.search(pattern, text, re.MULTILINE):
                guest = re.match(r"node: (\d+) s", match[0])
                print(f"{label} {guest[1] if guest else '-'} {time.monotonic() - start:.0f} {used:.0f}", flush=True)
                del waiting[label]
    status = child.wait()
    times = os.times()
    print(f"end - {time.monotonic() - start:.0f} {times.children_user + times.children_system:.0f}")
    return status


sys.exit(main(*sys.argv[1:]))
