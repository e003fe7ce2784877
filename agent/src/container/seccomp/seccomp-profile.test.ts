import { describe, expect, test } from 'vitest';
import { seccompOption, seccompProfile } from './seccomp-profile.ts';

const allowed = seccompProfile.syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW');
const freely = allowed.filter(({ args }) => args === undefined).flatMap(({ names }) => names);

/** Whether the profile lets a call through, by the rules of libseccomp: all conditions of one of the entries. */
function allows(name: string, args: readonly bigint[]): boolean {
  return allowed.some(
    (rule) =>
      rule.names.includes(name) &&
      (rule.args ?? []).every(
        ({ index, value, valueTwo }) => ((args[index] ?? 0n) & BigInt(value)) === BigInt(valueTwo),
      ),
  );
}

test('what is not listed is refused, and each call is listed once', () => {
  expect(seccompProfile.defaultAction).toBe('SCMP_ACT_ERRNO');
  const simple = seccompProfile.syscalls.filter(({ args }) => args === undefined);
  const names = simple.flatMap((rule) => rule.names);
  expect(names).toEqual([...new Set(names)]);
  for (const rule of allowed.filter(({ args }) => args !== undefined))
    expect(names).not.toContain(rule.names[0]);
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
});

test('older instruction sets of the machine have no calls', () => {
  expect(seccompProfile.archMap.flatMap(({ subArchitectures }) => subArchitectures)).toEqual([]);
  expect(freely).not.toContain('socketcall');
  expect(freely).not.toContain('ipc');
});

test('the option is what an engine takes, and small', () => {
  expect(JSON.parse(seccompOption.slice('seccomp='.length))).toEqual(seccompProfile);
  expect(seccompOption.length).toBeLessThan(16_384);
});

describe('sockets', () => {
  const upperHalf = 2n ** 32n;
  test.each([
    ['AF_UNIX', 1n, 0n, true],
    ['AF_UNIX, with something in the upper half', upperHalf + 1n, 0n, true],
    ['TCP', 2n, 6n, true],
    ['UDP over IPv6', 10n, 17n, true],
    ['SCTP', 2n, 132n, false],
    ['netlink for routes', 16n, 0n, true],
    ['netlink for crypto', 16n, 21n, false],
    ['netlink for netfilter', 16n, 12n, false],
    ['AF_ALG', 38n, 0n, false],
    ['AF_VSOCK', 40n, 0n, false],
    ['AF_VSOCK, with something in the upper half', upperHalf + 40n, 0n, false],
    ['AF_PACKET', 17n, 0n, false],
  ])('%s', (_, family, protocol, isAllowed) => {
    expect(allows('socket', [family, 1n, protocol])).toBe(isAllowed);
  });

  test('pairs are local ones', () => {
    expect(allows('socketpair', [1n])).toBe(true);
    expect(allows('socketpair', [30n])).toBe(false);
  });
});

test.each([17n, 0x1_0000n, 0x00_3d_0f_00n])('processes and threads are made (flags %d)', (flags) => {
  expect(allows('clone', [flags])).toBe(true);
});

test.each([0x2_0000n, 0x0200_0000n, 0x0400_0000n, 0x0800_0000n, 0x1000_0000n, 0x2000_0000n, 0x4000_0000n])(
  'namespaces are not (flag %d)',
  (flag) => {
    expect(allows('clone', [flag + 17n])).toBe(false);
  },
);

test('the calls that are known for escapes, or reach past the container, are closed', () => {
  const closed =
    'add_key bpf chroot clone3 delete_module fanotify_init finit_module fsconfig fsmount fsopen init_module io_setup ' +
    'io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl memfd_secret ' +
    'migrate_pages modify_ldt mount mount_setattr move_mount move_pages name_to_handle_at open_by_handle_at open_tree ' +
    'perf_event_open pivot_root process_madvise ptrace quotactl quotactl_fd reboot request_key setns swapon syslog ' +
    'umount2 unshare userfaultfd vmsplice';
  for (const name of closed.split(' ')) expect(allows(name, [])).toBe(false);
});
