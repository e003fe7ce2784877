import type { AccountId, TaskId } from '@capacloud/protocol/ids';
import type { NodeWhy } from '@capacloud/protocol/routes/node-why';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { poisonImage } from '../testing/poison.ts';
import { startCoordinator, type TestCoordinator, testNode } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
let owner = '';
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
  owner = await coordinator.addKey(`0x${'11'.repeat(20)}` as AccountId, 'consumer');
});
afterAll(() => coordinator.close());

let keys = 0;
async function submit(part: object): Promise<TaskId> {
  const headers = { 'idempotency-key': `node-why-${keys++}` };
  const json = { version: '1', image: `image:${keys}`, ...part };
  const response = await coordinator.call('POST', '/v1/jobs', { json, headers });
  expect(response.status).toBe(201);
  return `${((await response.json()) as JobView).id}.0` as TaskId;
}
async function why(key: string): Promise<NodeWhy> {
  const response = await coordinator.call('GET', `/v1/nodes/${testNode}/why`, { key });
  expect(response.status).toBe(200);
  return (await response.json()) as NodeWhy;
}

it('tells the owner what keeps waiting tasks from the node, and what would let them come', async () => {
  expect(await why(owner)).toMatchObject({ takes_work: true, queue: { tasks: 0, obstacles: [] } });
  // One processor costs 1,000 nano-CAPA an hour there.
  const at = (max_per_hour: string) => ({ price: { max_per_hour, currency: 'CAPA' } });
  await submit({ ...at('0.0000008'), replicas: 5 });
  await submit({ ...at('0.0000005'), replicas: 3 });
  await submit({ user: '0', replicas: 7 });
  await submit({ resources: { cpu: 12 } });
  await submit({ resources: { gpu: 1 } });
  const view = await why(owner);
  expect(view.queue).toMatchObject({
    tasks: 17,
    suitable: 0,
    obstacles: [
      { code: 'root', tasks: 7, alone: 7 },
      { code: 'cpu', tasks: 1, alone: 1 },
      { code: 'gpu_count', tasks: 1, alone: 1 },
      { code: 'price', tasks: 8, alone: 8 },
    ],
  });
  expect(view.queue?.changes.map(({ message }) => message)).toEqual([
    'lower the prices to 50 % of what they are: 8 tasks more',
    'allow containers that run as root: 7 tasks more',
    'lower the prices to 80 % of what they are: 5 tasks more',
    'offer at least 12 processors: 1 task more',
  ]);
  expect((await why(coordinator.operatorKey)).queue).toEqual(view.queue);
});

it('tells others what the log tells', async () => {
  for (const key of ['', coordinator.consumerKey]) {
    const view = await why(key);
    expect(view).toMatchObject({ takes_work: true, reliability: { failed: 0, tries: 1 } });
    expect(view).not.toHaveProperty('queue');
  }
});

it('tells of a pause and its reason', async () => {
  for (let i = 0; i < 3; i++) {
    const task = await submit({ retry: { provider_lost: 0 } });
    await expect.poll(() => coordinator.sequencer.state.tasks.get(task)?.state).toBe('assigned');
    await coordinator.finish(task, 1, { reason: 'engine_lost', exitCode: 0 });
  }
  const view = await why('');
  expect(view).toMatchObject({
    takes_work: false,
    closed_by: ['node_backing_off'],
    message: expect.stringContaining('3 attempts in a row') as string,
    reliability: { attempts: 3, failed: 3, failed_in_row: 3, tries: 11 / 8 },
  });
  expect(Date.parse(view.backing_off_until ?? '')).toBeGreaterThan(Date.now());
});

it('shows why the tasks of a stopped image ended', async () => {
  const other = await startCoordinator();
  const job = await poisonImage(other);
  await other.do({ type: 'tick', at: Date.now(), heard: new Map(), listeningSince: 0 });
  const answer = await other.call('GET', `/v1/tasks/${job}.0`);
  expect((await answer.json()) as TaskView).toMatchObject({
    state: 'cancelled',
    reason: 'image_poisoned',
    will_retry: false,
    hint: expect.stringContaining('another digest or tag') as string,
  });
  const attempts = await other.call('GET', `/v1/tasks/${job}.0/attempts`);
  expect(await attempts.json()).toMatchObject({ items: [{ state: 'ended', reason: 'image_poisoned' }] });
  await other.close();
});
