"""Which seed cloud-init finds on the medium, asked of Debian's own (scripts/setup.sh test unpacks it)."""

import json
import re
import subprocess
import unittest

from builder import OPEN_STACK, REPOSITORY, SCRIPTS, VERSION_1, VERSION_2, BuilderCase

CLOUD_INIT = REPOSITORY / "target/cloud-init/usr/lib"
# what each of the two data sources makes of a root directory, as JSON; warnings too
SOURCES = """
import json, logging, logging.handlers, sys
from cloudinit import helpers, util
from cloudinit.net import netplan, network_state
from cloudinit.sources import DataSourceConfigDrive, DataSourceNoCloud
said = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)
# no disk of this machine is the node's
util.find_devs_with = lambda *_, **__: []
paths = helpers.Paths({"cloud_dir": sys.argv[1] + "/var/lib/cloud", "run_dir": sys.argv[1] + "/run"})
found = {}
for module in DataSourceNoCloud, DataSourceConfigDrive:
    name = module.__name__.rpartition("DataSource")[2]
    source = getattr(module, "DataSource" + name)({"datasource_list": ["NoCloud", "ConfigDrive", "None"]}, None, paths)
    source.known_macs = {"52:54:00:bf:b2:d8": "ens3", "52:54:00:7d:15:63": "ens4"}
    if source.get_data():
        state = network_state.parse_net_config_data(source.network_config)
        found[name] = {"netplan": util.load_yaml(netplan.Renderer({})._render_content(state)), "user-data": source.get_userdata_raw().decode(), "id": source.get_instance_id(), "mode": source.dsmode,
                       "name": source.metadata.get("local-hostname"), "network": source.network_config, "where": source.subplatform}
print(json.dumps({"found": found, "said": said}))
"""


class Seed(BuilderCase):
    def node(self, network):
        """A root directory with the medium where live-boot mounts it, and the live root's links."""
        self.put("network-config", network)
        self.made()
        root = self.top / "root"
        medium, seeds = root / "run/live/medium", root / "var/lib/cloud/seed"
        for directory in (medium.parent, seeds, root / "etc/cloud/cloud.cfg.d", root / "run/cloud-init"):
            directory.mkdir(parents=True)
        subprocess.run(["xorriso", "-no_rc", "-osirrox", "on", "-indev", self.volume / "ephemeral.iso", "-extract", "/", medium],
                       check=True, capture_output=True)
        hook = (SCRIPTS / "live-hook.sh").read_text()
        links = re.findall(r"^ln -s (/run/live/medium/\S+) var/lib/cloud/seed/(\S+)$", hook, re.MULTILINE)
        self.assertEqual({name for _, name in links}, {"nocloud", "config_drive"})
        for target, name in links:
            (seeds / name).symlink_to(f"{root}{target}")
        config = re.search(r"<<'CFG'\n(.*?)\nCFG\n", hook, re.DOTALL)[1]
        (root / "etc/cloud/cloud.cfg.d/95_isogen.cfg").write_text(config)
        return root

    def identified(self, root):
        """The data sources for which ds-identify would start cloud-init."""
        program = CLOUD_INIT / "cloud-init/ds-identify"
        self.assertTrue(program.exists(), "cloud-init is unpacked by scripts/setup.sh test")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PATH_ROOT": str(root), "DI_LOG": "stderr", "DEBUG_LEVEL": "1"}
        # as on the node: nothing on the kernel's command line, and no disk with a seed's label
        environment |= {"PATH_PROC_CMDLINE": "/dev/null", "PATH_SYS_CLASS_DMI_ID": "/nowhere"}
        done = subprocess.run(["sh", program, "--force"], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.findall(r"datasource_list: \[ (.*) \]", (root / "run/cloud-init/cloud.cfg").read_text())

    def read(self, root):
        done = subprocess.run(["/usr/bin/python3", "-B", "-c", SOURCES, root], capture_output=True, text=True,
                              env={"PYTHONPATH": str(CLOUD_INIT / "python3/dist-packages"), "PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["said"], [])
        return answer["found"]

    def test_network_config_of_either_version_is_found_as_nocloud_and_nothing_else(self):
        self.put("meta-data", "instance-id: iid-7\nlocal-hostname: node-1\n")
        root = self.node(VERSION_1)
        self.assertEqual(self.identified(root), ["NoCloud, None"])
        found = self.read(root)
        self.assertEqual(list(found), ["NoCloud"])
        self.assertEqual(found["NoCloud"]["network"], {"version": 1, "config": [{"type": "physical", "name": "eth0"}]})
        self.assertEqual((found["NoCloud"]["id"], found["NoCloud"]["name"]), ("iid-7", "node-1"))

    def test_network_data_are_found_as_a_config_drive_and_nothing_else(self):
        self.put("meta-data", "instance-id: iid-7\nlocal-hostname: node-1\n")
        root = self.node(OPEN_STACK)
        self.assertEqual(self.identified(root), ["ConfigDrive, None"])
        found = self.read(root)
        self.assertEqual(list(found), ["ConfigDrive"])
        found = found["ConfigDrive"]
        self.assertEqual((found["id"], found["name"], found["mode"]), ("iid-7", "node-1", "net"))
        self.assertEqual(found["user-data"], (self.volume / "user-data").read_text())
        network = found["netplan"]["network"]
        self.assertEqual(network["ethernets"]["oam0"]["match"], {"macaddress": "52:54:00:bf:b2:d8"})
        self.assertEqual(network["bonds"]["bond0"]["parameters"], {"mode": "active-backup", "mii-monitor-interval": 100})
        self.assertEqual(network["bonds"]["bond0"]["interfaces"], ["oam0", "pxe0"])
        vlan = network["vlans"]["bond0.42"]
        self.assertEqual((vlan["id"], vlan["link"], vlan["addresses"]), (42, "bond0", ["10.23.25.101/24"]))
        self.assertEqual(vlan["routes"], [{"to": "0.0.0.0/0", "via": "10.23.25.1"}])

    def test_without_meta_data_the_config_drive_has_an_id_of_its_inputs(self):
        found = self.read(self.node(OPEN_STACK))["ConfigDrive"]
        self.assertRegex(found["id"], "^iso-[0-9a-f]{16}$")
        self.assertIsNone(found["name"])

    def test_network_data_in_json_stay_as_they_are(self):
        text = '{ "networks":[ ],\n"links" : [{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:bf:b2:d8"}] }'
        root = self.node(text)
        self.assertEqual((root / "run/live/medium/config-drive/openstack/latest/network_data.json").read_text(), text)
        self.assertEqual(self.read(root)["ConfigDrive"]["network"]["config"][0]["name"], "ens3")

    def test_network_data_in_yaml_become_json_of_the_same_values(self):
        root = self.node(OPEN_STACK)
        data = json.loads((root / "run/live/medium/config-drive/openstack/latest/network_data.json").read_text())
        self.assertEqual((data["links"][0]["mtu"], data["links"][3]["vlan_mac_address"]), ("1500", None))
        # as text, since JSON has no dates
        self.assertEqual(data["networks"][0]["since"], "2020-01-01")

    def test_meta_data_that_a_config_drive_cannot_have_are_refused(self):
        self.put("network-config", OPEN_STACK)
        for text, words in {"local-hostname: a\n": "meta-data: no instance-id", "[]": "not a mapping", "a: [": "not YAML"}.items():
            self.put("meta-data", text)
            self.refused(words)

    def test_both_seeds_would_be_found_by_either(self):
        """That is, the dangling link is what keeps the other away."""
        root = self.node(OPEN_STACK)
        (root / "run/live/medium/nocloud").mkdir()
        for name in ("user-data", "meta-data"):
            (root / "run/live/medium/nocloud" / name).write_text("instance-id: other\n")
        (root / "run/live/medium/nocloud/network-config").write_text(VERSION_2)
        self.assertEqual(self.identified(root), ["NoCloud, ConfigDrive, None"])


if __name__ == "__main__":
    unittest.main()
