import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Ask, standardAsk } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { PlanView } from '@capacloud/protocol/routes/market-views';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createQuestions } from '../questions/questions.ts';
import { startCoordinator, type TestCoordinator, testOffer } from '../testing/test-coordinator.ts';
import { PriceCeilings } from './price-ceilings.ts';

const poor = 'acc_poor' as AccountId;
const oneCapa = 10n ** 9n;
let coordinator: TestCoordinator;
let key = '';

beforeAll(async () => {
  coordinator = await startCoordinator({ config: { defaultMaxRateNano: 100n * oneCapa } });
  const at = Date.now();
  await coordinator.do({ type: 'account.open', at, account: poor });
  await coordinator.do({ type: 'account.credit', at, account: poor, amountNano: oneCapa, ref: 'one' });
  key = await coordinator.addKey(poor, 'consumer');
});
afterAll(() => coordinator.close());

const roomy = { cpuMilli: 32_000, memoryBytes: 2 ** 36, diskBytes: 2 ** 38, slots: 32 };
const connect = (ask: Partial<Ask>) =>
  coordinator.connectNode({ ...roomy, ask: { ...testOffer.ask, ...ask } });

async function submit(job: object): Promise<JobView> {
  const headers = { 'idempotency-key': randomUUID() };
  const json = { version: '1', ...job };
  const response = await coordinator.call('POST', '/v1/jobs', { key, headers, json });
  expect(await response.clone().text()).toContain('held_nano');
  return (await response.json()) as JobView;
}

it('lets an account with 1 CAPA submit a small job before there is any node', async () => {
  const view = await submit({ image: 'busybox', replicas: 10 });
  expect(BigInt(view.max_rate_nano)).toBe(2n * (10_000_000n + 2_000_000n + 100_000n));
  await coordinator.call('POST', `/v1/jobs/${view.id}/cancel`, { key });
});

it('lets an account with 1 CAPA run the example of the README', async () => {
  await connect(standardAsk);
  const scene = 'camera {}';
  const sha256 = sha256Hex(scene);
  const readme = await readFile(new URL('../../../../README.md', import.meta.url), 'utf8');
  const example = /```yaml\n(version: [^`]*)```/.exec(readme)?.[1] ?? '';
  const job = parse(example.replace('./scene.pov', `artifact:${sha256}`)) as Record<string, unknown>;
  await coordinator.call('POST', '/v1/artifacts', { key, json: { sha256, size_bytes: scene.length } });
  await coordinator.call('PATCH', `/v1/artifacts/${sha256}`, {
    key,
    body: scene,
    headers: { 'content-type': 'application/octet-stream', 'upload-offset': '0' },
  });
  const { id, held_nano } = await submit(job);
  expect(BigInt(held_nano)).toBeLessThan(oneCapa / 10n);
  await coordinator.do({ type: 'place', at: Date.now() });
  const live = coordinator.sequencer.state.jobs.get(id);
  expect(live?.tasks.map(({ state }) => state)).toEqual(Array.from({ length: 24 }, () => 'assigned'));
  await coordinator.call('POST', `/v1/jobs/${id}/cancel`, { key });
});

it('holds what was said at submission, whatever is asked later, and the plan says the same', async () => {
  await connect({ cpuHourNano: '3000' });
  const file = { image: 'busybox', resources: { cpu: 2 }, timeout: '59m50s' };
  const planned = await coordinator.call('POST', '/v1/plans', { key, json: { version: '1', ...file } });
  const { cost } = (await planned.json()) as PlanView;
  const view = await submit(file);
  expect(view).toMatchObject({ max_rate_nano: '12000', held_nano: '12000' });
  expect(cost.maximum_nano).toBe('12000');
  await connect({ cpuHourNano: '90000' });
  expect(coordinator.sequencer.state.jobs.get(view.id)?.terms).toMatchObject({
    holdNano: 12_000n,
    maxRateNano: 12_000n,
  });
});

it('never goes above the ceiling of the operator, and follows the offers within seconds', async () => {
  let now = 1_000_000;
  const { sequencer } = coordinator;
  const questions = createQuestions(sequencer, () => now);
  const ceilings = new PriceCeilings(questions, { defaultMaxRateNano: 500_000n });
  const { terms } = [...sequencer.state.jobs.values()].at(-1) ?? expect.fail('no job is live');
  await connect({ cpuHourNano: '100000' });
  expect(await ceilings.ceilingOf(terms)).toBe(400_000n);
  await connect({ cpuHourNano: '200000' });
  expect(await ceilings.ceilingOf(terms)).toBe(400_000n);
  now += 2000;
  expect(await ceilings.ceilingOf(terms)).toBe(500_000n);
});
