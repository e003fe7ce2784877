import { type Sha256Hex, taskIdOf } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { consumer, jobNamed, temporaryFolder } from '../testing/workload.ts';
import { openStore } from './store.ts';

it('keeps what the latest attempt left, once, and lets go of nothing else with it', async () => {
  using folder = temporaryFolder();
  const store = await openStore(folder.path);
  const { artifacts } = store;
  const [one, two, three] = ['a', 'b', 'c'].map((digit) => digit.repeat(64) as Sha256Hex) as [
    Sha256Hex,
    Sha256Hex,
    Sha256Hex,
  ];
  const task = taskIdOf(jobNamed(1), 3);
  const other = taskIdOf(jobNamed(1), 4);
  for (const sha256 of [one, two, three]) {
    await artifacts.put({ sha256, account: consumer }, 10, 1);
    await artifacts.removeRef({ sha256, account: consumer });
  }
  const bytes = () => artifacts.totalBytes(consumer);
  expect(await artifacts.leftBy(task)).toBeUndefined();
  await artifacts.keepLeft({ task, attempt: 2, sha256s: [one, two] }, consumer);
  expect([await artifacts.leftBy(task), await bytes()]).toEqual([2, 20]);
  // Twice, and of an earlier attempt: as after a restart.
  await artifacts.keepLeft({ task, attempt: 2, sha256s: [one, two] }, consumer);
  await artifacts.keepLeft({ task, attempt: 1, sha256s: [three] }, consumer);
  expect([await artifacts.leftBy(task), await bytes()]).toEqual([2, 20]);
  await artifacts.keepLeft({ task: other, attempt: 1, sha256s: [one] }, consumer);
  await artifacts.keepLeft({ task, attempt: 3, sha256s: [two, three] }, consumer);
  expect([await artifacts.leftBy(task), await bytes()]).toEqual([3, 30]);
  // A success refers to some of it, and another task to the rest.
  await artifacts.addRef({ sha256: two, account: consumer, job: jobNamed(1) });
  await artifacts.dropLeft(task);
  expect([await artifacts.leftBy(task), await artifacts.leftBy(other), await bytes()]).toEqual([
    undefined,
    1,
    20,
  ]);
  expect((await artifacts.listStale(10, 9)).map(({ sha256 }) => sha256)).toContain(three);
  await artifacts.removeUseless(one, Number.MAX_SAFE_INTEGER);
  expect([await artifacts.leftBy(other), await bytes()]).toEqual([undefined, 10]);
  await store.close();
});
