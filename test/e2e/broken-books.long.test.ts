import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createIdentity, plainOffer } from '@capacloud/rig/network/agent-keys';
import {
  client,
  closeBooks,
  dataDir,
  health,
  honest,
  joining,
  openBooks,
  prepared,
  start,
  submit,
  succeeded,
  verb,
} from '@capacloud/rig/network/faulty-rig';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(openBooks);
afterEach(closeBooks);

test('a decision that breaks an invariant is dropped, its node is isolated, and others go on', async () => {
  const life = await start();
  const operator = await prepared(life);
  const { node } = await joining(life, { ...plainOffer, region: 'breaks-place' });
  const job = await submit(operator);
  await vi.waitFor(async () => expect(await health(life)).toEqual({ status: 'ok', isolated: 1 }), 10_000);
  await honest(life);
  await succeeded(operator, job);
  const why = await operator.call('explainNode', { params: { node } });
  expect(why).toMatchObject({
    takes_work: false,
    closed_by: expect.arrayContaining(['node_isolated']) as string[],
  });
  expect(life.lines.some((line) => line.includes('a decision broke an invariant'))).toBe(true);
  expect(existsSync(join(dataDir(), 'fatal-ends.jsonl'))).toBe(false);
  await life.kill();

  // It is still kept away after a restart, until the operator says otherwise.
  expect(JSON.parse((await verb('isolated')).out)).toMatchObject({
    isolated: [{ subject: node, cause: 'place' }],
  });
  expect(JSON.parse((await verb('drain', node)).out)).toMatchObject({ drain: node });
  expect(await verb('reinstate', node)).toMatchObject({ status: 0 });
  expect(JSON.parse((await verb('isolated')).out)).toEqual({ isolated: [] });
}, 120_000);

test('a node whose own words break the books is heard once, and after three such ends nothing is placed for a while', async () => {
  const strangers = [createIdentity(), createIdentity(), createIdentity()];
  const offer = { ...plainOffer, region: 'breaks-offer' };
  let life = await start();
  await prepared(life);
  for (const stranger of strangers) {
    await joining(life, offer, stranger);
    expect(await life.ended).toBe(1);
    life = await start();
    // The same again.
    const { peer } = await joining(life, offer, stranger);
    expect(await peer.ended).toMatchObject({ refusal: 'node.isolated' });
  }
  expect(await health(life)).toEqual({ status: 'ok', mode: 'safe', isolated: 3 });
  const operator = await client(life);
  const agent = await honest(life);
  const job = await submit(operator);
  const [task] = (await operator.call('listTasks', { params: { job } } as never)).items;
  expect(task).toMatchObject({ state: 'queued', reason: 'safe_mode' });
  expect(agent.acked).toBe(0);
  expect(life.lines.some((line) => line.includes('safe mode'))).toBe(true);
  expect(await verb('cancel', job)).toMatchObject({
    status: 1,
    err: expect.stringContaining('log.in_use') as string,
  });
  await life.kill();
  expect(JSON.parse((await verb('cancel', job)).out)).toMatchObject({
    events: ['job.cancelled', 'job.settled'],
  });
  expect(await verb('cancel', job)).toMatchObject({
    status: 1,
    err: expect.stringContaining('request.not_found') as string,
  });
  // Long ago, they are no reason any more.
  const path = join(dataDir(), 'fatal-ends.jsonl');
  const old = (await readFile(path, 'utf8')).replaceAll(/"at":\d+/g, '"at":1');
  await writeFile(path, old);
  const again = await start();
  expect(await health(again)).toEqual({ status: 'ok', isolated: 3 });
  await honest(again);
  await succeeded(await client(again), await submit(await client(again)));
}, 180_000);
