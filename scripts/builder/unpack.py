#!/usr/bin/env python3
"""Unpacks an image layout that image_layout.py wrote, whose layers remove nothing, as root: unpack.py LAYOUT DIRECTORY"""

import json
import pathlib
import subprocess
import sys

layout, directory = pathlib.Path(sys.argv[1]), sys.argv[2]


def blob(descriptor):
    return layout / "blobs" / descriptor["digest"].replace(":", "/")


(manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
for layer in json.loads(blob(manifest).read_text())["layers"]:
    options = ["--zstd"] if layer["mediaType"].endswith("+zstd") else []
    # links among the directories of the layer below stay
    options += ["--keep-directory-symlink", "--numeric-owner", "--same-permissions"]
    subprocess.run(["tar", "--extract", *options, "--directory", directory, "--file", blob(layer)], check=True)
