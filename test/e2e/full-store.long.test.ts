import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { statusText } from '@capacloud/agent/host/status-text';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import { type JobId, taskIdOf } from '@capacloud/protocol/ids';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { type NetworkRig, openNetworkRig, statusOf } from '@capacloud/rig/network/network-rig';
import { eventsOf } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const outputs = [{ path: '/out/' }];
const writes = (kib: number) => `dd if=/dev/urandom of=/out/data bs=1024 count=${kib} 2>/dev/null`;
let rig: NetworkRig;

async function reasonIs(job: JobId, reason: string): Promise<void> {
  await waitUntil(
    `the task of ${job} to be told ${reason}`,
    async () => (await rig.tasks(job))[0]?.reason === reason,
    { timeoutMs: 60_000 },
  );
}

/** Of a network whose account may store 64 KiB, of 128 KiB in all. */
describe.skipIf(!hasEngine())('an artifact store without room', () => {
  beforeEach(async () => {
    const artifacts = { max_size: '60Ki', account_quota: '64Ki', total: '128Ki' };
    rig = await openNetworkRig({ artifacts });
  });
  afterEach(() => rig.close());

  it('keeps what a task has computed, blames nobody, and takes it once its consumer has deleted something', async () => {
    const agent = await rig.addAgent('agent');
    const first = await rig.submit(writes(40), { outputs });
    await rig.ended(first.id);
    const second = await rig.submit(writes(41), { outputs });
    await reasonIs(second.id, 'quota_full');
    expect(await rig.tasks(second.id)).toMatchObject([{ state: 'uploading' }]);
    // Its container is gone, and the node goes on with the work of nobody else.
    expect(await rig.containers()).toEqual([]);
    expect(statusText(await statusOf(agent))).toContain('has no room for its outputs');
    const third = await rig.submit('true');
    await reasonIs(third.id, 'quota_full');
    expect((await rig.capacloud('why', third.id)).stdout).toContain('capacloud rm');
    const storage = await rig.capacloud('storage');
    expect(storage.stdout + storage.stderr).toMatch(/of 64 KiB are in use: artifacts 40 KiB,/);
    // Both sides come back to what they had.
    await rig.coordinator.process.stop();
    await agent.process.stop();
    await rig.coordinator.start();
    agent.start();
    const removed = await rig.capacloud('rm', first.id);
    expect([removed.code, removed.stderr]).toEqual([0, expect.stringContaining('1 artifact deleted')]);
    for (const job of [second, third])
      expect(await rig.ended(job.id)).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
    const events = await rig.events();
    expect(eventsOf(events, 'upload.held').map(({ task }) => task)).toContain(taskIdOf(second.id, 0));
    expect(eventsOf(events, 'attempt.ended').map(({ reason }) => reason)).toEqual([
      'completed',
      'completed',
      'completed',
    ]);
  });

  it('lets outputs wait for the operator, too, and has room after a restart with a higher limit', async () => {
    await rig.addAgent('agent');
    const { client } = await rig.coordinator.openAccount('acc_other' as never, 10n ** 15n);
    for (const name of ['one', 'two']) {
      const path = join(rig.dir, name);
      await writeFile(path, name.repeat(10 * 1024));
      await uploadArtifact(client, path);
    }
    const first = await rig.submit(writes(50), { outputs });
    await rig.ended(first.id);
    await rig.capacloud('rm', first.id);
    const second = await rig.submit(writes(51), { outputs });
    await reasonIs(second.id, 'store_full');
    expect(await (await fetch(`${rig.coordinator.url}/healthz`)).json()).toMatchObject({
      artifact_store: 'full',
    });
    await rig.coordinator.process.stop();
    const file = join(rig.dir, 'coordinator.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('128Ki', '256Ki'));
    await rig.coordinator.start();
    expect(await rig.ended(second.id)).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
  });
});
