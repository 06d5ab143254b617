#!/usr/bin/env bash
# From a fresh Debian 12 with a Rust toolchain to a bootable ISO of the example site, whose path is the last line.
# As root or as an ordinary user. Only the first run takes minutes: it makes the builder image.
set -euo pipefail
cd "$(dirname "$0")/.."
site=tests/fixtures/example-site
scripts/setup.sh demo
cargo build --release --locked --target-dir target
airshipctl=target/release/airshipctl

scripts/builder/build.sh target/builder-image
"$airshipctl" image load --rootfs-cache rootfs-cache target/builder-image

# the example's volume is a directory that this machine need not have
mkdir -p target/demo/volume
conf=$(<"$site/isogen.yaml")
volume="\"$PWD/target/demo/volume:/config\""
echo "${conf/volume: \/srv\/isogen:\/config/"volume: $volume"}" >target/demo/isogen.yaml

iso=$("$airshipctl" bootstrap isogen --rootfs-cache rootfs-cache --conf target/demo/isogen.yaml "$site/documents")
file "$iso"
echo "$iso"
