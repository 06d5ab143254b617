# shellcheck shell=bash
# Sourced by boot-checks.sh: what the nodes of the sites have to say, by its functions `shows` and `shows_not`.
# shellcheck disable=SC2154 # its `log` too
every_site() {
  shows 'host name of the BareMetalHost' '^node: name ephemeral-node$'
  shows 'default route' '^node: route default via 10\.23\.25\.1 dev '
  shows 'user, home, shell and groups' '^node: user airship:/home/airship:/bin/bash groups airship sudo$'
  shows 'ssh key' '^node: key ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUa447vL2d1H0a6fjgXljziN5WuEHyNZNuac9SF0hH\+ example$'
  shows 'its mode and owner' '^node: file /home/airship/\.ssh/authorized_keys 600 airship:airship '
  shows 'written file, its mode and owner' '^node: file /etc/airship-example 640 root:root 44 bytes$'
  shows 'run command' '^airship-runcmd-ok$'
  shows 'all commands ran to their end' '^node: all shown$'
  shows 'cloud-init without warnings or errors' '^node: cloud-init problems 0$'
  shows_not 'no unit failed' '(Failed to (start|mount) |Dependency failed for )'
  shows_not 'nothing in the kernel broke' '(Oops|BUG:|Kernel panic|Call Trace)'
  shows 'powered off by itself' 'reboot: Power down'
}
example_site() {
  shows 'the data source is the NoCloud seed' ' finished at .*DataSourceNoCloud \[seed=/var/lib/cloud/seed/nocloud\]'
  shows 'first NIC, known by its MAC' '^node: link oam0 +[A-Z]+ +52:54:00:bf:b2:d8 '
  shows 'its static address' '^node: address oam0 +UP +10\.23\.25\.101/24 *$'
  shows 'second NIC, known by its MAC' '^node: link pxe0 +[A-Z]+ +52:54:00:7d:15:63 '
  shows 'its static address' '^node: address pxe0 +UP +10\.23\.24\.101/24 *$'
  shows 'the route leaves by the first' '^node: route default .* dev oam0 '
  shows 'name server' '^node: dns .*oam0.*: 10\.23\.25\.53'
}
# the NICs keep the kernel's names: network_data has none
bonded_site() {
  local plain mac='52:54:00:b0:0d:0'
  plain=$(sed -nE 's/^node: link ([^ ]+) .* 52:54:00:bf:b2:d8 .*/\1/p' <<<"$log")
  shows 'the data source is the config drive' ' finished at .*DataSourceConfigDrive .*\[source=/var/lib/cloud/seed/config_drive\]'
  shows 'the NIC without a bond, known by its MAC' '^node: link [^ ]+ +UP +52:54:00:bf:b2:d8 '
  shows 'its static address' "^node: address ${plain:-?} +UP +10\\.23\\.24\\.101/24 *\$"
  shows 'the mode of the bond' '^node: bond .*Bonding Mode: fault-tolerance \(active-backup\) '
  shows 'how it watches its links' '^node: bond .* MII Polling Interval \(ms\): 100 '
  shows 'first member of the bond, known by its MAC' "^node: bond .* Slave Interface: [^ ]+ Permanent HW addr: ${mac}1( |\$)"
  shows 'second member of the bond, known by its MAC' "^node: bond .* Slave Interface: [^ ]+ Permanent HW addr: ${mac}2( |\$)"
  shows 'the VLAN and its number' '^node: vlan .* bond0\.101@bond0: .*UP.* vlan protocol 802\.1Q id 101 '
  shows 'its static address' '^node: address bond0\.101@bond0 +UP +10\.23\.25\.101/24 *$'
  shows 'the route leaves by the VLAN' '^node: route default .* dev bond0\.101 '
  shows 'name server' '^node: dns .*bond0\.101.*: 10\.23\.25\.53'
}
