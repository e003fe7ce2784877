import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { taskIdOf } from '@capacloud/protocol/ids';
import { type NetworkRig, openNetworkRig } from '@capacloud/rig/network/network-rig';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const hasEngine = process.env['CAPACLOUD_DOCKER_SOCKET'] !== undefined;
let rig: NetworkRig;

describe.skipIf(!hasEngine)('what a task leaves', () => {
  beforeAll(async () => {
    rig = await openNetworkRig();
    await rig.addAgent('agent');
  });
  afterAll(() => rig.close());

  it('of a success: links work, what cannot be kept is named, and what is optional may lack', async () => {
    const script =
      'mkdir -p /out/blobs /out/snapshots/abc /out/run1; echo data > /out/blobs/1234; echo ok > /out/run1/a.txt; ' +
      'ln /out/run1/a.txt /out/b.txt; ln -s ../../blobs/1234 /out/snapshots/abc/config.json; ln -s run1 /out/latest; ' +
      'mkfifo /out/pipe; echo main > /out/main.txt; printf x > "$(printf \'/out/caf\\351.txt\')"; ln -s /etc /out/etc';
    const outputs = [{ path: '/out' }, { path: '/crash/core.dump', optional: true }];
    const { id } = await rig.submit(script, { outputs });
    await rig.reached(id, 'succeeded');
    const got = await rig.capacloud('get', id, 'kept');
    expect(got, got.stderr).toMatchObject({ code: 0 });
    expect(got.stderr).toContain('task 0: 3 outputs could not be kept:');
    expect(got.stderr).toContain('/out/pipe is neither a file, a folder nor a link');
    expect(got.stderr).toContain('/out/etc is a link that leads out of the outputs');
    const out = join(rig.dir, 'kept/0/out');
    const read = (path: string) => readFile(join(out, path), 'utf8');
    expect([
      await read('snapshots/abc/config.json'),
      await read('latest/a.txt'),
      await read('b.txt'),
    ]).toEqual(['data\n', 'ok\n', 'ok\n']);
    expect((await lstat(join(out, 'latest'))).isSymbolicLink()).toBe(true);
    const status = await rig.capacloud('status', taskIdOf(id, 0));
    expect(status.stdout).toContain('/out/latest -> run1');
    expect(status.stdout).toContain('/out/caf?.txt has a name that is not plain UTF-8 text');
  });

  it.each([
    ['exits with 3', 'echo partial > /out/p.json; exit 3', '1m', 'exit_nonzero'],
    ['takes too long', 'echo partial > /out/p.json; sleep 600', '3s', 'run_timeout'],
    ['lacks an output', 'echo partial > /out/p.json', '1m', 'output_missing'],
  ])('of a run that %s: its outputs, as far as they go', async (_, script, timeout, reason) => {
    const outputs = [{ path: '/out' }, { path: '/other/result.json' }];
    const { id } = await rig.submit(script, { outputs, timeout });
    await rig.reached(id, 'failed');
    const [task] = await rig.tasks(id);
    expect(task).toMatchObject({ reason, outputs: [{ path: '/out/p.json' }], outputs_attempt: 1 });
    const got = await rig.capacloud('get', id, `left-${reason}`);
    expect(got, got.stderr).toMatchObject({ code: 0 });
    expect(got.stderr).toContain('it failed; these outputs are what its attempt 1 left');
    expect(await readFile(join(rig.dir, `left-${reason}/0/out/p.json`), 'utf8')).toBe('partial\n');
  });

  it('of 1,200 files and of none: all of them', async () => {
    const many = await rig.submit(
      'i=0; while [ $i -lt 1200 ]; do echo $i > /out/frame_$i.png; i=$((i+1)); done',
      {
        outputs: [{ path: '/out' }],
      },
    );
    const none = await rig.submit('mkdir -p /out/logs /out/ckpt', { outputs: [{ path: '/out' }] });
    for (const { id } of [many, none]) await rig.reached(id, 'succeeded');
    expect(await rig.capacloud('get', many.id, 'many')).toMatchObject({ code: 0 });
    expect(await readdir(join(rig.dir, 'many/0/out'))).toHaveLength(1200);
    expect(await readFile(join(rig.dir, 'many/0/out/frame_999.png'), 'utf8')).toBe('999\n');
    expect((await rig.capacloud('get', none.id)).stderr).toContain('has no outputs');
  });

  it('of 80 MiB of output the beginning and the end are kept, and the gap is named', async () => {
    const script =
      "echo FIRST-LINE; dd if=/dev/zero bs=1M count=80 2>/dev/null | tr '\\0' x | fold -w 199; echo LAST-LINE";
    const { id } = await rig.submit(script, { timeout: '5m' });
    await rig.reached(id, 'succeeded');
    const task = taskIdOf(id, 0);
    const [attempt] = await rig.attempts(task);
    const total = 11 + 80 * 2 ** 20 + Math.floor((80 * 2 ** 20 - 1) / 199) + 10;
    const gap = { from: 4 * 2 ** 20, to: total - 12 * 2 ** 20 };
    expect(attempt?.log).toEqual({ size_bytes: total, gap });
    const { receipt } = await rig.client.call('getReceipt', { params: { task, attempt: 1 } });
    expect(receipt.log).toEqual({ sizeBytes: total, truncated: true, gap });
    for (const flags of [[], ['-f']]) {
      const { code, stderr, stdout } = await rig.capacloud('logs', ...flags, task);
      expect([code, stdout.slice(0, 11), stdout.slice(-10)]).toEqual([0, 'FIRST-LINE\n', 'LAST-LINE\n']);
      const said = stderr.split('\n').filter((line) => line.startsWith('[capacloud: '));
      expect(said).toEqual([
        `[capacloud: ${(gap.to - gap.from).toLocaleString('en-US')} bytes of the output are missing here (offsets ${gap.from} to ${gap.to}); its beginning and its end are kept]`,
      ]);
      expect(stdout).toHaveLength(16 * 2 ** 20);
    }
  });
});
