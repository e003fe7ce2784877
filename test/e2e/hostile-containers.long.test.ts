import { taskIdOf } from '@capacloud/protocol/ids';
import { OwnEngine } from '@capacloud/rig/engine/own-engine';
import { canRunEngine } from '@capacloud/rig/engine/real-parts';
import { HeartbeatWatch } from '@capacloud/rig/network/heartbeat-watch';
import { type NetworkRig, openNetworkRig } from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const leaseMs = 60_000;

describe.skipIf(!canRunEngine())('a container whose engine is stopped', () => {
  let engine: OwnEngine;
  let rig: NetworkRig;
  let watch: HeartbeatWatch;
  beforeAll(async () => {
    engine = await OwnEngine.start();
    rig = await openNetworkRig({ rules: { lease_ms: leaseMs }, socketPath: engine.socketPath });
    watch = new HeartbeatWatch(await rig.addAgent('agent'), leaseMs);
  });
  afterAll(async () => {
    await watch.stop();
    const events = await rig.events();
    await rig.close();
    await engine.close();
    // Whatever becomes of its engine, the coordinator hears the node in time.
    const states = eventsOf(events, 'node.status_changed').map(({ to }) => to);
    expect(states.filter((to) => to === 'unknown' || to === 'lost')).toEqual([]);
  });

  it('and which obeys TERM with exit 0 has not succeeded: it is tried again', async () => {
    const obedient = 'trap "exit 0" TERM; echo ready; while true; do sleep 0.1; done';
    const final = await rig.submit(obedient, { retry: { provider_lost: 0 } });
    const patient = await rig.submit(
      `if [ $CAPACLOUD_ATTEMPT -gt 1 ]; then echo again; exit 0; fi; ${obedient}`,
      { retry: { provider_lost: 1, backoff: { initial: '1s', max: '1s' } } },
    );
    await rig.reached(final.id, 'running');
    await rig.reached(patient.id, 'running');
    await engine.end('SIGTERM');
    await waitUntil('the node to take no new work', async () => !(await rig.nodes())[0]?.accepting, {
      timeoutMs: 60_000,
    });
    await engine.start();
    const [lost] = await rig.ended(final.id);
    expect(lost).toMatchObject({ state: 'failed', reason: 'engine_lost', charged_nano: '0' });
    expect(lost?.hint).toContain('provider_lost');
    const [again] = await rig.ended(patient.id);
    expect(again).toMatchObject({ state: 'succeeded', reason: 'completed', attempts: 2 });
    const attempts = await rig.attempts(taskIdOf(patient.id, 0));
    expect(attempts.map(({ reason }) => reason)).toEqual(['engine_lost', 'completed']);
  });
});
