"""What the tests of the builder script share: a volume, the files of an image, and a run of the script."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "scripts/builder"
SECRET = "hunter2"
VERSION_1 = "version: 1\nconfig: [{type: physical, name: eth0}]\n"
VERSION_2 = f"version: 2\nethernets: {{oam0: {{addresses: [10.0.0.1/24], comment: {SECRET}}}}}\n"
OPEN_STACK = """links:
- {id: oam, name: oam0, type: phy, mtu: "1500", ethernet_mac_address: "52:54:00:bf:b2:d8"}
- {id: pxe, name: pxe0, type: phy, ethernet_mac_address: "52:54:00:7d:15:63"}
- {id: bond, name: bond0, type: bond, bond_links: [oam, pxe], bond_mode: active-backup, bond_miimon: 100, ethernet_mac_address: "52:54:00:bf:b2:d8"}
- {id: vlan, name: bond0.42, type: vlan, vlan_link: bond, vlan_id: 42, vlan_mac_address: null}
networks:
- {id: a, link: vlan, type: ipv4, ip_address: 10.23.25.101, netmask: 255.255.255.0, since: 2020-01-01,
   routes: [{network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.23.25.1}]}
services: [{type: dns, address: 10.23.25.53}]
"""
PACKAGES = [{"name": "zlib1g", "version": "1:1.2.13.dfsg-1", "architecture": "amd64", "source": "zlib 1:1.2.13.dfsg-1", "sha256": "ab" * 32},
            {"name": "libstdc++6", "version": "12.2.0-14+deb12u1", "architecture": "amd64"}]


class BuilderCase(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.volume = self.top / "volume"
        for directory in ("volume", "bin", "tmp", "assets/live", "assets/boot"):
            (self.top / directory).mkdir(parents=True)
        self.assets()
        self.put("user-data", f"#cloud-config\npassword: {SECRET}\n")
        self.put("network-config", VERSION_2)
        self.configure()

    def assets(self):
        """What /usr/share/isogen has, some of it much smaller."""
        assets = self.top / "assets"
        files = {f"live/{name}": name.encode() * 1000 for name in ("vmlinuz", "initrd.img", "filesystem.squashfs")}
        files |= {"boot/marker": b"marker\n", "boot/eltorito.img": bytes(40000), "boot/boot_hybrid.img": bytes(512),
                  "boot/efi.img": bytes(64 << 10), "boot/grub.cfg": (SCRIPTS / "grub.cfg").read_bytes()}
        names = {"boot/marker": ".airship/live"} | {name: name for name in files if name.startswith("live/")}
        files["SHA256SUMS"] = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {path}\n" for name, path in names.items()).encode()
        files["packages.json"] = json.dumps(PACKAGES).encode()
        for name, data in files.items():
            (assets / name).write_bytes(data)

    def put(self, name, text):
        (self.volume / name).write_text(text)

    def configure(self, extra="", head="", volume=None):
        self.put("builder-conf.yaml", f"{head}container:\n  volume: {volume or f'/srv/iso:{self.volume}'}\nbuilder:\n  x: y\n{extra}")

    def start(self, *before, **variables):
        environment = {"PATH": f"{self.top}/bin:{os.environ['PATH']}", "TMPDIR": f"{self.top}/tmp", "FAIL": f"{self.top}/fail",
                       "HANG": f"{self.top}/hang", "BUILDER_CONFIG": f"{self.volume}/builder-conf.yaml",
                       "ISOGEN_ASSETS": f"{self.top}/assets", **variables}
        return subprocess.Popen([*before, sys.executable, "-I", "-B", SCRIPTS / "build_iso"], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run_builder(self, *before, **variables):
        process = self.start(*before, **variables)
        output, _ = process.communicate(timeout=60)
        self.assertNotIn(SECRET, output)
        self.assertNotIn("Traceback", output)
        self.assertEqual(os.listdir(self.top / "tmp"), [])
        self.assertEqual([name for name in os.listdir(self.volume) if name.startswith(".")], [])
        return process.returncode, output

    def made(self, *before, **variables):
        """Runs the builder, which has to end well."""
        status, output = self.run_builder(*before, **variables)
        self.assertEqual(status, 0, output)
        return output

    def refused(self, words, *before, **variables):
        status, output = self.run_builder(*before, **variables)
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)
        self.assertEqual(sorted(set(os.listdir(self.volume)) - {"user-data", "network-config", "meta-data", "builder-conf.yaml"}), [])
        return output
