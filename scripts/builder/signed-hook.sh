#!/bin/sh
# Debian's signed boot loaders, below signed/ of the live root, whose directory is $1; run by mmdebstrap, which has them saved
# with the other packages. Only unpacked: their scripts would look for a machine to boot.
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
architecture=${BUILDER_ARCHITECTURE:-amd64}
cd "$1"/var/cache/apt/archives
for name in shim-signed "shim-helpers-$architecture-signed" "grub-efi-$architecture-signed"; do
  apt-get -qq download "$name:$architecture"
  # its file, among those of versions saved earlier
  deb=$(apt-get -qq --print-uris download "$name:$architecture" | cut -d ' ' -f 2)
  dpkg-deb --extract "$deb" "$1"/signed
done
