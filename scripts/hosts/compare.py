#!/usr/bin/env python3
"""Whether doctor and run agree: compare.py PREFIX STATE USER; prints a line and ends with 1 where they do not."""
import json, pathlib, re, sys

prefix, state, user = sys.argv[1:]


def read(suffix):
    path = pathlib.Path(f"{prefix}.{suffix}")
    return path.read_text() if path.exists() else ""


faults = []
try:
    foretold = json.loads(read("json"))["run"]
except ValueError:
    foretold = {"rung": None, "description": None, "code": None, "check": None}
    faults.append("doctor said: " + (read("err") + read("log")).strip())
log, code = read("out"), int(read("run") or -1)
rung = re.search(r"^Containers run (.*)$", log, re.M)
rung = rung and rung[1]
check = re.search(r"explains it: check ([a-z0-9-]+)", log)
if code != foretold["code"]:
    faults.append(f"the run ended with {code}, foretold was {foretold['code']}")
# that nothing holds is the worst, even where a run would not come so far
if int(read("doctor") or -1) not in (foretold["code"], 5 if foretold["rung"] is None else None):
    faults.append(f"doctor ended with {read('doctor').strip()}")
# a run that ends before it looks for a rung names none
if rung != foretold["description"] and not (rung is None and foretold["code"] in (2, 3)):
    faults.append(f"the run took {rung!r}, foretold was {foretold['description']!r}")
if foretold["code"] == 5 and (check and check[1]) != foretold["check"]:
    faults.append(f"the run failed at {check and check[1]}, foretold was {foretold['check']}")
if read("before") != read("after"):
    faults.append("doctor left something behind: " + " ".join(set(read("after").split("\n")) ^ set(read("before").split("\n"))))
row = [state, user, foretold["rung"] or "none", str(code), foretold["check"] or "", "differs" if faults else "agrees"]
print("%-22s %-7s %-8s %-4s %-26s %s" % tuple(row))
for fault in faults:
    print("   ", fault)
if faults and log:
    print("    |", "\n    | ".join(log.strip().split("\n")[-6:]))
sys.exit(bool(faults))
