import type { ApiKeyView } from '@capacloud/protocol/views';
import { afterEach, beforeEach, expect, it } from 'vitest';
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
