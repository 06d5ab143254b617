//! Out of the root, and at the kernel.

use std::fs;

use super::common::left::Decoy;
use super::{contained, only_as_root};

#[test]
fn nothing_outside_its_root_can_be_read_or_written() {
    let site = contained(
        "for root in '' /.. /../../../../../.. /proc/1/root /proc/1/cwd /proc/1/root/../.. /proc/self/root/.. \
             /proc/self/cwd/../../../.. /proc/$$/root/.. /config/.. /config/../.. /sys/../..; do
           attempt \"cat $root$HOST/canary\"
           attempt \"echo x > $root$HOST/written\"
         done
         for link in /proc/[0-9]*/fd/* /proc/[0-9]*/root /proc/[0-9]*/cwd /proc/[0-9]*/task/*/root /proc/self/map_files/*; do
           attempt \"cat $link/$HOST/canary\"
           attempt \"cat $link/../../../../../../$HOST/canary\"
           attempt \"echo x > $link/../../../../../../$HOST/written\"
         done
         attempt 'cat /proc/1/exe > /tmp/exe'
         attempt 'cat /proc/1/mem > /tmp/mem'
         attempt 'busybox chroot /proc/1/root cat $HOST/canary'
         attempt 'busybox nsenter -t 1 -m cat $HOST/canary'
         mkdir -p /tmp/r && attempt 'cd /tmp && busybox chroot /tmp/r true; cat ../../../../../../$HOST/canary'",
        &[],
    );
    assert!(!site.path("written").exists());
}

#[test]
fn processes_of_the_host_are_out_of_reach() {
    let mut decoys: Vec<Decoy> = (0..3).map(|_| Decoy::new()).collect();
    let pids: Vec<String> = decoys.iter().map(|decoy| decoy.pid().to_string()).collect();
    let own = std::process::id();
    contained(
        &format!(
            "for pid in {} {own}; do attempt \"kill -9 $pid\"; attempt \"ls /proc/$pid\"; done
             busybox ps | busybox grep -E 'airshipctl|cargo|sleep 600' | busybox grep -v init | busybox grep -v grep \
               && echo ESCAPED: foreign processes
             busybox sleep 300 &
             kill -9 -1 || true
             kill -9 1 || true; kill -STOP 1 || true; kill -TERM -- -1 || true",
            pids.join(" ")
        ),
        &[],
    );
    assert!(decoys.iter_mut().all(Decoy::is_alive));
}

#[test]
fn devices_cannot_be_opened() {
    contained(
        "cd /tmp
         for node in 'b 7 0' 'b 254 0' 'b 8 0' 'b 259 0' 'c 1 1' 'c 1 2' 'c 1 4' 'c 1 11' 'c 10 229' 'c 10 237' 'c 4 0'; do
           for dir in /tmp /dev /dev/shm /config; do
             rm -f $dir/node; busybox mknod $dir/node $node 2>/dev/null || continue
             test -b $dir/node -o -c $dir/node || continue
             attempt \"busybox dd if=$dir/node of=/dev/null bs=1 count=1\"
             attempt \": <> $dir/node\"
             rm -f $dir/node
           done
         done
         for node in /dev/mem /dev/kmem /dev/port /dev/kmsg /dev/vda /dev/loop0 /dev/loop-control /dev/fuse; do
           attempt \"test -e $node\"
         done",
        &[],
    );
}

#[test]
fn the_kernels_settings_cannot_be_changed() {
    contained(
        "for file in /proc/sys/kernel/panic /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sys/kernel/hostname \
             /proc/sys/fs/file-max /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state; do
           test -e $file || continue
           attempt \"cat $file > /tmp/value && cat /tmp/value > $file\"
         done
         attempt 'echo h > /proc/sysrq-trigger'
         attempt 'echo -1000 > /proc/1/oom_score_adj'
         for file in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/*/release_agent /sys/kernel/uevent_helper; do
           attempt \"echo /x > $file\"
         done
         attempt 'mkdir /sys/fs/cgroup/x'
         attempt 'test $(cat /proc/kcore 2>/dev/null | head -c 1 | wc -c) = 1'
         attempt 'cat /proc/keys | busybox grep -q .'
         echo x > /tmp/x.ko; attempt 'busybox insmod /tmp/x.ko'
         busybox insmod /tmp/x.ko 2>&1 | busybox grep -qE 'not (permitted|implemented)|does not support' || echo 'ESCAPED: modules are looked at'
         attempt 'busybox reboot -f -n'
         busybox date -s 2001-01-01 >/dev/null 2>&1 || true; test $(busybox date +%Y) != 2001 || echo 'ESCAPED: date'
         attempt 'busybox swapon /tmp/x.ko'
         attempt 'busybox dmesg -c'",
        &[],
    );
}

#[test]
fn mounts_change_nothing_outside() {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    contained(
        "mkdir -p /tmp/m
         for options in '-t tmpfs none /tmp/m' '-o bind / /tmp/m' '-t proc proc /tmp/m' '-t sysfs none /tmp/m' '-o remount,rw /sys' \
             '-o remount,rw,bind /proc/sys' '-o remount,rw /proc' '-o bind /tmp /config' '-t cgroup none /tmp/m' '-o remount,dev /config'; do
           busybox mount $options 2>/dev/null && busybox umount /tmp/m 2>/dev/null || true
         done
         busybox umount -l /config /proc /sys /dev /proc/kcore /proc/sys 2>/dev/null || true
         attempt 'cat /proc/sys/vm/swappiness > /tmp/v && cat /tmp/v > /proc/sys/vm/swappiness'
         attempt 'echo h > /proc/sysrq-trigger'
         true",
        &[],
    );
    let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // others mount and unmount meanwhile; what matters has a name of ours
    let ours = |text: &str| text.lines().filter(|line| line.contains("airship")).count();
    assert_eq!(ours(&before), ours(&after));
}

#[test]
fn the_cached_rootfs_stays_as_it_was() {
    let site = contained(
        "chmod 0777 /etc /bin/builder; busybox chown 7:7 /iso || true; echo x >> /etc/passwd
         echo '#!/bin/false' > /bin/builder; rm -rf /tmp /etc; mkdir /etc; echo new > /etc/new
         busybox mknod /zero c 1 5 2>/dev/null || true; busybox ln -s /x /etc/l; busybox rm -f /bin/hostname; mkdir -p /tmp",
        &[],
    );
    site.succeed(&[]);
    site.assert_outputs();
}

#[test]
fn a_builder_that_removes_its_own_programs_still_ends() {
    contained(
        "cp /bin/busybox /tmp/busybox; for a in sh sed cp rm; do /tmp/busybox ln -s busybox /tmp/$a; done; PATH=/tmp
         /tmp/busybox rm -rf /bin /etc /dev /proc 2>/dev/null || true",
        &[],
    );
}

#[test]
fn what_is_hard_to_remove_is_removed() {
    contained(
        "mkdir -p /deep/top /a/b/c; cd /deep; i=0; hundred=$(printf 'd/%.0s' $(busybox seq 100))
         while [ $i -lt 15 ]; do mkdir -p next/$hundred; busybox mv top next/$hundred; busybox mv next top; i=$((i+1)); done
         cd /; busybox mkfifo /a/pipe; echo x > /a/b/c/x; chmod 0 /a/b/c/x /a/b/c /a/b /a; chmod 0 /deep
         busybox truncate -s 1099511627776 /sparse; i=0; while [ $i -lt 300 ]; do : > \"/tmp/$(printf '\\033[31m\\n')$i\"; i=$((i+1)); done",
        &[],
    );
}

#[test]
fn immutable_files_are_removed_too() {
    if !only_as_root("immutable_files_are_removed_too", "a user namespace makes no files immutable") {
        return;
    }
    // FS_IOC_SETFLAGS from outside: busybox has no chattr
    let site = super::site(
        "mkdir -p /fixed/in; echo x > /fixed/in/x; touch /config/started; while test -e /config/started; do sleep 0.1; done; exit 3",
    );
    let child = site.start(&[]);
    let run = fs::read_dir(site.path("state/runs")).unwrap().next().unwrap().unwrap().path();
    let fixed = run.join("overlay/upper/fixed");
    let set = |path: &std::path::Path| {
        let file = fs::File::open(path).unwrap();
        rustix::fs::ioctl_setflags(&file, rustix::fs::IFlags::IMMUTABLE)
    };
    let all = [fixed.join("in/x"), fixed.join("in"), fixed];
    // not every file system has them, nor every overlay an upper directory on disk
    let have = all.iter().filter(|path| path.exists()).filter(|path| set(path).is_ok()).count();
    println!("{have} are immutable");
    fs::remove_file(site.volume().join("started")).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(6));
    site.assert_clean();
}
