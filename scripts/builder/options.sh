# shellcheck shell=bash
# Sourced by build.sh: its command line.
usage() {
  cat <<'TEXT'
usage: build.sh [-c FILE] [--flavour NAME] [--architecture amd64|arm64] [--locked LOCK | --update] [OUT]

Makes the ISO-builder image as an OCI image layout at OUT (target/builder-image; with -FLAVOUR for flavours other than
small), and OUT.lock, which names every package in it. Neither root nor Docker is needed. What is at OUT is replaced only where
build.sh made it, or where it is an empty directory.

  -c, --config FILE       what a site adds: packages, files, sources with their keys, kernel arguments; see README.md
  --flavour NAME          small: virtual machines; hardware: also real machines and USB sticks; kubernetes: with containerd
  --architecture NAME     amd64, or arm64 where its programs can be run
  --locked LOCK           exactly the packages that a lock file names, or none
  --update                the mirrors' newest packages, also where others were found for the same configuration before

In the environment: BUILDER_CACHE (packages and layers kept), BUILDER_MODE (auto, root, unshare, fakechroot),
BUILDER_SUITE (bookworm), SOURCE_DATE_EPOCH.
TEXT
}
wrong() { printf 'build.sh: %s\n' "$1" >&2 && printf '  hint: %s\n' "${2:-build.sh --help says what there is}" >&2 && exit 2; }
configure=() locked='' update='' out=''
while [[ $# != 0 ]]; do
  case $1 in
    -h | --help) usage && exit ;;
    --update) update=1 && shift && continue ;;
    -c | --config | --flavour | --architecture | --locked) [[ -n ${2:-} ]] || wrong "$1 takes a value" ;;&
    -c | --config) configure+=(--file "$2") ;;
    --flavour) configure+=(--flavour "$2") ;;
    --architecture) configure+=(--architecture "$2") ;;
    --locked) locked=$2 ;;
    -*) wrong "unknown option $1" ;;
    *) [[ -z $out ]] || wrong "one OUT is enough: $1" && out=$1 && shift && continue ;;
  esac
  shift 2
done
[[ -z $locked || -z $update ]] || wrong '--locked and --update exclude each other'
for name in BUILDER_KERNEL BUILDER_SQUASHFS_LEVEL BUILDER_EXTRA_PACKAGES BUILDER_EXTRA_SOURCES; do
  [[ -z ${!name:-} ]] || wrong "$name is not read any more" 'configure it: --flavour hardware has the generic kernel; compression, packages, sources in the file of -c'
done
