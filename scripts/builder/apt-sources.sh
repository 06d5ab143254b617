#!/usr/bin/env bash
# Writes apt.sources (where this host gets the release from, or the mirrors configured; then further sources) and apt.conf
# (how: proxies and the like): apt-sources.sh DIR
# shellcheck disable=SC2016 # the dollars are apt's and awk's
set -euo pipefail
dir=$1
# other vendors name their suites after the release too
foreign=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 2>/dev/null |
  awk '$1 != "Debian" && $1 !~ /^[$]/ { print $NF }') || foreign=

# the one-line form, made deb822 so that one file holds all
one_line() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '$1 == "deb" {
    options = ""; sub(/^deb[ \t]+/, ""); sub(/#.*/, "")
    if (match($0, /^\[[^]]*\][ \t]*/)) { options = substr($0, 2, index($0, "]") - 2); $0 = substr($0, RLENGTH + 1) }
    print "Types: deb"; print "URIs: " $1; print "Suites: " $2
    $1 = $2 = ""; print "Components:" $0
    n = split(options, option, " ")
    for (i = 1; i <= n; i++) {
      split(option[i], pair, "="); gsub(",", " ", pair[2])
      if (pair[1] == "signed-by") print "Signed-By: " pair[2]
      if (pair[1] == "trusted") print "Trusted: " pair[2]
    }
    print ""
  }' || :
}
deb822() { for file in /etc/apt/sources.list.d/*.sources; do [[ ! -e $file ]] || { grep -v '^#' "$file" && echo; } done; }
ours='{
  types = suites = uri = components = ""; off = 0; n = split($0, line, "\n")
  for (i = 1; i <= n; i++) {
    key = tolower(line[i]); sub(/:.*/, "", key); value = line[i]; sub(/^[^:]*:[ \t]*/, "", value)
    if (key == "types") types = " " value " "; if (key == "suites") suites = " " value " "
    if (key == "uris") uri = value; if (key == "components") components = " " value " "; if (key == "enabled") off = value ~ /^no/
  }
  if (off || types !~ / deb / || suites !~ " " suite "(-updates|-security|/updates)? " || components !~ / main /) next
  if (index("\n" foreign "\n", "\n" uri "\n") || index("\n" foreign "\n", "\n" uri "/\n")) next
  print $0 "\n"
}'
if [[ -s $dir/mirrors ]]; then
  cp "$dir/mirrors" "$dir/apt.sources"
else
  { one_line && deb822; } | awk -v RS= -v suite="$BUILDER_SUITE" -v foreign="$foreign" "$ours" >"$dir/apt.sources"
  [[ -s $dir/apt.sources ]] || printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n\n' \
    http://deb.debian.org/debian "$BUILDER_SUITE $BUILDER_SUITE-updates" \
    http://deb.debian.org/debian-security "$BUILDER_SUITE-security" >"$dir/apt.sources"
fi
[[ ! -s $dir/sources ]] || { echo && cat "$dir/sources"; } >>"$dir/apt.sources"
apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-Valid-Until|Check-Date|Force|Allow)' >"$dir/apt.conf" || :
echo 'Acquire::Languages "none"; APT::Install-Recommends "false";' >>"$dir/apt.conf"
