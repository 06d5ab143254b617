"""Docker's default seccomp profile as config.json has it, from the file that Debian's golang-github-containers-common installs."""
import json
import pathlib
import platform

FILE = pathlib.Path("/usr/share/containers/seccomp.json")
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def profile(capabilities):
    """The rules that hold with these capabilities on this architecture."""
    source = json.loads(FILE.read_text())
    native = next(entry for entry in source["archMap"] if platform.machine() in entry["architecture"].lower())
    rules = [rule(entry) for entry in source["syscalls"] if applies(entry, set(capabilities))]
    return {"defaultAction": source["defaultAction"], "defaultErrnoRet": 1,
            "architectures": [native["architecture"], *(native["subArchitectures"] or [])], "syscalls": rules}


def applies(entry, held):
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    return (set(includes.get("caps") or []) <= held and not held & set(excludes.get("caps") or [])
            and ARCHITECTURE in (includes.get("arches") or [ARCHITECTURE])
            and ARCHITECTURE not in (excludes.get("arches") or []))


def rule(entry):
    kept = {"names": entry["names"], "action": entry["action"]}
    if entry.get("args"):
        kept["args"] = entry["args"]
    if entry.get("errnoRet") is not None:
        kept["errnoRet"] = entry["errnoRet"]
    return kept
