import { OwnEngine } from '@capacloud/rig/engine/own-engine';
import { openRuntimeRig, type RuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import { afterEach, expect, it } from 'vitest';

let engine: OwnEngine;
let rig: RuntimeRig;
async function open(...flags: string[]): Promise<void> {
  engine = await OwnEngine.start(...flags);
  rig = await openRuntimeRig({ socketPath: engine.socketPath, unansweredStartMs: 1000 });
}
afterEach(async () => {
  await rig.close();
  await engine.close();
});

it('an engine that is killed and restarts is not told again to start what it may have started and forgot', async () => {
  await open('--live-restore');
  const assignment = rig.assign(script('echo twice'));
  expect(await rig.runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
  await engine.end('SIGKILL');
  await engine.start('--live-restore');
  expect(await rig.runtime.start(assignment, () => false, rig.signal)).toMatchObject({
    ok: false,
    refusal: { reason: 'engine_lost', message: expect.stringContaining('did not note it') },
  });
  expect(await rig.runtime.observe(rig.signal)).toMatchObject([{ container: 'created' }]);
  // It keeps the volume that it lost count of until it begins without its containers.
  await rig.runtime.remove(assignment, rig.signal).catch(() => {});
  await engine.end('SIGTERM');
  await engine.start('--live-restore');
});
