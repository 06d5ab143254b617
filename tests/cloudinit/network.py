"""Whether a network-config v2 means what cloud-init makes of the original: reads a JSON list of objects with `input` (network_data
or network-config v1) and `v2`, and prints a JSON list of `theirs` and `ours` (both in one form, or null), `problem` (why cloud-init
fails at the input), `refused` (why it fails at the v2) and `netplan` (what netplan says where it refuses the v2)."""

import copy
import ipaddress
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from cloudinit import net, safeyaml
from cloudinit.net import netplan, network_state
from cloudinit.sources.helpers import openstack

logging.disable(logging.CRITICAL)
net.get_ib_hwaddrs_by_interface = lambda: {}


def macs(data):
    """The node's interfaces by address: a link's own name, or one that the kernel would give."""
    links = data.get("links") if isinstance(data, dict) else None
    known = {}
    for number, link in enumerate(links if isinstance(links, list) else []):
        if isinstance(link, dict) and isinstance(link.get("ethernet_mac_address"), str) and link.get("type") not in ("bond", "vlan"):
            known.setdefault(link["ethernet_mac_address"].lower(), link.get("name") or "nic%d" % number)
    return known


def rendered(data, known):
    """What cloud-init writes for netplan."""
    data = copy.deepcopy(data)
    if "links" in data:
        data = openstack.convert_net_json(data, known_macs=known)
    state = network_state.parse_net_config_data(data.get("network", data))
    return safeyaml.load(netplan.Renderer({"features": []})._render_content(state))["network"]


def accepted(v2, known):
    """Takes the v2 as cloud-init does where there is no netplan."""
    by_mac = lambda mac: known.get(mac)
    with mock.patch.object(network_state, "get_interfaces_by_mac", lambda: known):
        with mock.patch.object(network_state, "find_interface_name_from_mac", by_mac):
            network_state.parse_net_config_data(copy.deepcopy(v2), skip_broken=False)


def netplan_refuses(v2):
    """Hands the v2 to netplan, as cloud-init does where there is one."""
    unpacked = Path(__file__).parents[2] / "target/netplan/usr"
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, "etc/netplan/50-cloud-init.yaml")
        path.parent.mkdir(parents=True)
        path.write_text(safeyaml.dumps({"network": v2}, noalias=True))
        environment = {**os.environ, "LD_LIBRARY_PATH": str(unpacked / "lib/x86_64-linux-gnu")}
        path.chmod(0o600)
        command = [unpacked / "libexec/netplan/generate", "--root-dir", root]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    return None if done.returncode == 0 else done.stderr


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if item != [] and item != {}}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool):
        return value
    text = str(value)
    for read in (ipaddress.ip_interface, ipaddress.ip_address):
        try:
            return str(read(text)) if "." in text or ":" in text else text
        except ValueError:
            continue
    return text


def uniform(v2, known):
    """Ethernets under the names that they will have, VLANs under those made from them."""
    v2 = plain(v2)
    renamed = {}
    ethernets = {}
    for key, item in v2.get("ethernets", {}).items():
        mac = item.get("match", {}).get("macaddress")
        if mac and "set-name" not in item:
            item["set-name"] = renamed[key] = known.get(mac, mac)
        ethernets[item.get("set-name", key)] = item
    for section in ("bonds", "bridges"):
        for item in v2.get(section, {}).values():
            item["interfaces"] = sorted(renamed.get(name, name) for name in item.get("interfaces", []))
    vlans = {}
    for key, item in v2.get("vlans", {}).items():
        lower = item["link"]
        item["link"] = renamed.get(lower, lower)
        vlans["%s.%s" % (item["link"], item["id"]) if lower in renamed else key] = item
    v2 = {**v2, "ethernets": ethernets, "vlans": vlans}
    return {key: section for key, section in v2.items() if section and key != "version"}


def attempt(function, *arguments):
    try:
        return function(*arguments), None
    except Exception as error:  # whatever it is, the node would have no network
        return None, "%s: %s" % (type(error).__name__, error)


def verdict(case):
    data, problem = attempt(safeyaml.load, case["input"])
    if case["v2"] == case["input"]:
        return {"netplan": None if problem else netplan_refuses(data.get("network", data))}
    known = macs(data)
    theirs = None
    if problem is None:
        theirs, problem = attempt(lambda: uniform(rendered(data, known), known))
    ours, refused, netplan_said = None, None, None
    if case["v2"] is not None:
        v2 = safeyaml.load(case["v2"])
        netplan_said = netplan_refuses(v2)
        _, refused = attempt(accepted, v2, known)
        ours = uniform(v2, known)
    return {"theirs": theirs, "ours": ours, "problem": problem, "refused": refused, "netplan": netplan_said}


json.dump([verdict(case) for case in json.load(sys.stdin)], sys.stdout)
