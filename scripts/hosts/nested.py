#!/usr/bin/env python3
"""In a container as runc makes it by default, with this host's files: nested.py COMMAND... (in a mount namespace of its own)"""
import json, os, pathlib, subprocess, sys

hosts = os.environ["AIRSHIP_HOSTS"]
bundle = pathlib.Path(hosts) / "said/bundle"
for name in "upper", "work", "rootfs":
    (bundle / name).mkdir(parents=True, exist_ok=True)
# upper and work in memory: the host's own file system may be an overlay
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", bundle], check=True)
for name in "upper", "work", "rootfs":
    (bundle / name).mkdir()
layers = f"lowerdir=/,upperdir={bundle}/upper,workdir={bundle}/work"
subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", bundle / "rootfs"], check=True)
subprocess.run(["runc", "spec"], cwd=bundle, check=True)
config = bundle / "config.json"
spec = json.loads(config.read_text())
spec["process"] |= {"terminal": False, "args": sys.argv[1:], "noNewPrivileges": False}
spec["process"]["env"] += [f"AIRSHIP_HOSTS={hosts}", f"STATE={os.environ['STATE']}"]
# to become the user
for held in spec["process"]["capabilities"].values():
    held += ["CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_CHOWN"]
spec["root"] = {"path": str(bundle / "rootfs"), "readonly": False}
spec["mounts"].append({"destination": hosts, "source": hosts, "type": "bind", "options": ["rbind", "rw"]})
config.write_text(json.dumps(spec))
sys.exit(subprocess.run(["runc", "--root", bundle / "state", "run", f"airship-hosts-{os.getpid()}"], cwd=bundle).returncode)
