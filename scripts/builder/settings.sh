# shellcheck shell=bash
# Sourced by the scripts of this directory: what can be set from outside, and the defaults; all else is configured (build.sh -c).
# A fixed date makes the same packages give the same bytes, whenever and wherever the image is made.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1750000000}
export BUILDER_SUITE=${BUILDER_SUITE:-bookworm}
# packages fetched and layers made earlier
if [[ $EUID == 0 ]]; then default_cache=/var/cache; else default_cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
export BUILDER_CACHE=${BUILDER_CACHE:-$default_cache/airshipctl}
export BUILDER_MODE=${BUILDER_MODE:-auto}
# locale and time zone show in sort orders and dates
export LC_ALL=C.UTF-8 TZ=UTC
umask 022

# the way mmdebstrap gets its root: really, by subordinate ids, or by pretending
mmdebstrap_mode() {
  if [[ $BUILDER_MODE != auto ]]; then
    echo "$BUILDER_MODE"
  elif [[ $EUID == 0 ]]; then
    echo root
  elif command -v newuidmap >/dev/null && grep -q "^$(id -un 2>/dev/null || id -u):" /etc/subuid 2>/dev/null; then
    echo unshare
  else
    echo fakechroot
  fi
}
