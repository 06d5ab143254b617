#!/usr/bin/env bash
# Checks a serial log of the example site's node, one line for each check: boot-checks.sh LOG BIOS|UEFI cd|usb
set -euo pipefail
log=$(tr -d '\r' <"$1") firmware=$2 failed=0
case $3 in
  cd) medium=/dev/sr0 ;;
  usb) medium=/dev/sda1 ;;
esac
# shows WHAT REGEX: some line of the log matches
shows() {
  if grep -qE -- "$2" <<<"$log"; then
    printf 'ok      %s\n' "$1"
  else
    printf 'FAILED  %s: no line matches %s\n' "$1" "$2"
    failed=1
  fi
}
shows_not() {
  if grep -E -m 3 -- "$2" <<<"$log"; then
    printf 'FAILED  %s: a line matches %s\n' "$1" "$2"
    failed=1
  else
    printf 'ok      %s\n' "$1"
  fi
}
shows 'booted by the firmware asked for' "^node: firmware $firmware\$"
shows 'live medium is the ISO' "^node: medium $medium +iso9660\$"
shows 'host name of the BareMetalHost' '^node: name ephemeral-node$'
shows 'first NIC, known by its MAC' '^node: link oam0 +[A-Z]+ +52:54:00:bf:b2:d8 '
shows 'its static address' '^node: address oam0 +UP +10\.23\.25\.101/24 *$'
shows 'second NIC, known by its MAC' '^node: link pxe0 +[A-Z]+ +52:54:00:7d:15:63 '
shows 'its static address' '^node: address pxe0 +UP +10\.23\.24\.101/24 *$'
shows 'default route' '^node: route default via 10\.23\.25\.1 dev oam0 '
shows 'name server' '^node: dns .*oam0.*10\.23\.25\.53'
shows 'written file, its mode and owner' '^node: file /etc/airship-example 640 root:root 44 bytes$'
shows 'run command' '^airship-runcmd-ok$'
shows 'cloud-init without warnings or errors' '^node: cloud-init problems 0$'
shows 'the data source is the seed on the medium' 'Cloud-init .* finished at .*DataSourceNoCloud \[seed=/var/lib/cloud/seed/nocloud\]'
shows_not 'no unit failed' '(\[FAILED\]|Failed to start )'
shows 'powered off by itself' 'reboot: Power down'
exit "$failed"
