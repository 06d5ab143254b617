#!/usr/bin/env python3
"""Writes an OCI image layout from layers, lowest first: image_layout.py OUT LAYER_DIR..."""

import hashlib, json, os, pathlib, shutil, sys, time

NAME = os.environ.get("BUILDER_IMAGE", "localhost/isogen-builder:latest")
ARCHITECTURE = os.environ.get("BUILDER_ARCHITECTURE", "amd64")
MEDIA = "application/vnd.oci.image."
COMPRESSION = {".tar": "", ".gz": "+gzip", ".zst": "+zstd"}
out = pathlib.Path(sys.argv[1])


def blob(media_type, source):
    """Puts bytes or a file among the blobs and returns the descriptor (image-spec, descriptor.md)."""
    if isinstance(source, bytes):
        digest, size = hashlib.sha256(source).hexdigest(), len(source)
        (out / "blobs/sha256" / digest).write_bytes(source)
    else:
        with source.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), source.stat().st_size
        shutil.copyfile(source, out / "blobs/sha256" / digest)
    return {"mediaType": MEDIA + media_type, "digest": f"sha256:{digest}", "size": size}


def document(media_type, value):
    return blob(media_type, json.dumps(value, separators=(",", ":")).encode())


def main():
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    shutil.rmtree(out, ignore_errors=True)
    (out / "blobs/sha256").mkdir(parents=True)
    sources = [next(pathlib.Path(directory).glob("layer.tar*")) for directory in sys.argv[2:]]
    layers = [blob("layer.v1.tar" + COMPRESSION[source.suffix], source) for source in sources]
    config = document("config.v1+json", {
        "created": created, "architecture": ARCHITECTURE, "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", f"SOURCE_DATE_EPOCH={epoch}"],
            "Entrypoint": ["/usr/local/bin/build-iso"], "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + (s.parent / "diff_id").read_text().split()[0] for s in sources]},
        "history": [{"created": created, "created_by": f"scripts/builder/{s.parent.name.partition('.')[0]}.sh"} for s in sources],
    })
    manifest = document("manifest.v1+json", {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": config, "layers": layers})
    manifest |= {"platform": {"architecture": ARCHITECTURE, "os": "linux"}, "annotations": {"org.opencontainers.image.ref.name": NAME}}
    (out / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": [manifest]}))
    (out / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"image_layout.py: {error}")
