import { randomBytes } from 'node:crypto';
import { statusText } from '@capacloud/agent/host/status-text';
import { taskIdOf } from '@capacloud/protocol/ids';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalAgent } from '../../scripts/network/local-network.ts';
import { jobOf, type NetworkRig, openNetworkRig, statusOf, writeJobFile } from './network-rig.ts';
import { eventsOf } from './public-log.ts';

const hasEngine = process.env['CAPACLOUD_DOCKER_SOCKET'] !== undefined;
const all = { resources: { cpu: 2, memory: '32Mi', disk: '8Mi', shm_size: '1Mi' } };
let rig: NetworkRig;
let agent: LocalAgent;

describe.skipIf(!hasEngine)('interruptible work', () => {
  beforeAll(async () => {
    rig = await openNetworkRig({ rules: { preempt_after_ms: 1000 } });
    agent = await rig.addAgent('agent', { ask: { interruptible_discount: '50%' } });
  });
  afterAll(() => rig.close());

  it('costs half where that is offered, makes way for who pays in full, with time to end, and goes on after that', async () => {
    const last = `last words ${randomBytes(8).toString('hex')}`;
    const script = `trap 'echo ${last}; exit 3' TERM; while [ ! -e /tmp/go ]; do sleep 0.1; done`;
    const cheap = await rig.submit(script, { ...all, interruptible: true, stop_grace_period: '20s' });
    await rig.reached(cheap.id, 'running');
    const file = await writeJobFile(rig, 'full.yaml', jobOf(rig.image, 'sleep 1', all));
    expect(await rig.capacloud('run', file)).toMatchObject({ code: 0 });
    await rig.reached(cheap.id, 'running');
    const task = taskIdOf(cheap.id, 0);
    await rig.tell(task, 2);
    expect(await rig.ended(cheap.id)).toMatchObject([{ state: 'succeeded', attempts: 2 }]);

    const [first, second] = [...(await rig.attempts(task))].sort((a, b) => a.attempt - b.attempt);
    expect(first).toMatchObject({ state: 'ended', reason: 'preempted', charged_nano: '0' });
    expect(await rig.logText(task, 1)).toContain(last);
    const assigned = eventsOf(await rig.events(), 'attempt.assigned');
    const [half, full, again] = assigned.map(({ interruptible, rateNano }) => [
      interruptible,
      Number(rateNano),
    ]);
    expect([half?.[0], full?.[0], again]).toEqual([true, undefined, half]);
    expect(half?.[1]).toBe(Math.ceil(Number(full?.[1]) / 2));
    expect(BigInt(second?.charged_nano ?? 0)).toBeGreaterThan(0n);
  });

  it('is told from other work by plans, by the book and by the agent', async () => {
    const file = await writeJobFile(
      rig,
      'plan.yaml',
      jobOf(rig.image, 'true', { ...all, interruptible: true }),
    );
    expect((await rig.capacloud('plan', file)).stdout).toContain('cpu, interruptible');
    const market = await rig.capacloud('market');
    expect(market.stdout).toContain('INTERRUPTIBLE');
    expect(market.stdout).toContain('−50 %');
    expect(statusText(await statusOf(agent))).toContain('50 % less of interruptible tasks');
  });
});
