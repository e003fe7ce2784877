import { type AccountId, type Sha256Hex, taskIdOf } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { consumer, jobNamed, temporaryFolder } from '../testing/workload.ts';
import { openStore } from './store.ts';

it('keeps the checkpoint that the latest attempt of a task left, and refers to it while it does', async () => {
  using folder = temporaryFolder();
  const store = await openStore(folder.path);
  const { artifacts } = store;
  const one = 'a'.repeat(64) as Sha256Hex;
  const two = 'b'.repeat(64) as Sha256Hex;
  const other = 'acc_eve' as AccountId;
  const task = taskIdOf(jobNamed(1), 3);
  for (const sha256 of [one, two]) {
    await artifacts.put({ sha256, account: other }, 10, 1);
    await artifacts.removeRef({ sha256, account: other });
  }
  await artifacts.keepCheckpoint({ task, attempt: 2, sha256: one }, consumer);
  // Not while its bytes are not all there.
  expect(await artifacts.checkpointOf(task)).toBeUndefined();
  for (const sha256 of [one, two]) await artifacts.markComplete(sha256);
  expect(await artifacts.checkpointOf(task)).toEqual({ task, attempt: 2, sha256: one, sizeBytes: 10 });
  await artifacts.keepCheckpoint({ task, attempt: 1, sha256: two }, consumer);
  expect(await artifacts.checkpointOf(task)).toMatchObject({ attempt: 2, sha256: one });
  // The consumer's own reference to the same bytes is another one.
  await artifacts.addRef({ sha256: one, account: consumer, job: jobNamed(1) });
  await artifacts.keepCheckpoint({ task, attempt: 3, sha256: two }, consumer);
  expect(await artifacts.checkpointOf(task)).toMatchObject({ attempt: 3, sha256: two });
  expect(await artifacts.listRefs(one)).toHaveLength(1);
  expect(await artifacts.totalBytes(consumer)).toBe(20);
  expect(await artifacts.listCheckpoints(undefined, 9)).toEqual([task]);
  expect(await artifacts.listCheckpoints(task, 9)).toEqual([]);
  await artifacts.dropCheckpoint(task);
  expect([await artifacts.checkpointOf(task), await artifacts.totalBytes(consumer)]).toEqual([undefined, 10]);
  await artifacts.keepCheckpoint({ task, attempt: 4, sha256: two }, consumer);
  // Whoever looks for what is useless leaves it alone.
  await artifacts.removeUseless(two, Number.MAX_SAFE_INTEGER);
  expect(await artifacts.checkpointOf(task)).toMatchObject({ attempt: 4 });
  await store.close();
});
