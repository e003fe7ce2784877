import { maxTerminals } from '@capacloud/agent/container/attempt-volumes';
import type { AttemptKey, LogChunk } from '@capacloud/agent/core/ports';
import { openRuntimeRig, type RuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import {
  callingProgram,
  inotifyProgram,
  oldCallingProgram,
  queueProgram,
  type RawCall,
  rawImage,
  readNumbers,
  terminalProgram,
} from '@capacloud/rig/images/raw-program';
import { markedName } from '@capacloud/rig/programs/marked-name';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

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
  const programs = {
    calls: callingProgram(calls),
    // socketcall(SYS_SOCKET, …), whose arguments lie in memory
    old: oldCallingProgram([102, 1, 0]),
    inotify: inotifyProgram(),
    queues: queueProgram(),
    terminals: terminalProgram(),
  };
  image = await rawImage(rig.docker, markedName('raw').toLowerCase(), programs, (archive) => {
    const file = (name: string, text: string, mode: number, gid: number) =>
      archive.entry({ name, mode, uid: gid === 0 ? 0 : 1234, gid, mtime: new Date(0) }, text);
    file('etc/passwd', 'root:x:0:0::/:/bin/sh\nworker:x:1234:100::/home/worker:/bin/sh\n', 0o644, 0);
    file('etc/group', 'root:x:0:worker\nusers:x:100:\nreaders:x:4321:worker\n', 0o644, 0);
    file('data/own', 'own\n', 0o640, 1000);
    file('data/of-users', 'users\n', 0o640, 100);
    file('data/of-readers', 'readers\n', 0o640, 4321);
  });
});
afterAll(async () => {
  await rig.close();
  await rig.docker.getImage(image).remove();
});

/** All that an ended task wrote to its standard output. */
async function outputOf(key: AttemptKey): Promise<Buffer> {
  const written: Buffer[] = [];
  const take = async ({ bytes, stream }: LogChunk) => {
    if (stream === 'stdout') written.push(Buffer.from(bytes));
  };
  await rig.runtime.followLogs(key, 0, take, rig.signal);
  return Buffer.concat(written);
}

describe.skipIf(process.arch !== 'x64')('system calls', () => {
  it('are those that work needs, whatever the default of the engine is', async () => {
    const seen = await rig.run(rig.assign({ ...script('/raw/calls; /raw/old; echo $?'), image }));
    const output = await outputOf(seen.key);
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

describe.skipIf(process.arch !== 'x64')('what the kernel counts by user, or for all together', () => {
  const exhausting = `
    for kind in inotify queues terminals; do /raw/$kind >> /out/counts & done
    while test "$(cat /out/counts | wc -c)" -lt 24; do sleep 0.02; done
    cat /out/counts; echo; exec sleep 60`;
  const outputs = [{ path: '/out/', maxBytes: 1000 }];

  it('is not used up by a task for another that names the same user', async () => {
    const task = () => rig.assign({ ...script(exhausting), image, outputs, user: '1234' });
    const first = await rig.launch(task());
    const greedy = await countsOf(first);
    const second = await rig.launch(task());
    expect(await countsOf(second)).toEqual(greedy);
    expect(greedy.every((count) => count > 3n)).toBe(true);
    expect(greedy).toContain(BigInt(maxTerminals));
    for (const key of [first, second]) await rig.runtime.stop(key, 0, rig.signal);
  });

  it('is counted for a user that has the name, home and groups of the one that the job names', async () => {
    const looks =
      'busybox whoami; echo $USER ~worker; id -G; cat /data/of-users /data/of-readers /data/own; cd /out && echo 1 > x';
    const seen = await rig.run(rig.assign({ ...script(looks), image, outputs, user: '1234:1000' }));
    expect(seen.exitCode).toBe(0);
    expect((await outputOf(seen.key)).toString()).toBe(
      'worker\nworker /home/worker\n1000 100 4321\nusers\nreaders\nown\n',
    );
  });
});

/** The three numbers that a task writes while it runs, the smaller one first. */
async function countsOf(key: AttemptKey): Promise<readonly bigint[]> {
  const sizeBytes = 24;
  const enough = new AbortController();
  let written = Buffer.alloc(0);
  const take = async ({ bytes, stream }: LogChunk) => {
    if (stream === 'stdout') written = Buffer.concat([written, bytes]);
    if (written.length >= sizeBytes) enough.abort();
  };
  await rig.runtime.followLogs(key, 0, take, enough.signal).catch((error: unknown) => {
    if (written.length < sizeBytes) throw error;
  });
  return readNumbers(written.subarray(0, sizeBytes)).toSorted((one, other) => Number(one - other));
}
