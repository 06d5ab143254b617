#!/usr/bin/env python3
"""Called by bench.sh: render.py. Renders a site of 2,000 documents (10 MB) beside `kubectl kustomize`, then parses streams of 10 to 100 MB
and airshipctl configs of up to 40,000 contexts.

A row is one program: the median of $BENCH_RUNS (5) rounds, in which all take turns; `ours/its` divides the seconds of our first row by that row's.
The site is made anew: resources, patches, generators, labels, a namespace. $AIRSHIPCTL names our program.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import measure

BINARY = os.path.abspath(os.environ.get("AIRSHIPCTL", "target/release/airshipctl"))
DOCUMENTS = 2000
# targets: seconds beside kubectl, MiB
TARGET_RATIO, TARGET_MEMORY = 1.0, 100
STREAMS = [10, 25, 50, 100]
# a config has 1 MiB at most
CONTEXTS = [10_000, 20_000, 40_000]


def host(number):
    return f"""apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata:
  name: node{number:04}
  labels:
    airshipit.org/k8s-role: worker
    airshipit.org/rack: "{number % 40}"
spec:
  online: true
  bootMACAddress: 52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}
  bmc:
    address: redfish+https://10.{number >> 8 & 255}.{number & 255}.1/redfish/v1/Systems/1
    credentialsName: node{number:04}-bmc
"""


def network(number):
    """A Secret, with what makes up the size: a link, a network and routes many times over."""
    links = "".join(f"    - {{id: link{i}, type: phy, mtu: \"1500\", ethernet_mac_address: 52:54:00:{i:02x}:{number >> 8 & 255:02x}:{number & 255:02x}}}\n"
                    for i in range(12))
    routes = "".join(f"""    - id: net{i}
      type: ipv4
      link: link{i % 12}
      ip_address: 10.{i}.{number >> 8 & 255}.{number & 255}
      netmask: 255.255.255.0
      routes:
      - {{network: 10.{i}.0.0, netmask: 255.255.0.0, gateway: 10.{i}.0.1}}
""" for i in range(30))
    return f"""apiVersion: v1
kind: Secret
metadata:
  name: node{number:04}-network
type: Opaque
stringData:
  networkData: |
    links:
{links}    networks:
{routes}"""


def deployment(number):
    """Nested values instead of one long text."""
    env = "".join(f"        - name: VARIABLE_{i}\n          value: \"value {i} of {number}\"\n" for i in range(88))
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: app{number:04}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: app{number:04}
  template:
    metadata:
      labels:
        app: app{number:04}
    spec:
      containers:
      - name: main
        image: registry.example/app:{number}
        envFrom:
        - configMapRef:
            name: common
        env:
{env}"""


def site(root):
    """A base in forty files and an overlay that patches it."""
    makers, documents = [host, network, deployment, network], []
    for number in range(DOCUMENTS):
        documents.append(makers[number % len(makers)](number))
    base, overlay = root / "base", root / "overlay"
    base.mkdir(parents=True)
    overlay.mkdir()
    names = []
    for part in range(40):
        names.append(f"part{part:02}.yaml")
        (base / names[-1]).write_text("---\n".join(documents[part::40]))
    (base / "kustomization.yaml").write_text("resources:\n" + "".join(f"- {name}\n" for name in names) + """\
configMapGenerator:
- name: common
  literals: [color=blue, level=1]
""")
    (overlay / "kustomization.yaml").write_text("""\
namespace: site
commonLabels: {airshipit.org/site: bench}
resources: [../base]
configMapGenerator:
- {name: common, behavior: merge, literals: [level=2]}
secretGenerator:
- {name: ephemeral-user-data, literals: ["userData=#cloud-config"], options: {disableNameSuffixHash: true}}
images: [{name: registry.example/app, newName: mirror.registry.example/app}]
patches:
- target: {kind: BareMetalHost, labelSelector: airshipit.org/rack=4}
  patch: |-
    - {op: replace, path: /spec/online, value: false}
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: app0002}
    spec: {replicas: 3, template: {spec: {containers: [{name: main, env: [{name: VARIABLE_1, value: patched}]}]}}}
- patch: |-
    apiVersion: metal3.io/v1alpha1
    kind: BareMetalHost
    metadata: {name: node0000, labels: {airshipit.org/ephemeral-node: "true"}}
""")
    return overlay, sum(path.stat().st_size for path in base.iterdir())


def compare(ways, log, runs):
    """Rounds in which all take turns; a list of costs for each."""
    costs = {name: [] for name, _ in ways}
    for _ in range(runs):
        for name, argv in ways:
            costs[name].append(measure.cost(argv, log, dict(os.environ)))
    return costs


def medians(costs):
    return tuple(statistics.median(getattr(cost, field) for cost in costs) for field in ("wall", "cpu", "memory"))


def rendering(work, runs):
    """Our program beside kubectl; whether the targets are met."""
    directory, size = site(work / "site")
    ways = [("airshipctl document render", [BINARY, "document", "render", directory]), *validating(work, directory)]
    for name, argv in [("kubectl", ["kubectl", "kustomize"]), ("kustomize", ["kustomize", "build"])]:
        if shutil.which(name):
            ways.append((" ".join(argv), [*argv, directory]))
    costs = compare(ways, work / "log", runs)
    ours = medians(costs[ways[0][0]])
    print(f"{DOCUMENTS} documents, {size / 1e6:.1f} MB, median of {runs}")
    print(f"{'':<30}{'wall s':>9}{'cpu s':>9}{'MiB':>8}{'ours/its wall':>15}{'cpu':>7}")
    for name, _ in ways:
        wall, cpu, memory = medians(costs[name])
        print(f"{name:<30}{wall:>9.3f}{cpu:>9.3f}{memory:>8.0f}{ours[0] / wall:>15.2f}{ours[1] / cpu:>7.2f}")
    own = [medians(costs[name]) for name, argv in ways if argv[0] == BINARY]
    others = [medians(costs[name]) for name, argv in ways if argv[0] == "kubectl"]
    return all(one[2] <= TARGET_MEMORY and all(one[0] / other[0] <= TARGET_RATIO for other in others) for one in own)


def validating(work, directory):
    """The same with all checks of the site, where the program has them."""
    conf = work / "isogen.yaml"
    (work / "volume").mkdir()
    conf.write_text(f"""container:
  volume: {work}/volume:/config
builder:
  userDataFileName: user-data
  networkConfigFileName: network-config
  userDataSelector: {{kind: Secret, name: ephemeral-user-data}}
""")
    argv = [BINARY, "bootstrap", "validate", "--conf", conf, directory]
    there = subprocess.run([*argv[:3], "--help"], capture_output=True, check=False).returncode == 0
    return [("airshipctl bootstrap validate", argv)] if there else []


def scaling(work, runs):
    """Seconds for each MB of a stream; whether the largest costs no more for each than twice the smallest."""
    print(f"\n{'stream':<12}{'wall s':>9}{'cpu s':>9}{'MiB':>8}{'ms/MB':>9}")
    per_mb = []
    for megabytes in STREAMS:
        stream, number, text = work / "stream.yaml", 0, []
        length = 0
        while length < megabytes * 1_000_000:
            text.append(deployment(number) + "---\n")
            length, number = length + len(text[-1]), number + 1
        stream.write_text("".join(text))
        # nothing matches, so that reading is what is measured
        argv = [BINARY, "document", "render", "--kind", "Nothing", stream]
        wall, cpu, memory = medians(compare([("ours", argv)], work / "log", runs)["ours"])
        per_mb.append(cpu / megabytes)
        print(f"{megabytes:>4} MB     {wall:>9.3f}{cpu:>9.3f}{memory:>8.0f}{cpu / megabytes * 1000:>9.2f}")
    return per_mb[-1] <= 2 * per_mb[0]


def contexts(work, runs):
    """CPU time for each context of an airshipctl config; whether with the most it is no more than twice that with the fewest."""
    print(f"\n{'contexts':<12}{'wall s':>9}{'cpu s':>9}{'MiB':>8}{'us each':>9}")
    config, each = work / "config", []
    for count in CONTEXTS:
        entries = "".join(f" a{number}: {{}}\n" for number in range(count))
        config.write_text(f"contexts:\n{entries}manifests:\n{entries}currentContext: a1\n")
        argv = [BINARY, "config", "get-contexts", "--airshipconf", config]
        wall, cpu, memory = medians(compare([("ours", argv)], work / "log", runs)["ours"])
        each.append(cpu / count)
        print(f"{count:>8}    {wall:>9.3f}{cpu:>9.3f}{memory:>8.0f}{cpu / count * 1e6:>9.1f}")
    return each[-1] <= 2 * each[0]


def main():
    runs = int(os.environ.get("BENCH_RUNS", "5"))
    with tempfile.TemporaryDirectory() as work:
        good = [rendering(pathlib.Path(work), runs), scaling(pathlib.Path(work), runs), contexts(pathlib.Path(work), runs)]
    sys.exit(None if all(good) else "bench.sh: a target is missed: within 1.0 of kubectl, at most 100 MiB, linear to 100 MB and 40,000 contexts")


if __name__ == "__main__":
    main()
