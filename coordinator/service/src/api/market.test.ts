import type { BookView, PriceBucketView, TradeView } from '@capacloud/protocol/routes/market-views';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator, testNode } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

/** Without a key. */
async function ask<T>(path: string): Promise<T> {
  const response = await coordinator.call('GET', `/v1/market/${path}`, { key: '' });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

it('shows anybody the book, the trades and the prices', async () => {
  const json = { version: '1', image: 'busybox', replicas: 3, resources: { cpu: 2 } };
  const headers = { 'idempotency-key': 'market' };
  const response = await coordinator.call('POST', '/v1/jobs', { json, headers });
  const { id } = (await response.json()) as JobView;
  const task = `${id}.0` as never;
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1);
  await coordinator.finish(`${id}.1` as never, 1, { reason: 'exit_nonzero', exitCode: 3 });

  const book = await ask<BookView>('book');
  expect(book).toMatchObject({
    more_classes: 0,
    classes: [{ device_class: 'cpu', unit: 'slot', total: 16, more_levels: 0 }],
  });
  expect(book.classes[0]?.levels).toMatchObject([
    { cpu_hour_nano: '1000', device_hour_nano: '0', nodes: 1, providers: 1, total: 16 },
  ]);
  expect((await ask<BookView>('book?class=h100')).classes).toEqual([]);

  const first = await ask<{ items: TradeView[]; next: string }>('trades?limit=1');
  expect(first.items).toMatchObject([
    { task: `${id}.1`, outcome: 'unpaid', reason: 'exit_nonzero', charged_nano: '0', device_class: 'cpu' },
  ]);
  const { items } = await ask<{ items: TradeView[] }>(`trades?cursor=${first.next}`);
  expect(items).toMatchObject([
    { task, node: testNode, outcome: 'paid', rate_nano: '2000', unit_rate_nano: '1000', paid_nano: '0' },
  ]);
  const prices = await ask<{ items: PriceBucketView[] }>('prices?bucket=day&class=cpu');
  expect(prices.items).toMatchObject([
    { device_class: 'cpu', bucket: 'day', min_nano: '1000', max_nano: '1000', trades: 1 },
  ]);
  expect((await ask<{ items: PriceBucketView[] }>('prices')).items).toHaveLength(1);
});

it.each(['trades?cursor=7', 'prices?cursor=1.x', 'prices?bucket=week', 'book?model=x'])(
  'refuses %s',
  async (path) => {
    const response = await coordinator.call('GET', `/v1/market/${path}`, { key: '' });
    expect(await response.json()).toMatchObject({ status: 422, code: 'request.invalid' });
  },
);
