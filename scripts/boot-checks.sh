#!/usr/bin/env bash
# Checks the serial log of a site's node, one line for each check, and last how many passed: boot-checks.sh LOG MODE SITE
set -euo pipefail
log=$(tr -d '\r' <"$1" | sed 's/\x1b\[[0-9;]*[A-Za-z]//g') mode=$2 site=$3 passed=0 failed=0
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/boot/sites.sh"
# verdict WHAT RESULT [WHY]
verdict() {
  if [[ $2 == 0 ]]; then
    printf 'ok      %s\n' "$1"
    passed=$((passed + 1))
  else
    printf 'FAILED  %s: %s\n' "$1" "$3"
    failed=$((failed + 1))
  fi
}
# shows WHAT REGEX: some line of the log matches
shows() {
  local found=0
  grep -qE -- "$2" <<<"$log" || found=1
  verdict "$1" $found "no line matches $2"
}
shows_not() {
  local line
  line=$(grep -E -m 1 -- "$2" <<<"$log") || line=
  verdict "$1" "${#line}" "$line"
}
case $mode in
  bios-*) shows 'booted by BIOS' '^node: firmware BIOS$' ;;
  uefi-*) shows 'booted by UEFI' '^node: firmware UEFI$' ;;
esac
case $mode in
  uefi-secure-*)
    shows 'Secure Boot is on' '^node: secure-boot 1$'
    shows 'the kernel knows and is locked down' 'Kernel is locked down from EFI Secure Boot'
    ;;
  uefi-*) shows 'Secure Boot is off' '^node: secure-boot 0$' ;;
esac
case $mode in
  *-cd) shows 'the live medium is the CD' '^node: medium /dev/sr0 +iso9660$' ;;
  *-usb) shows 'the live medium is the stick' '^node: medium /dev/sda1 +iso9660$' ;;
esac
every_site
"${site}_site"
echo "$passed of $((passed + failed))"
[[ $failed == 0 && $passed != 0 ]]
