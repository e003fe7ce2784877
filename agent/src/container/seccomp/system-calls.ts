/**
 * The system calls that a container may make, by the purpose that programs have for them. Every other call is refused, so a
 * call that a later kernel adds is closed until it is listed here. A name that an engine does not know is passed over.
 */
export const allowedCalls: Readonly<Record<string, string>> = {
  files: `access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync flock fstat fstatfs fsync ftruncate futimesat
    getcwd getdents getdents64 ioctl lchown link linkat lseek lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir
    sendfile splice stat statfs statx symlink symlinkat sync_file_range syncfs tee truncate umask unlink unlinkat utime
    utimensat utimes write writev`,
  'attributes of files': `fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
    llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`,
  'waiting for events': `epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll pselect6 select signalfd signalfd4`,
  // Bound to the container by its memory limit. Placement on NUMA nodes is what CUDA, NCCL and MPI ask for.
  memory: `brk cachestat get_mempolicy madvise map_shadow_stack mbind membarrier mincore mlock mlock2 mlockall mprotect mremap
    mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect set_mempolicy set_mempolicy_home_node`,
  // Reading the memory of another process and taking over its descriptors work within the container only. MPI copies
  // messages by the former, CUDA and PyTorch share memory of a GPU by the latter.
  processes: `arch_prctl execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority getrlimit
    getrusage getsid gettid kill pidfd_getfd pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev
    rseq setpgid setpriority setrlimit setsid set_tid_address times vfork wait4 waitid`,
  threads: `futex futex_requeue futex_wait futex_waitv futex_wake get_robust_list get_thread_area ioprio_get ioprio_set
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list
    set_thread_area`,
  signals: `pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill`,
  time: `alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time timer_create
    timer_delete timerfd_create timerfd_gettime timerfd_settime timer_getoverrun timer_gettime timer_settime`,
  // Without capabilities these change nothing but what a process has already.
  users: `capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid setgroups
    setregid setresgid setresuid setreuid setuid`,
  // Which families of sockets there are is decided by "socket", below.
  sockets: `accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg
    sendto setsockopt shutdown`,
  // Each container has its own namespace of these.
  'messages and shared memory': `mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv
    msgsnd semctl semget semop semtimedop shmat shmctl shmdt`,
  // A program may lock itself in further; a filter that it adds never takes away from this one.
  'sandboxes of programs': 'landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp',
  'the system': 'getrandom sysinfo uname',
};

/**
 * Calls that are answered with "there is no such call" (ENOSYS) instead of "not permitted" (EPERM), because programs
 * then use another one. The C library makes threads by clone instead of clone3, whose flags no filter can read.
 * io_uring does whole calls past every filter. The contexts of io_setup come out of one number for the whole machine.
 */
export const absentCalls =
  'clone3 io_uring_enter io_uring_register io_uring_setup io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit';

/** A condition on one argument: the bits of `mask` have to be those of `equals`. */
export interface ArgumentRule {
  readonly index: number;
  readonly mask: number;
  readonly equals: number;
}

/** The kernel reads the lower half of these arguments only, so the filter does, too: the upper half may hold anything. */
const wholeInt = 0xffff_ffff;

const families = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
/** Any, ICMP, TCP, UDP, ICMPv6. Others, such as SCTP, would load modules into the kernel of the machine. */
const inetProtocols = [0, 1, 6, 17, 58];
const routeProtocol = 0;
/** CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID and -NET. */
const namespaceFlags = 0x7e02_0000;
const hugePageFlag = { mmap: 0x4_0000, memfd: 4, shm: 0o4000 } as const;
/** What runs a program as it is, asks what is set, and reports a processor of 32 bits to build tools. */
const personalities = [0, wholeInt, 8];

function family(value: number): ArgumentRule {
  return { index: 0, mask: wholeInt, equals: value };
}

/** Calls that are allowed with some arguments: one of the lists has to hold, and every condition of it. */
export const conditionalCalls: Readonly<Record<string, readonly (readonly ArgumentRule[])[]>> = {
  // No AF_VSOCK, which reaches the host of a virtual machine, no AF_ALG, no packets. Netlink for routes and addresses alone.
  socket: [
    [family(families.unix)],
    ...[families.inet, families.inet6].flatMap((value) =>
      inetProtocols.map((protocol) => [family(value), { index: 2, mask: wholeInt, equals: protocol }]),
    ),
    [family(families.netlink), { index: 2, mask: wholeInt, equals: routeProtocol }],
  ],
  socketpair: [[family(families.unix)]],
  clone: [[{ index: 0, mask: namespaceFlags, equals: 0 }]],
  personality: personalities.map((value) => [{ index: 0, mask: wholeInt, equals: value }]),
  // Huge pages come out of a pool that the machine has once, and no limit of a container counts them.
  mmap: [[{ index: 3, mask: hugePageFlag.mmap, equals: 0 }]],
  memfd_create: [[{ index: 1, mask: hugePageFlag.memfd, equals: 0 }]],
  shmget: [[{ index: 2, mask: hugePageFlag.shm, equals: 0 }]],
};
