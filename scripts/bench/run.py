#!/usr/bin/env python3
"""Called by bench.sh: run.py DIR REFERENCE. One line for each way, minimum and median of several interleaved runs."""
import json, os, pathlib, resource, shutil, statistics, subprocess, sys, time

work, reference = pathlib.Path(sys.argv[1]), sys.argv[2]
site = pathlib.Path("tests/fixtures/example-site")
volume, cache, state = work / "volume", work / "cache", work / "state"
volume.mkdir()
text = (site / "isogen.yaml").read_text().replace("/srv/isogen", str(volume))
(work / "isogen.yaml").write_text(text.replace("builder:", f"  image: {reference}\nbuilder:", 1))
isogen = ["target/release/airshipctl", "--debug", "bootstrap", "isogen", "--keep-inputs", "--conf", work / "isogen.yaml",
          "--rootfs-cache", cache, "--state-dir", state, site / "documents"]


def measure(command, first):
    """Seconds to the line that begins with `first`, to the end, and of CPU."""
    before, start, seen = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        seen = seen or (line.startswith(first) and time.monotonic() - start) or None
    if process.wait() != 0:
        sys.exit(f"{command}: {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seen, time.monotonic() - start, sum(after[:2]) - sum(before[:2])


def ours():
    result = measure(isogen, "builder| Making")
    run = next((state / "runs").iterdir())
    config = json.loads((run / "bundle/config.json").read_text())
    shutil.rmtree(run)
    return result, config


def runc(config):
    """The same, but for what the helper does itself: its rootfs is not an overlay but writable, and the network new."""
    bundle = work / "bundle"
    bundle.mkdir(exist_ok=True)
    config["root"] = {"path": str(next((cache / "rootfs").glob("root-*")) / "rootfs"), "readonly": False}
    config["linux"]["namespaces"].append({"type": "network"})
    config["linux"]["cgroupsPath"] = "/airshipctl-bench"
    (bundle / "config.json").write_text(json.dumps(config))
    return measure(["runc", "run", "--bundle", bundle, "airshipctl-bench"], "Making")


rows = {"cold": [], "warm": [], "runc": []}
for _ in range(int(os.environ.get("BENCH_RUNS", "5"))):
    shutil.rmtree(cache, ignore_errors=True)
    rows["cold"].append(ours()[0])
    result, config = ours()
    rows["warm"].append(result)
    rows["runc"].append(runc(config))
print(f"{'':6} {'first line':>15} {'whole run':>15} {'CPU':>15}   seconds, minimum/median of {len(rows['cold'])}")
for name, row in rows.items():
    print(f"{name:6}" + "".join(f" {min(c):7.3f}/{statistics.median(c):7.3f}" for c in zip(*row)))
