import type { JobView, WhyView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator, testNode } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

let keys = 0;
async function submit(part: object): Promise<string> {
  const json = { version: '1', image: 'busybox', ...part };
  const headers = { 'idempotency-key': `why-${keys++}` };
  const response = await coordinator.call('POST', '/v1/jobs', { json, headers });
  expect(response.status).toBe(201);
  return `${((await response.json()) as JobView).id}.0`;
}
async function why(task: string): Promise<WhyView> {
  const response = await coordinator.call('GET', `/v1/tasks/${task}/why`);
  expect(response.status).toBe(200);
  return (await response.json()) as WhyView;
}

// 0.5 processors for an hour are 500 nano-CAPA there, and a CAPA is 0.10 USD.
const cheap = { resources: { cpu: 0.5 } };

it.each([
  [
    'the price, in its own currency',
    { ...cheap, price: { max_per_hour: '0.000000001' } },
    'price',
    { ...cheap, price: { max_per_hour: '0.00000005' } },
  ],
  [
    'the price in CAPA',
    { ...cheap, price: { max_per_hour: '0.000000001', currency: 'CAPA' } },
    'price',
    { ...cheap, price: { max_per_hour: '0.0000005', currency: 'CAPA' } },
  ],
  ['processors', { resources: { cpu: 9 } }, 'cpu', { resources: { cpu: '8000m' } }],
  ['memory', { resources: { memory: '17Gi' } }, 'memory', { resources: { memory: '16384Mi' } }],
])('names %s, the count and the change, and the change places it', async (_, file, code, mended) => {
  const task = await submit(file);
  const view = await why(task);
  expect(view).toMatchObject({
    task,
    state: 'queued',
    nodes: { total: 1, suitable: 0, free: 0 },
    obstacles: [{ code, nodes: 1, alone: 1, examples: [testNode] }],
    changes: [{ nodes: 1, free: 1 }],
  });
  const [change] = view.changes;
  const path = change?.pointer.slice(1).split('/') ?? [];
  const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], mended);
  expect(change?.to).toBe(value);
  const placed = await submit(mended);
  await expect
    .poll(async () => (await coordinator.store.reads.getTask(placed as never))?.state)
    .toBe('assigned');
  await coordinator.finish(placed as never, 1);
});

it('names regions and constraints by their place in the file', async () => {
  const constraints = [
    { key: 'arch', operator: 'exists' },
    { key: 'tier', operator: 'in', values: ['gold'] },
  ];
  expect((await why(await submit({ placement: { constraints } }))).changes).toEqual([
    {
      pointer: '/placement/constraints/1',
      nodes: 1,
      free: 1,
      message: 'drop placement.constraints.1 (tier): 1 node',
    },
  ]);
  expect(await why(await submit({ placement: { regions: ['mars'] } }))).toMatchObject({
    obstacles: [{ code: 'region', message: '1 of 1 nodes are in other regions.' }],
    changes: [{ pointer: '/placement/regions', message: 'drop placement.regions: 1 node' }],
  });
});

it('says which processors the image is made for, also to a plan for it', async () => {
  const image = 'arm-only';
  const task = await submit({ image, retry: { backoff: { initial: '1s', max: '1s' } } });
  await expect.poll(async () => (await why(task)).state).toBe('assigned');
  await coordinator.finish(task as never, 1, { reason: 'image_wrong_platform', imageRunsOn: ['arm64'] });
  const expected = {
    nodes: { total: 1, suitable: 0, free: 0 },
    obstacles: [
      {
        code: 'platform',
        message: '1 of 1 nodes have processors that the image is not made for, as their owners say.',
      },
    ],
    changes: [],
  };
  const reasonOf = async () => {
    await coordinator.do({ type: 'place', at: Date.now() });
    return (await why(task)).reason;
  };
  await expect.poll(reasonOf).toBe('image_wrong_platform');
  expect(await why(task)).toMatchObject({
    ...expected,
    message: 'The image runs on arm64 only; 1 node is amd64.',
  });
  const plan = async (json: object) => {
    const response = await coordinator.call('POST', '/v1/plans', { json: { version: '1', ...json } });
    return await response.json();
  };
  expect(await plan({ image })).toMatchObject({ ...expected, offers: [] });
  expect(await plan({ image: 'another' })).toMatchObject({ obstacles: [] });
});

it('has nothing against a task that runs, and shows nobody the tasks of others', async () => {
  const task = await submit({});
  await expect.poll(async () => (await why(task)).state).toBe('assigned');
  expect(await why(task)).toMatchObject({ obstacles: [], changes: [] });
  const other = await coordinator.addKey('acc_other' as never, 'consumer');
  expect((await coordinator.call('GET', `/v1/tasks/${task}/why`, { key: other })).status).toBe(404);
});
