#!/usr/bin/env python3
"""Writes an OCI image layout with a builder made of busybox, which leaves a tiny ISO: image.py OUT"""
import hashlib, io, json, pathlib, platform, sys, tarfile

from iso import smallest

SCRIPT = """#!/bin/sh
set -e
host=$(sed -n 's/^ *volume: *"*\\([^:"]*\\):.*/\\1/p' $BUILDER_CONFIG)
cp /iso /config/out.iso
echo "bootImagePath: $host/out.iso" > /config/output-metadata.yaml
"""
MEDIA = "application/vnd.oci.image."
out = pathlib.Path(sys.argv[1])
(out / "blobs/sha256").mkdir(parents=True)
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w") as tar:
    files = {"bin/busybox": pathlib.Path("/bin/busybox").read_bytes(), "bin/build": SCRIPT.encode(), "iso": smallest()}
    for name, data in files.items():
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o755
        tar.addfile(member, io.BytesIO(data))
    for name in "sh", "sed", "cp":
        member = tarfile.TarInfo(f"bin/{name}")
        member.type, member.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(member)


def blob(kind, data):
    digest = hashlib.sha256(data).hexdigest()
    (out / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": MEDIA + kind, "digest": f"sha256:{digest}", "size": len(data)}


layer = blob("layer.v1.tar", archive.getvalue())
made_for = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()), "os": "linux"}
config = made_for | {"config": {"Cmd": ["/bin/build"]}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
config = blob("config.v1+json", json.dumps(config).encode())
manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": config, "layers": [layer]}
manifest = blob("manifest.v1+json", json.dumps(manifest).encode())
manifest |= {"platform": made_for, "annotations": {"org.opencontainers.image.ref.name": "localhost/hosts:1"}}
(out / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
(out / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
