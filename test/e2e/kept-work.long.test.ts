import { taskIdOf } from '@capacloud/protocol/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NetworkRig, openNetworkRig } from './network-rig.ts';

const hasEngine = process.env['CAPACLOUD_DOCKER_SOCKET'] !== undefined;
let rig: NetworkRig;

describe.skipIf(!hasEngine)('what a task leaves', () => {
  beforeAll(async () => {
    rig = await openNetworkRig();
    await rig.addAgent('agent');
  });
  afterAll(() => rig.close());

  it('of 80 MiB of output the beginning and the end are kept, and the gap is named', async () => {
    const script =
      "echo FIRST-LINE; dd if=/dev/zero bs=1M count=80 2>/dev/null | tr '\\0' x | fold -w 199; echo LAST-LINE";
    const { id } = await rig.submit(script, { timeout: '5m' });
    await rig.reached(id, 'succeeded');
    const task = taskIdOf(id, 0);
    const [attempt] = await rig.attempts(task);
    const total = attempt?.log?.size_bytes ?? 0;
    const gap = { from: 4 * 2 ** 20, to: total - 12 * 2 ** 20 };
    expect(total).toBeGreaterThan(20 * 2 ** 20);
    expect(attempt?.log?.gap).toEqual(gap);
    const { receipt } = await rig.client.call('getReceipt', { params: { task, attempt: 1 } });
    expect(receipt.log).toEqual({ sizeBytes: total, truncated: true, gap });
    for (const flags of [[], ['-f']]) {
      const { code, stdout } = await rig.capacloud('logs', ...flags, task);
      expect([code, stdout.slice(0, 11), stdout.slice(-11)]).toEqual([0, 'FIRST-LINE\n', '\nLAST-LINE\n']);
      const said = stdout.split('\n').filter((line) => line.startsWith('[capacloud: '));
      expect(said).toEqual([
        `[capacloud: ${(gap.to - gap.from).toLocaleString('en-US')} bytes of the output are missing here (offsets ${gap.from} to ${gap.to}); its beginning and its end are kept]`,
      ]);
      expect(stdout.length - (said[0]?.length ?? 0)).toBe(16 * 2 ** 20 + 2);
    }
  });
});
