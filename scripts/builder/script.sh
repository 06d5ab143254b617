#!/usr/bin/env bash
# The layer with the builder script, and what it and its users may know of the image: script.sh OUT WORK
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) out=$1
lib=$out/tree/usr/local/lib/isogen/build_iso share=$out/tree/usr/share/isogen
# /dev: a directory only, since nodes cannot be made by an ordinary user who unpacks the image
mkdir -p "$lib" "$share" "$out/tree/usr/local/bin" "$out/tree/dev"
cp "$here"/build_iso/*.py "$lib"
cp "$2"/{builder.lock,recipe.json} "$share"
python3 -IB "$here/recipe" inventory "$2/builder.lock" "$share/packages.json"
printf '#!/bin/sh\nexec /usr/bin/python3 -ISB /usr/local/lib/isogen/build_iso\n' >"$out/tree/usr/local/bin/build-iso"
chmod -R u=rwX,go=rX "$out/tree"
chmod 755 "$out/tree/usr/local/bin/build-iso"
tar --directory "$out/tree" --create --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
  --mtime="@$SOURCE_DATE_EPOCH" --file "$out/layer.tar" dev usr
sha256sum <"$out/layer.tar" >"$out/diff_id"
zstd -q --rm "-$BUILDER_LAYER_LEVEL" "$out/layer.tar"
rm -r "$out/tree"
