import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobId, type Sha256Hex, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JobSpecs } from '../job-specs.ts';
import { consumerAccount, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';
import { OutputClaims } from './output-claims.ts';

let coordinator: TestCoordinator;
beforeEach(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterEach(() => coordinator.close());

const sha256 = 'c'.repeat(64) as Sha256Hex;

async function succeed(outputs: boolean): Promise<void> {
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', ...(outputs ? { outputs: [{ path: '/out' }] } : {}) },
    headers: { 'idempotency-key': `claims-${outputs}` },
  });
  const task = taskIdOf(((await response.json()) as JobView).id as JobId, 0);
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1, outputs ? { outputs: [{ path: '/out/x', sha256, sizeBytes: 1 }] } : {});
}

function claimsAt(path: string): OutputClaims {
  const { store } = coordinator;
  return new OutputClaims({
    path,
    log: store.log,
    store: store.reads,
    index: store.artifacts,
    specs: new JobSpecs(store.reads),
    onFailure: (error) => {
      throw error;
    },
  });
}

it('claims from the log what an earlier run did not come to, and goes on from its cursor', async () => {
  const { artifacts } = coordinator.store;
  // The row that an upload would have made, and no claim: the process ended between the two.
  const provider = { sha256, account: `0x${'11'.repeat(20)}` as never };
  await artifacts.put(provider, 1, Date.now());
  await artifacts.markComplete(sha256);
  await succeed(true);
  await succeed(false);
  for (const ref of await artifacts.listRefs(sha256, consumerAccount)) await artifacts.removeRef(ref);
  const path = join(coordinator.dataDir, 'cursor-of-test');
  const first = claimsAt(path);
  await first.start();
  expect(await artifacts.listRefs(sha256, consumerAccount)).toHaveLength(1);
  await first.stop();
  const size = coordinator.store.log.size();
  expect(await readFile(path, 'utf8')).toBe(`${size}\n`);
  for (const ref of await artifacts.listRefs(sha256, consumerAccount)) await artifacts.removeRef(ref);
  const second = claimsAt(path);
  await second.start();
  expect(await artifacts.listRefs(sha256, consumerAccount)).toHaveLength(0);
});
