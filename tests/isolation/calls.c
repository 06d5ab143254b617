/* Makes system calls that do no harm when they are allowed, and prints how each ended: "name 0" or
   "name errno". Names ending in .i386 are made through the 32-bit gate of x86_64. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *name, long result) {
    int failed = result < 0 ? errno : 0;
    printf("%s %d\n", name, failed);
    fflush(stdout);
}

#ifdef __x86_64__
static long gate(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    int narrow = (int)result;
    if (narrow < 0 && narrow > -4096) {
        errno = -narrow;
        return -1;
    }
    return narrow;
}
#endif

int main(void) {
    char byte = 0, other = 0;
    struct { void *at; size_t size; } here = {&byte, 1}, there = {&other, 1};

    say("unshare", syscall(SYS_unshare, 0));
    say("unshare-user", syscall(SYS_unshare, CLONE_NEWUSER));
    say("clone-user", syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0));
    say("clone3", syscall(SYS_clone3, &byte, 0));
    say("setns", syscall(SYS_setns, -1, 0));
    say("mount", syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, 0));
    say("fsopen", syscall(SYS_fsopen, &byte, 0));
    say("pivot_root", syscall(SYS_pivot_root, "/nowhere", "/nowhere"));
    say("add_key", syscall(SYS_add_key, 0, 0, 0, 0, 0));
    say("keyctl", syscall(SYS_keyctl, 0, -4, 0, 0, 0));
    say("keyctl-search", syscall(SYS_keyctl, 10, -3, "user", "airshipctl-test", 0));
    say("bpf", syscall(SYS_bpf, 9999, 0, 0));
    say("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    say("userfaultfd", syscall(SYS_userfaultfd, ~0));
    say("io_uring_setup", syscall(SYS_io_uring_setup, 0, 0));
    say("perf_event_open", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    say("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
    say("get_mempolicy", syscall(SYS_get_mempolicy, 0, 0, 0, 0, 0));
    say("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
    say("socket-vsock", syscall(SYS_socket, 40, SOCK_STREAM, 0));
    say("socket-alg", syscall(SYS_socket, 38, SOCK_SEQPACKET, 0));
    say("personality-norandom", syscall(SYS_personality, 0x40000));
    say("unknown", syscall(5000));

    say("socket-inet", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
    say("socket-unix", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
    say("personality-query", syscall(SYS_personality, 0xffffffff));
    say("personality-linux32", syscall(SYS_personality, 8));
    say("personality-linux", syscall(SYS_personality, 0));
    say("process_vm_readv", syscall(SYS_process_vm_readv, getpid(), &here, 1, &there, 1, 0));
    say("seccomp", syscall(SYS_seccomp, 2, 0, &(unsigned){0x7fff0000}));
    say("pidfd_open", syscall(SYS_pidfd_open, getpid(), 0));
    say("memfd_create", syscall(SYS_memfd_create, "x", 0));
    say("sync", syscall(SYS_sync));
    say("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
#ifdef __x86_64__
    say("unshare.i386", gate(310, 0, 0, 0));
    say("keyctl.i386", gate(288, 0, -4, 0));
    say("clone3.i386", gate(435, 0, 0, 0));
    say("personality-norandom.i386", gate(136, 0x40000, 0, 0));
    say("get_mempolicy.i386", gate(275, 0, 0, 0));
    say("socket-vsock.i386", gate(359, 40, SOCK_STREAM, 0));
    say("getpid.i386", gate(20, 0, 0, 0));
    say("socket-inet.i386", gate(359, AF_INET, SOCK_STREAM, 0));
#endif
    return 0;
}
