import type { LogChunk } from '@capacloud/agent/core/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callingProgram, oldCallingProgram, type RawCall, rawImage, readNumbers } from './raw-program.ts';
import { openRuntimeRig, type RuntimeRig, script } from './runtime-rig.ts';

const notPermitted = -1n;
const noSuchCall = -38n;

/** What a task tries, and what the kernel has to say to it. */
const refused: readonly (readonly [string, RawCall, bigint])[] = [
  ['socket(AF_VSOCK, SOCK_STREAM)', [41, 40, 1, 0], notPermitted],
  ['the same with bits that the kernel does not read', [41, 0x1_0000_0028n, 1, 0], notPermitted],
  ['socket(AF_ALG)', [41, 38, 5, 0], notPermitted],
  ['socket(AF_PACKET)', [41, 17, 3, 0], notPermitted],
  ['socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)', [41, 2, 1, 132], notPermitted],
  ['socket(AF_NETLINK, NETLINK_NETFILTER)', [41, 16, 3, 12], notPermitted],
  ['socketpair(AF_TIPC)', [53, 30, 1, 0, 0], notPermitted],
  ['io_uring_setup', [425, 8, 0], noSuchCall],
  ['io_uring_enter', [426, 1, 1, 1, 0, 0], noSuchCall],
  ['io_uring_register', [427, 1, 0, 0, 0], noSuchCall],
  ['io_setup', [206, 128, 0], noSuchCall],
  ['keyctl(KEYCTL_GET_KEYRING_ID)', [250, 0, -3, 0], notPermitted],
  ['add_key', [248, 0, 0, 0, 0, -2], notPermitted],
  ['request_key', [249, 0, 0, 0, 0], notPermitted],
  ['userfaultfd(UFFD_USER_MODE_ONLY)', [323, 1], notPermitted],
  ['bpf', [321, 0, 0, 0], notPermitted],
  ['perf_event_open', [298, 0, 0, -1, -1, 0], notPermitted],
  ['unshare(CLONE_NEWUSER)', [272, 0x1000_0000], notPermitted],
  ['clone(CLONE_NEWUSER | SIGCHLD)', [56, 0x1000_0011, 0, 0, 0, 0], notPermitted],
  ['clone3', [435, 0, 64], noSuchCall],
  ['setns', [308, 0, 0], notPermitted],
  ['ptrace(PTRACE_TRACEME)', [101, 0, 0, 0, 0], notPermitted],
  ['open_by_handle_at', [304, 0, 0, 0], notPermitted],
  ['personality(ADDR_NO_RANDOMIZE)', [135, 0x4_0000], notPermitted],
  ['mmap(MAP_HUGETLB)', [9, 0, 2 ** 21, 3, 0x4_0022, -1, 0], notPermitted],
  ['memfd_create(MFD_HUGETLB)', [319, 0, 4], notPermitted],
];
/** What ordinary programs do. */
const allowed: readonly (readonly [string, RawCall])[] = [
  ['socket(AF_UNIX)', [41, 1, 1, 0]],
  ['socket(AF_INET, SOCK_STREAM)', [41, 2, 1, 0]],
  ['socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP)', [41, 10, 2, 17]],
  ['socket(AF_NETLINK, NETLINK_ROUTE)', [41, 16, 3, 0]],
  ['personality(0xffffffff)', [135, 0xffff_ffff]],
  ['mmap(MAP_ANONYMOUS)', [9, 0, 4096, 3, 0x22, -1, 0]],
  ['get_mempolicy', [239, 0, 0, 0, 0, 0]],
  ['inotify_init1', [294, 0]],
];

let rig: RuntimeRig;
let image: string;
beforeAll(async () => {
  rig = await openRuntimeRig();
  const calls = [...refused, ...allowed].map(([, call]) => call);
  image = await rawImage(rig.docker, 'raw', {
    calls: callingProgram(calls),
    // socketcall(SYS_SOCKET, …), whose arguments lie in memory
    old: oldCallingProgram([102, 1, 0]),
  });
});
afterAll(async () => {
  await rig.close();
  await rig.docker.getImage(image).remove();
});

describe.skipIf(process.arch !== 'x64')('system calls', () => {
  it('are those that work needs, whatever the default of the engine is', async () => {
    const seen = await rig.run(rig.assign({ ...script('/raw/calls; /raw/old; echo $?'), image }));
    const written: Buffer[] = [];
    const take = async ({ bytes, stream }: LogChunk) => {
      if (stream === 'stdout') written.push(Buffer.from(bytes));
    };
    await rig.runtime.followLogs(seen.key, 0, take, rig.signal);
    const output = Buffer.concat(written);
    const size = 8 * (refused.length + allowed.length);
    const [...answers] = readNumbers(output.subarray(0, size));
    expect(answers.splice(0, refused.length).map((answer, index) => [refused[index]?.[0], answer])).toEqual(
      refused.map(([name, , answer]) => [name, answer]),
    );
    expect(allowed.filter((_, index) => (answers[index] ?? -1n) < 0n)).toEqual([]);
    // Killed by SIGSYS, as the shell tells it.
    expect(output.subarray(size).toString()).toBe('159\n');
  });
});
