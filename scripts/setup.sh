#!/usr/bin/env bash
# Installs the Debian packages that one of the other scripts needs: setup.sh demo|test
set -euo pipefail
case ${1:-} in
  demo) packages=(gcc libc6-dev mmdebstrap) ;;
  test) packages=(gcc libc6-dev mmdebstrap docker-registry xorriso) ;;
  *) echo "usage: setup.sh demo|test" >&2; exit 2 ;;
esac
