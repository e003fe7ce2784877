import { connect } from 'node:net';
import type { ApiKeyView } from '@capacloud/protocol/routes/views';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  consumerAccount,
  operatorAccount,
  startCoordinator,
  type TestCoordinator,
} from '../testing/test-coordinator.ts';
import { keyLimits } from './key-handlers.ts';

let coordinator: TestCoordinator;
beforeEach(async () => {
  coordinator = await startCoordinator();
});
afterEach(() => coordinator.close());

const dayMs = 24 * 3600_000;

async function make(key: string, json: object = {}): Promise<Required<ApiKeyView>> {
  const answer = await coordinator.call('POST', '/v1/keys', { key, json: { name: 'k', ...json } });
  expect(answer.status).toBe(201);
  return (await answer.json()) as Required<ApiKeyView>;
}
async function ask<T>(method: string, path: string, key: string): Promise<{ status: number; body: T }> {
  const answer = await coordinator.call(method, path, { key });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as T };
}
const statusOf = async (key: string) => (await ask('GET', '/v1/account', key)).status;

it('gives a key no longer life than the key that made it', async () => {
  const end = Date.now() + dayMs;
  for (const [account, scopes] of [
    [consumerAccount, 'consumer'],
    [operatorAccount, 'operator consumer'],
  ] as const) {
    const parent = await coordinator.addKey(account, scopes, end);
    for (const asked of [{}, { expires_in_s: 10 * 365 * 24 * 3600 }])
      expect(Date.parse((await make(parent, asked)).expires_at)).toBe(end);
    expect(Date.parse((await make(parent, { expires_in_s: 60 })).expires_at)).toBeLessThan(end);
    const grandchild = await make((await make(parent)).secret);
    expect(Date.parse(grandchild.expires_at)).toBe(end);
  }
  expect((await make(coordinator.consumerKey)).expires_at).toBeUndefined();
});

it('bounds the keys of an account, also when they are asked for at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: keyLimits.keys + 20 }, () =>
      coordinator.call('POST', '/v1/keys', { json: { name: 'k' } }),
    ),
  );
  const made = answers.filter(({ status }) => status === 201).length;
  // The account came with one.
  expect(made).toBe(keyLimits.keys - 1);
  expect((await make(coordinator.operatorKey)).account).toBe(operatorAccount);
});

it('lists keys page by page, finds one by its id, and shows them to nobody else', async () => {
  const made = [];
  for (let n = 0; n < 5; n++) made.push((await make(coordinator.consumerKey)).id);
  const seen: string[] = [];
  let path = '/v1/keys?limit=2';
  for (;;) {
    const { body } = await ask<{ items: ApiKeyView[]; next?: string }>('GET', path, coordinator.consumerKey);
    seen.push(...body.items.map(({ id }) => id));
    if (body.next === undefined) break;
    path = `/v1/keys?limit=2&cursor=${body.next}`;
  }
  expect(seen).toHaveLength(6);
  expect(seen).toEqual(expect.arrayContaining(made));
  const { body: one } = await ask<ApiKeyView>('GET', `/v1/keys/${made[0]}`, coordinator.consumerKey);
  expect(one).toMatchObject({ id: made[0] });
  expect(one.secret).toBeUndefined();
  const operatorsKey = (await make(coordinator.operatorKey)).id;
  expect((await ask('GET', `/v1/keys/${operatorsKey}`, coordinator.consumerKey)).status).toBe(404);
  expect((await ask('DELETE', `/v1/keys/${operatorsKey}`, coordinator.consumerKey)).status).toBe(404);
  const foreign = await ask('GET', `/v1/keys?cursor=${operatorsKey}`, coordinator.consumerKey);
  expect(foreign.status).toBe(422);
});

it('revokes all keys of an account but the one that asks, and that one on demand', async () => {
  const others = [await make(coordinator.consumerKey), await make(coordinator.consumerKey)];
  expect(await ask('DELETE', '/v1/keys', coordinator.consumerKey)).toMatchObject({ body: { revoked: 2 } });
  for (const { secret } of others) expect(await statusOf(secret)).toBe(401);
  expect(await statusOf(coordinator.consumerKey)).toBe(200);
  const path = `/v1/keys?account=${consumerAccount}`;
  expect(await ask('DELETE', path, coordinator.operatorKey)).toMatchObject({ body: { revoked: 1 } });
  expect(await statusOf(coordinator.consumerKey)).toBe(401);
  expect(await ask('DELETE', '/v1/keys?this_too=true', coordinator.operatorKey)).toMatchObject({
    body: { revoked: 1 },
  });
  expect(await statusOf(coordinator.operatorKey)).toBe(401);
});

it('lets no key live on that is made while its maker is revoked', async () => {
  const maker = await make(coordinator.consumerKey);
  const making = Array.from({ length: 10 }, () =>
    coordinator.call('POST', '/v1/keys', { key: maker.secret, json: { name: 'child' } }),
  );
  await ask('DELETE', '/v1/keys', coordinator.consumerKey);
  for (const answer of await Promise.all(making)) {
    const { secret } = (await answer.json()) as { secret?: string };
    if (secret !== undefined) expect(await statusOf(secret)).toBe(401);
  }
});

it('revokes what was on its way to the disk when it looked', async () => {
  const maker = await make(coordinator.consumerKey);
  const record = coordinator.sequencer.record.bind(coordinator.sequencer);
  const kindOf = ([first]: Parameters<typeof record>[0]) => first?.kind;
  const looked = Promise.withResolvers<undefined>();
  const asked = Promise.withResolvers<undefined>();
  const answered = Promise.withResolvers<undefined>();
  vi.spyOn(coordinator.sequencer, 'record').mockImplementation(async (rows) => {
    if (kindOf(rows) === 'api_key') {
      asked.resolve(undefined);
      await looked.promise;
    } else if (kindOf(rows) === 'api_key_revoked') {
      looked.resolve(undefined);
      await answered.promise;
    }
    await record(rows);
  });
  const child = make(maker.secret).finally(() => answered.resolve(undefined));
  await asked.promise;
  expect(await ask('DELETE', '/v1/keys', coordinator.consumerKey)).toMatchObject({ body: { revoked: 2 } });
  expect(await statusOf((await child).secret)).toBe(401);
});

it('takes nothing of a body whose key was revoked while it came', async () => {
  const maker = await make(coordinator.consumerKey);
  const body = JSON.stringify({ version: '1', image: 'busybox' });
  const { hostname, port } = new URL(coordinator.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8');
  let answer = '';
  socket.on('data', (text: string) => (answer += text));
  socket.write(
    `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${maker.secret}\r\nidempotency-key: slow\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  // Its head has been read by the time that others get an answer.
  expect(await statusOf(maker.secret)).toBe(200);
  await ask('DELETE', `/v1/keys/${maker.id}`, coordinator.consumerKey);
  socket.write(body);
  await expect.poll(() => answer).toMatch(/^HTTP\/1.1 401 /);
  socket.destroy();
  expect(await ask('GET', '/v1/jobs', coordinator.consumerKey)).toMatchObject({ body: { items: [] } });
});

it('answers no call that waits once its key is revoked', async () => {
  const waiter = await make(coordinator.consumerKey);
  const waiting = coordinator.call('POST', '/v1/jobs?wait=60', {
    key: waiter.secret,
    json: { version: '1', image: 'busybox' },
    headers: { 'idempotency-key': 'wait' },
  });
  waiting.catch(() => undefined);
  const jobs = async () =>
    (await ask<{ items: unknown[] }>('GET', '/v1/jobs', coordinator.consumerKey)).body.items.length;
  await expect.poll(jobs).toBe(1);
  await ask('DELETE', `/v1/keys/${waiter.id}`, coordinator.consumerKey);
  await expect(waiting).rejects.toThrow();
});

it('ends the streams of a key that is revoked, and of no other', async () => {
  const submitted = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox' },
    headers: { 'idempotency-key': 'stream' },
  });
  const { id } = (await submitted.json()) as { id: string };
  const open = async (key: string) => {
    const answer = await coordinator.call('GET', `/v1/jobs/${id}/events`, { key });
    expect(answer.status).toBe(200);
    let ended = false;
    const done = (async () => {
      for await (const _ of answer.body as ReadableStream<Uint8Array>);
    })().then(
      () => (ended = true),
      () => (ended = true),
    );
    return { done, ended: () => ended };
  };
  const revoked = await make(coordinator.consumerKey);
  const kept = await open(coordinator.consumerKey);
  const cut = await open(revoked.secret);
  await ask('DELETE', `/v1/keys/${revoked.id}`, coordinator.consumerKey);
  await cut.done;
  expect(kept.ended()).toBe(false);
  await ask('DELETE', '/v1/keys?this_too=true', coordinator.consumerKey);
  await kept.done;
});

it('ends the streams of a key that expires', async () => {
  const key = await coordinator.addKey(consumerAccount, 'consumer', Date.now() + 1000);
  const submitted = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox' },
    headers: { 'idempotency-key': 'expiry' },
  });
  const { id } = (await submitted.json()) as { id: string };
  const answer = await coordinator.call('GET', `/v1/jobs/${id}/events`, { key });
  expect(answer.status).toBe(200);
  await expect(answer.text()).rejects.toThrow();
});
