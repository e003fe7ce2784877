import { randomBytes } from 'node:crypto';
import { statusText } from '@capacloud/agent/host/status-text';
import { taskIdOf } from '@capacloud/protocol/ids';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import type { LocalAgent } from '@capacloud/rig/network/local-network';
import {
  jobOf,
  type NetworkRig,
  openNetworkRig,
  statusOf,
  writeJobFile,
} from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const all = { resources: { cpu: 2, memory: '32Mi', disk: '8Mi', shm_size: '1Mi' } };
let rig: NetworkRig;
let agent: LocalAgent;

describe.skipIf(!hasEngine())('interruptible work', () => {
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

  it('goes on elsewhere with what it saved in its checkpoint folder', async () => {
    const script = `
      if [ -f /state/deep/er ]; then echo "goes on after $(cat '/state/a step') $(cat /state/deep/er)"
        echo again >> /state/deep/er && exit 0; exit 4; fi
      mkdir /state/deep; ln -s /etc/passwd /state/link
      trap 'echo 41 > "/state/a step"; echo sunk > /state/deep/er; exit 3' TERM
      while :; do sleep 0.1; done`;
    const checkpoint = { path: '/state', max_size: '4Mi' };
    const cheap = await rig.submit(script, {
      ...all,
      interruptible: true,
      checkpoint,
      stop_grace_period: '20s',
    });
    await rig.reached(cheap.id, 'running');
    const full = await rig.submit('while [ ! -e /tmp/go ]; do sleep 0.1; done', all);
    await rig.reached(full.id, 'running');
    const other = await rig.addAgent('other');
    const [task] = await rig.ended(cheap.id);
    expect(task).toMatchObject({ state: 'succeeded', attempts: 2 });
    await rig.tell(taskIdOf(full.id, 0), 1);
    await rig.ended(full.id);

    const id = taskIdOf(cheap.id, 0);
    expect(await rig.logText(id, 2)).toContain('goes on after 41 sunk');
    const attempts = [...(await rig.attempts(id))].sort((a, b) => a.attempt - b.attempt);
    expect(attempts.map(({ node, reason }) => [node, reason])).toEqual([
      [await rig.nodeOf(agent), 'preempted'],
      [await rig.nodeOf(other), 'completed'],
    ]);
    // It waited until it was saved.
    const events = await rig.events();
    const kinds = events.flatMap((event) => ('task' in event && event.task === id ? [event.type] : []));
    expect(kinds.indexOf('attempt.released')).toBeLessThan(kinds.lastIndexOf('attempt.assigned'));
    await other.process.stop();
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
