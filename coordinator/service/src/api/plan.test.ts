import type { PlanView } from '@capacloud/protocol/routes/market-views';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testNode,
} from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

const image = 'busybox';
async function plan(part: object): Promise<PlanView> {
  const response = await coordinator.call('POST', '/v1/plans', { json: { version: '1', image, ...part } });
  expect(response.status).toBe(200);
  return (await response.json()) as PlanView;
}

it('prices a job at the offers, holds nothing, and says what the estimates rest on', async () => {
  // A processor costs 1,000 nano-CAPA an hour there, and a CAPA 0.10 USD.
  const view = await plan({
    replicas: 6,
    resources: { cpu: 2 },
    timeout: '30m',
    price: { max_per_hour: '0.001' },
  });
  expect(view).toMatchObject({
    tasks: 6,
    currency: 'USD',
    nodes: { total: 1, suitable: 1, free: 1 },
    tasks_now: 4,
    tasks_when_free: 4,
    offers: [
      {
        device_class: 'cpu',
        rate_nano: '2000',
        rate: '0.0000002',
        nodes: 1,
        providers: 1,
        tasks_now: 4,
        examples: [testNode],
      },
    ],
    more_offers: 0,
    cost: { basis: 'timeout', samples: 0, run_ms: 1_800_000, estimated_nano: '6000', maximum: '0.003016667' },
    account: { id: consumerAccount, available_nano: '1000000000000', can_afford: true },
    wait: { basis: 'running_ends', queued_before: 0, first_ms: 0 },
    obstacles: [],
    changes: [],
  });
  expect(view.wait.message).toContain('4 of 6 tasks could start now.');
  expect(coordinator.sequencer.state.jobs.size).toBe(0);
  expect(coordinator.sequencer.state.accounts.get(consumerAccount)?.availableNano).toBe(10n ** 12n);
});

it('tells whether the hold can be afforded, and what would help where nothing would do', async () => {
  const view = await plan({ resources: { cpu: 9 }, price: { max_per_hour: '90000000' } });
  expect(view).toMatchObject({
    account: { can_afford: false },
    offers: [],
    wait: { basis: 'nowhere' },
    obstacles: [{ code: 'cpu', nodes: 1, alone: 1, examples: [testNode] }],
    changes: [{ pointer: '/resources/cpu', to: '8000m', nodes: 1, free: 1 }],
  });
  expect(view.wait).not.toHaveProperty('first_ms');
});

it('learns from tasks of the account with the image, and counts the queue', async () => {
  const headers = { 'idempotency-key': 'plan' };
  const json = { version: '1', image, replicas: 3, resources: { cpu: 8 } };
  const response = await coordinator.call('POST', '/v1/jobs', { json, headers });
  const { id } = (await response.json()) as JobView;
  await expect
    .poll(async () => (await coordinator.store.reads.getTask(`${id}.0` as never))?.state)
    .toBe('assigned');
  expect((await plan({ resources: { cpu: 8 } })).wait).toMatchObject({
    basis: 'running_ends',
    queued_before: 2,
  });
  await coordinator.progress(`${id}.0` as never, 1, 'running');
  await coordinator.finish(`${id}.0` as never, 1);
  const { cost } = await plan({ resources: { cpu: 8 } });
  expect(cost).toMatchObject({ basis: 'earlier_tasks', samples: 1 });
  expect(cost.run_ms).toBeLessThanOrEqual(1000);
});
