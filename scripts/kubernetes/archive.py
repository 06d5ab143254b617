#!/usr/bin/env python3
"""Writes an OCI archive with an image of one layer: archive.py OUT.tar NAME PATH=SOURCE... [-- ARGUMENT...]

PATH is where SOURCE, a program of this host, is in the image; the libraries it needs come along. The arguments are the entrypoint.
"""

import hashlib, io, json, pathlib, re, subprocess, sys, tarfile

MEDIA = "application/vnd.oci.image."


def libraries(program):
    """The shared libraries that a program is started with, none for a static one."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", shown)


def add(archive, path, content, mode=0o644):
    """Adds bytes or a file as root's, of no particular date, so that the same inputs make the same image."""
    data = pathlib.Path(content).read_bytes() if isinstance(content, str) else content
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def layer(programs):
    files = dict(programs)
    for source in programs.values():
        files |= {library: library for library in libraries(source)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, source in sorted(files.items()):
            add(archive, path, source, 0o755)
    return out.getvalue()


def main(out, name, *rest):
    entrypoint = list(rest[rest.index("--") + 1:]) if "--" in rest else []
    programs = dict(item.split("=", 1) for item in rest[:len(rest) - len(entrypoint) - ("--" in rest)])
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as archive:

        def blob(media, data):
            digest = hashlib.sha256(data).hexdigest()
            add(archive, f"blobs/sha256/{digest}", data)
            return {"mediaType": MEDIA + media, "digest": f"sha256:{digest}", "size": len(data)}

        def document(media, value):
            return blob(media, json.dumps(value).encode())

        # not compressed: the squashfs that they are put into is
        content = blob("layer.v1.tar", layer(programs))
        config = document("config.v1+json", {
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [content["digest"]]},
            "config": {"Entrypoint": entrypoint, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        })
        manifest = document("manifest.v1+json", {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": config, "layers": [content]})
        # containerd takes the name from its own annotation, skopeo from the specification's
        manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


main(*sys.argv[1:])
