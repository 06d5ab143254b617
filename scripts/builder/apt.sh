# shellcheck shell=bash
# Sourced by resolve.sh and fetch.sh: an apt of its own in DIR/apt, which installs nothing and sees nothing of the host's packages.
private_apt() { # DIR DEBS
  local dir=$1/apt
  export APT_CONFIG=$dir/apt.conf
  [[ ! -e $APT_CONFIG ]] || return 0
  mkdir -p "$dir"/{lists/partial,cache,etc/apt/apt.conf.d,etc/apt/preferences.d}
  : >"$dir/status"
  cat - "$1/apt.conf" >"$APT_CONFIG" <<CONF
Dir "$dir"; Dir::State "$dir"; Dir::State::status "$dir/status"; Dir::State::Lists "$dir/lists"; Dir::Cache "$dir/cache";
Dir::Etc::SourceList "$1/apt.sources"; Dir::Etc::SourceParts "/dev/null"; Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d/";
APT::Architecture "$BUILDER_ARCHITECTURE"; APT::Architectures "$BUILDER_ARCHITECTURE"; APT::Sandbox::User "root";
pkgCacheGen::ForceEssential ",";
CONF
  if ! apt-get -qq update --error-on=any 2>"$dir/errors"; then
    grep -E '^E: |GPG error' "$dir/errors" >&2 || cat "$dir/errors" >&2
    echo "  hint: each mirror has to be reached and to be signed with the key of its Signed-By; check \`mirrors\` and \`sources\`, or this host's sources" >&2
    return 4
  fi
}
