//! The system calls that filters know, in groups, with their numbers on every architecture.
//!
//! Names and groups follow the decisions of Docker's default profile (moby profiles/seccomp,
//! 2026); numbers are those of the kernel's syscall tables, which never change. What is not here is
//! never allowed: `kexec_load`, `keyctl`, `userfaultfd`, `io_uring_setup`, `pivot_root`, …

/// A group of calls.
pub type Calls = &'static [Call];

/// A way into the kernel: what a number means depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    X86_64,
    /// 32-bit pointers on x86_64; the same architecture to a filter, with a bit set in each number.
    X32,
    I386,
    Aarch64,
    Arm,
}

/// One system call.
#[derive(Debug)]
pub struct Call {
    // what the tests and a reader know it by
    #[cfg_attr(not(test), allow(dead_code))]
    pub name: &'static str,
    x86_64: Option<u32>,
    i386: Option<u32>,
    aarch64: Option<u32>,
    arm: Option<u32>,
}

/// `__X32_SYSCALL_BIT`
const X32_BIT: u32 = 0x4000_0000;

/// The calls whose arguments contain pointers in memory have numbers of their own on x32, from 512
/// on, in this order (arch/x86/entry/syscalls/syscall_64.tbl).
const X32_OWN: [u32; 36] = [
    13, 15, 16, 19, 20, 45, 46, 47, 59, 101, 127, 128, 129, 131, 222, 244, 246, 247, 273, 274, 278, 279, 295,
    296, 297, 299, 307, 310, 311, 54, 55, 206, 209, 322, 327, 328,
];

impl Call {
    /// `None`: this way into the kernel does not have the call.
    pub fn number(&self, abi: Abi) -> Option<u32> {
        match abi {
            Abi::X86_64 => self.x86_64,
            Abi::X32 => self.x86_64.map(|number| match X32_OWN.iter().position(|own| *own == number) {
                Some(place) => X32_BIT | (512 + place as u32),
                None => X32_BIT | number,
            }),
            Abi::I386 => self.i386,
            Abi::Aarch64 => self.aarch64,
            Abi::Arm => self.arm,
        }
    }
}

impl Abi {
    /// The lowest number that belongs to it.
    pub fn first(self) -> u32 {
        if self == Self::X32 { X32_BIT } else { 0 }
    }
}

macro_rules! number {
    (_) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

/// Name, then the numbers on x86_64, i386, aarch64 and arm.
macro_rules! calls {
    ($($name:ident $x86_64:tt $i386:tt $aarch64:tt $arm:tt),* $(,)?) => {
        &[$(Call {
            name: stringify!($name),
            x86_64: number!($x86_64),
            i386: number!($i386),
            aarch64: number!($aarch64),
            arm: number!($arm),
        }),*]
    };
}

/// Who owns a file; what root emulation lets succeed.
pub const OWNERS: Calls = calls! {
    chown 92 182 _ 182, chown32 _ 212 _ 212, fchown 93 95 55 95, fchown32 _ 207 _ 207,
    fchownat 260 298 54 325, lchown 94 16 _ 16, lchown32 _ 198 _ 198,
};

/// Who a process is; root emulation lets these succeed.
pub const IDENTITIES: Calls = calls! {
    capset 126 185 91 185, setfsgid 123 139 152 139, setfsgid32 _ 216 _ 216, setfsuid 122 138 151 138,
    setfsuid32 _ 215 _ 215, setgid 106 46 144 46, setgid32 _ 214 _ 214, setgroups 116 81 159 81,
    setgroups32 _ 206 _ 206, setregid 114 71 143 71, setregid32 _ 204 _ 204, setresgid 119 170 149 170,
    setresgid32 _ 210 _ 210, setresuid 117 164 147 164, setresuid32 _ 208 _ 208, setreuid 113 70 145 70,
    setreuid32 _ 203 _ 203, setuid 105 23 146 23, setuid32 _ 213 _ 213,
};

/// Waiting for disks, which costs more than it is worth for a tree that is thrown away.
pub const SYNCING: Calls = calls! {
    arm_sync_file_range _ _ _ 341, fdatasync 75 148 83 148, fsync 74 118 82 118, sync 162 36 81 36,
    sync_file_range 277 314 84 _, sync_file_range2 _ _ _ 341, syncfs 306 344 267 373,
};

/// The mode is argument 1, the device argument 2.
pub const MKNOD: Calls = calls! { mknod 133 14 _ 14 };

/// The mode is argument 2, the device argument 3.
pub const MKNODAT: Calls = calls! { mknodat 259 297 33 324 };

/// Files, directories and what is known of them.
pub const FILES: Calls = calls! {
    access 21 33 _ 33, arm_fadvise64_64 _ _ _ 270, cachestat 451 451 451 451, chdir 80 12 49 12,
    chmod 90 15 _ 15, close 3 6 57 6, close_range 436 436 436 436, copy_file_range 326 377 285 391,
    creat 85 8 _ 8, dup 32 41 23 41, dup2 33 63 _ 63, dup3 292 330 24 358, faccessat 269 307 48 334,
    faccessat2 439 439 439 439, fadvise64 221 250 223 _, fadvise64_64 _ 272 _ _, fallocate 285 324 47 352,
    fanotify_mark 301 339 263 368, fchdir 81 133 50 133, fchmod 91 94 52 94, fchmodat 268 306 53 333,
    fchmodat2 452 452 452 452, fcntl 72 55 25 55, fcntl64 _ 221 _ 221, fgetxattr 193 231 10 231,
    flistxattr 196 234 13 234, flock 73 143 32 143, fremovexattr 199 237 16 237, fsetxattr 190 228 7 228,
    fstat 5 108 80 108, fstat64 _ 197 _ 197, fstatat64 _ 300 _ 327, fstatfs 138 100 44 100,
    fstatfs64 _ 269 _ 267, ftruncate 77 93 46 93, ftruncate64 _ 194 _ 194, futimesat 261 299 _ 326,
    getcwd 79 183 17 183, getdents 78 141 _ 141, getdents64 217 220 61 217, getxattr 191 229 8 229,
    getxattrat 464 464 464 464, inotify_add_watch 254 292 27 317, inotify_init 253 291 _ 316,
    inotify_init1 294 332 26 360, inotify_rm_watch 255 293 28 318, io_cancel 210 249 3 247,
    io_destroy 207 246 1 244, io_getevents 208 247 4 245, io_pgetevents 333 385 292 399,
    io_pgetevents_time64 _ 416 _ 416, io_setup 206 245 0 243, io_submit 209 248 2 246, ioctl 16 54 29 54,
    landlock_add_rule 445 445 445 445, landlock_create_ruleset 444 444 444 444,
    landlock_restrict_self 446 446 446 446, lgetxattr 192 230 9 230, link 86 9 _ 9, linkat 265 303 37 330,
    listmount 458 458 458 458, listxattr 194 232 11 232, listxattrat 465 465 465 465,
    llistxattr 195 233 12 233, _llseek _ 140 _ 140, lremovexattr 198 236 15 236, lseek 8 19 62 19,
    lsetxattr 189 227 6 227, lstat 6 107 _ 107, lstat64 _ 196 _ 196, mkdir 83 39 _ 39, mkdirat 258 296 34 323,
    name_to_handle_at 303 341 264 370, newfstatat 262 _ 79 _, open 2 5 _ 5, openat 257 295 56 322,
    openat2 437 437 437 437, pipe 22 42 _ 42, pipe2 293 331 59 359, pread64 17 180 67 180,
    preadv 295 333 69 361, preadv2 327 378 286 392, pwrite64 18 181 68 181, pwritev 296 334 70 362,
    pwritev2 328 379 287 393, read 0 3 63 3, readahead 187 225 213 225, readlink 89 85 _ 85,
    readlinkat 267 305 78 332, readv 19 145 65 145, removexattr 197 235 14 235, removexattrat 466 466 466 466,
    rename 82 38 _ 38, renameat 264 302 38 329, renameat2 316 353 276 382, rmdir 84 40 _ 40,
    sendfile 40 187 71 187, sendfile64 _ 239 _ 239, setxattr 188 226 5 226, setxattrat 463 463 463 463,
    splice 275 313 76 340, stat 4 106 _ 106, stat64 _ 195 _ 195, statfs 137 99 43 99, statfs64 _ 268 _ 266,
    statmount 457 457 457 457, statx 332 383 291 397, symlink 88 83 _ 83, symlinkat 266 304 36 331,
    tee 276 315 77 342, truncate 76 92 45 92, truncate64 _ 193 _ 193, umask 95 60 166 60, unlink 87 10 _ 10,
    unlinkat 263 301 35 328, utime 132 30 _ _, utimensat 280 320 88 348, utimensat_time64 _ 412 _ 412,
    utimes 235 271 _ 269, vmsplice 278 316 75 343, write 1 4 64 4, writev 20 146 66 146,
};

/// Events on descriptors.
pub const WAITING: Calls = calls! {
    epoll_create 213 254 _ 250, epoll_create1 291 329 20 357, epoll_ctl 233 255 21 251,
    epoll_ctl_old 214 _ _ _, epoll_pwait 281 319 22 346, epoll_pwait2 441 441 441 441,
    epoll_wait 232 256 _ 252, epoll_wait_old 215 _ _ _, eventfd 284 323 _ 351, eventfd2 290 328 19 356,
    _newselect _ 142 _ 142, poll 7 168 _ 168, ppoll 271 309 73 336, ppoll_time64 _ 414 _ 414,
    pselect6 270 308 72 335, pselect6_time64 _ 413 _ 413, select 23 82 _ _, signalfd 282 321 _ 349,
    signalfd4 289 327 74 355, timerfd_create 283 322 85 350, timerfd_gettime 287 326 87 354,
    timerfd_gettime64 _ 410 _ 410, timerfd_settime 286 325 86 353, timerfd_settime64 _ 411 _ 411,
};

/// Address spaces.
pub const MEMORY: Calls = calls! {
    brk 12 45 214 45, madvise 28 219 233 220, map_shadow_stack 453 453 453 453, membarrier 324 375 283 389,
    memfd_create 319 356 279 385, memfd_secret 447 447 447 _, mincore 27 218 232 219, mlock 149 150 228 150,
    mlock2 325 376 284 390, mlockall 151 152 230 152, mmap 9 90 222 _, mmap2 _ 192 _ 192,
    mprotect 10 125 226 125, mremap 25 163 216 163, mseal 462 462 462 462, msync 26 144 227 144,
    munlock 150 151 229 151, munlockall 152 153 231 153, munmap 11 91 215 91, pkey_alloc 330 381 289 395,
    pkey_free 331 382 290 396, pkey_mprotect 329 380 288 394, remap_file_pages 216 257 234 253,
};

/// Processes, threads and their limits.
pub const PROCESSES: Calls = calls! {
    alarm 37 27 _ _, arch_prctl 158 384 _ _, breakpoint _ _ _ 983041, cacheflush _ _ _ 983042,
    capget 125 184 90 184, execve 59 11 221 11, execveat 322 358 281 387, exit 60 1 93 1,
    exit_group 231 252 94 248, fork 57 2 _ 2, futex 202 240 98 240, futex_requeue 456 456 456 456,
    futex_time64 _ 422 _ 422, futex_wait 455 455 455 455, futex_waitv 449 449 449 449,
    futex_wake 454 454 454 454, get_robust_list 274 312 100 339, get_thread_area 211 244 _ _,
    getcpu 309 318 168 345, getegid 108 50 177 50, getegid32 _ 202 _ 202, geteuid 107 49 175 49,
    geteuid32 _ 201 _ 201, getgid 104 47 176 47, getgid32 _ 200 _ 200, getgroups 115 80 158 80,
    getgroups32 _ 205 _ 205, getpgid 121 132 155 132, getpgrp 111 65 _ 65, getpid 39 20 172 20,
    getppid 110 64 173 64, getpriority 140 96 141 96, getrandom 318 355 278 384, getresgid 120 171 150 171,
    getresgid32 _ 211 _ 211, getresuid 118 165 148 165, getresuid32 _ 209 _ 209, getrlimit 97 76 163 _,
    getrusage 98 77 165 77, getsid 124 147 156 147, gettid 186 224 178 224, getuid 102 24 174 24,
    getuid32 _ 199 _ 199, ioprio_get 252 290 31 315, ioprio_set 251 289 30 314, modify_ldt 154 123 _ _,
    prctl 157 172 167 172, prlimit64 302 340 261 369, process_mrelease 448 448 448 448,
    process_vm_readv 310 347 270 376, process_vm_writev 311 348 271 377, ptrace 101 26 117 26,
    restart_syscall 219 0 128 0, rseq 334 386 293 398, sched_get_priority_max 146 159 125 159,
    sched_get_priority_min 147 160 126 160, sched_getaffinity 204 242 123 242, sched_getattr 315 352 275 381,
    sched_getparam 143 155 121 155, sched_getscheduler 145 157 120 157, sched_rr_get_interval 148 161 127 161,
    sched_rr_get_interval_time64 _ 423 _ 423, sched_setaffinity 203 241 122 241,
    sched_setattr 314 351 274 380, sched_setparam 142 154 118 154, sched_setscheduler 144 156 119 156,
    sched_yield 24 158 124 158, seccomp 317 354 277 383, set_robust_list 273 311 99 338,
    set_thread_area 205 243 _ _, set_tid_address 218 258 96 256, set_tls _ _ _ 983045, setpgid 109 57 154 57,
    setpriority 141 97 140 97, setrlimit 160 75 164 75, setsid 112 66 157 66, sysinfo 99 116 179 116,
    ugetrlimit _ 191 _ 191, uname 63 122 160 122, uretprobe 335 _ _ _, vfork 58 190 _ 190,
    wait4 61 114 260 114, waitid 247 284 95 280, waitpid _ 7 _ _,
};

/// Signals.
pub const SIGNALS: Calls = calls! {
    kill 62 37 129 37, pause 34 29 _ 29, pidfd_open 434 434 434 434, pidfd_send_signal 424 424 424 424,
    rt_sigaction 13 174 134 174, rt_sigpending 127 176 136 176, rt_sigprocmask 14 175 135 175,
    rt_sigqueueinfo 129 178 138 178, rt_sigreturn 15 173 139 173, rt_sigsuspend 130 179 133 179,
    rt_sigtimedwait 128 177 137 177, rt_sigtimedwait_time64 _ 421 _ 421, rt_tgsigqueueinfo 297 335 240 363,
    sigaltstack 131 186 132 186, sigprocmask _ 126 _ 126, sigreturn _ 119 _ 119, tgkill 234 270 131 268,
    tkill 200 238 130 238,
};

/// Clocks and timers; to set a clock still takes CAP_SYS_TIME.
pub const TIME: Calls = calls! {
    adjtimex 159 124 171 124, clock_adjtime 305 343 266 372, clock_adjtime64 _ 405 _ 405,
    clock_getres 229 266 114 264, clock_getres_time64 _ 406 _ 406, clock_gettime 228 265 113 263,
    clock_gettime64 _ 403 _ 403, clock_nanosleep 230 267 115 265, clock_nanosleep_time64 _ 407 _ 407,
    getitimer 36 105 102 105, gettimeofday 96 78 169 78, nanosleep 35 162 101 162, setitimer 38 104 103 104,
    time 201 13 _ _, timer_create 222 259 107 257, timer_delete 226 263 111 261,
    timer_getoverrun 225 262 109 260, timer_gettime 224 261 108 259, timer_gettime64 _ 408 _ 408,
    timer_settime 223 260 110 258, timer_settime64 _ 409 _ 409, times 100 43 153 43,
};

/// Sockets, once they are there.
pub const SOCKETS: Calls = calls! {
    accept 43 _ 202 285, accept4 288 364 242 366, bind 49 361 200 282, connect 42 362 203 283,
    getpeername 52 368 205 287, getsockname 51 367 204 286, getsockopt 55 365 209 295, listen 50 363 201 284,
    recv _ _ _ 291, recvfrom 45 371 207 292, recvmmsg 299 337 243 365, recvmmsg_time64 _ 417 _ 417,
    recvmsg 47 372 212 297, send _ _ _ 289, sendmmsg 307 345 269 374, sendmsg 46 370 211 296,
    sendto 44 369 206 290, setsockopt 54 366 208 294, shutdown 48 373 210 293, socketcall _ 102 _ _,
    socketpair 53 360 199 288,
};

/// System V and POSIX inter-process communication.
pub const IPC: Calls = calls! {
    ipc _ 117 _ _, mq_getsetattr 245 282 185 279, mq_notify 244 281 184 278, mq_open 240 277 180 274,
    mq_timedreceive 243 280 183 277, mq_timedreceive_time64 _ 419 _ 419, mq_timedsend 242 279 182 276,
    mq_timedsend_time64 _ 418 _ 418, mq_unlink 241 278 181 275, msgctl 71 402 187 304, msgget 68 399 186 303,
    msgrcv 70 401 188 302, msgsnd 69 400 189 301, semctl 66 394 191 300, semget 64 393 190 299,
    semop 65 _ 193 298, semtimedop 220 _ 192 312, semtimedop_time64 _ 420 _ 420, shmat 30 397 196 305,
    shmctl 31 396 195 308, shmdt 67 398 197 306, shmget 29 395 194 307,
};

/// Flags are argument 0.
pub const CLONE: Calls = calls! { clone 56 120 220 120 };

/// Flags lie in memory, out of a filter's reach.
pub const CLONE3: Calls = calls! { clone3 435 435 435 435 };

/// The personality is argument 0.
pub const PERSONALITY: Calls = calls! { personality 135 136 92 136 };

/// The family is argument 0.
pub const SOCKET: Calls = calls! { socket 41 359 198 281 };

/// CAP_DAC_READ_SEARCH.
pub const HANDLES: Calls = calls! { open_by_handle_at 304 342 265 371 };

/// CAP_SYS_ADMIN: mounts, namespaces and other people's business.
pub const ADMINISTRATION: Calls = calls! {
    fanotify_init 300 338 262 367, fsconfig 431 431 431 431, fsmount 432 432 432 432, fsopen 430 430 430 430,
    fspick 433 433 433 433, lookup_dcookie 212 253 18 249, lsm_get_self_attr 459 459 459 459,
    lsm_list_modules 461 461 461 461, lsm_set_self_attr 460 460 460 460, mount 165 21 40 21,
    mount_setattr 442 442 442 442, move_mount 429 429 429 429, open_tree 428 428 428 428,
    quotactl 179 131 60 131, quotactl_fd 443 443 443 443, setdomainname 171 121 162 121,
    sethostname 170 74 161 74, setns 308 346 268 375, umount _ 22 _ _, umount2 166 52 39 52,
    unshare 272 310 97 337,
};

/// CAP_BPF.
pub const BPF: Calls = calls! { bpf 321 357 280 386 };

/// CAP_PERFMON.
pub const PERF: Calls = calls! { perf_event_open 298 336 241 364 };

/// CAP_SYSLOG.
pub const LOG: Calls = calls! { syslog 103 103 116 103 };

/// CAP_SYS_BOOT.
pub const BOOT: Calls = calls! { reboot 169 88 142 88 };

/// CAP_SYS_CHROOT.
pub const CHROOT: Calls = calls! { chroot 161 61 51 61 };

/// CAP_SYS_MODULE.
pub const MODULES: Calls = calls! {
    delete_module 176 129 106 129, finit_module 313 350 273 379, init_module 175 128 105 128,
};

/// CAP_SYS_PACCT.
pub const ACCOUNTING: Calls = calls! { acct 163 51 89 51 };

/// CAP_SYS_PTRACE, beyond what ptrace itself can do.
pub const TRACING: Calls = calls! {
    kcmp 312 349 272 378, pidfd_getfd 438 438 438 438, process_madvise 440 440 440 440,
};

/// CAP_SYS_RAWIO.
pub const PORTS: Calls = calls! {
    ioperm 173 101 _ _, iopl 172 110 _ _,
};

/// CAP_SYS_TIME.
pub const CLOCKS: Calls = calls! {
    clock_settime 227 264 112 262, clock_settime64 _ 404 _ 404, settimeofday 164 79 170 79, stime _ 25 _ _,
};

/// CAP_SYS_TTY_CONFIG.
pub const TERMINALS: Calls = calls! { vhangup 153 111 58 111 };

/// CAP_SYS_NICE.
pub const PLACEMENT: Calls = calls! {
    get_mempolicy 239 275 236 320, mbind 237 274 235 319, set_mempolicy 238 276 237 321,
    set_mempolicy_home_node 450 450 450 450,
};
