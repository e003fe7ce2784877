import type { AccountId } from '@capacloud/protocol/ids';
import type { AccountView, ApiKeyView, LedgerEntryView } from '@capacloud/protocol/routes/views';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
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
});
afterAll(() => coordinator.close());

let keys = 0;
function operate(method: string, path: string, json?: unknown, headers: Record<string, string> = {}) {
  const idempotency = method === 'POST' ? { 'idempotency-key': `account-${keys++}` } : {};
  return coordinator.call(method, path, {
    key: coordinator.operatorKey,
    json,
    headers: { ...idempotency, ...headers },
  });
}
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

it('opens an account once and grants it tokens once a key', async () => {
  const opened = await operate('POST', '/v1/accounts', { id: 'acc_bob' });
  expect([opened.status, await opened.json()]).toEqual([
    201,
    { id: 'acc_bob', available_nano: '0', held_nano: '0' },
  ]);
  expect(await codeOf(await operate('POST', '/v1/accounts', { id: 'acc_bob' }))).toBe(
    'ledger.account_exists',
  );
  const headers = { 'idempotency-key': 'grant' };
  const path = '/v1/accounts/acc_bob/credits';
  const first = await operate('POST', path, { amount_nano: '500' }, headers);
  const again = await operate('POST', path, { amount_nano: '500' }, headers);
  expect([await first.json(), await again.json()]).toEqual([
    { id: 'acc_bob', available_nano: '500', held_nano: '0' },
    { id: 'acc_bob', available_nano: '500', held_nano: '0' },
  ]);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  await operate('POST', path, { amount_nano: '7' });
  expect(await (await operate('GET', '/v1/accounts/acc_bob')).json()).toMatchObject({
    available_nano: '507',
  });
});

it('refuses grants that cannot be', async () => {
  const grant = (account: string, amount: string) =>
    operate('POST', `/v1/accounts/${account}/credits`, { amount_nano: amount });
  expect(await codeOf(await grant('acc_nobody', '1'))).toBe('ledger.account_unknown');
  expect(await codeOf(await grant('fees', '1'))).toBe('ledger.account_unknown');
  expect(await codeOf(await grant(consumerAccount, '0'))).toBe('ledger.amount_invalid');
  expect(await codeOf(await grant(consumerAccount, '1000000000000000001'))).toBe('ledger.amount_invalid');
});

it('shows the books to the operator, and they sum to zero', async () => {
  const job = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox' },
    headers: { 'idempotency-key': 'books' },
  });
  expect(job.status).toBe(201);
  const page = (await (await operate('GET', '/v1/accounts?limit=500')).json()) as { items: AccountView[] };
  expect(page.items.map((account) => account.id)).toContain('emission');
  expect(page.items.reduce((sum, account) => sum + BigInt(account.available_nano), 0n)).toBe(0n);
  const entries = await operate('GET', '/v1/accounts/holds/entries');
  expect(((await entries.json()) as { items: LedgerEntryView[] }).items[0]).toMatchObject({ kind: 'hold' });
});

it('keeps an account to itself', async () => {
  const own = await coordinator.call('GET', '/v1/account');
  expect(await own.json()).toMatchObject({ id: consumerAccount, scopes: ['consumer'] });
  expect((await coordinator.call('GET', `/v1/accounts/${consumerAccount}/entries`)).status).toBe(200);
  for (const path of ['/v1/accounts/acc_operator', '/v1/accounts/acc_operator/entries', '/v1/accounts']) {
    expect(await codeOf(await coordinator.call('GET', path))).toBe('auth.forbidden');
  }
  expect(await codeOf(await operate('GET', '/v1/accounts/acc_nobody'))).toBe('request.not_found');
});

it('makes keys that work until they are revoked, and shows their secret once', async () => {
  const made = (await (
    await coordinator.call('POST', '/v1/keys', { json: { name: 'laptop', expires_in_s: 60 } })
  ).json()) as ApiKeyView;
  expect(made).toMatchObject({ name: 'laptop', account: consumerAccount, scopes: ['consumer'] });
  expect(made.secret).toMatch(/^cck_[a-z2-7]{40}$/);
  const key = made.secret ?? '';
  expect((await coordinator.call('GET', '/v1/account', { key })).status).toBe(200);
  const listed = (await (await coordinator.call('GET', '/v1/keys')).json()) as { items: ApiKeyView[] };
  expect(listed.items.find((item) => item.id === made.id)).toEqual({ ...made, secret: undefined });
  expect((await coordinator.call('DELETE', `/v1/keys/${made.id}`)).status).toBe(204);
  expect(await codeOf(await coordinator.call('GET', '/v1/account', { key }))).toBe('auth.invalid');
  expect((await coordinator.call('DELETE', `/v1/keys/${made.id}`)).status).toBe(404);
});

it('lets only an operator make keys for others or with its own scope', async () => {
  const make = (json: object) => coordinator.call('POST', '/v1/keys', { json });
  expect(await codeOf(await make({ name: 'x', account: 'acc_operator' }))).toBe('auth.forbidden');
  expect(await codeOf(await make({ name: 'x', scopes: ['operator'] }))).toBe('auth.forbidden');
  const other = await operate('POST', '/v1/keys', {
    name: 'x',
    account: consumerAccount,
    scopes: ['operator'],
  });
  expect(await other.json()).toMatchObject({ account: consumerAccount, scopes: ['operator'] });
  const nobody = await operate('POST', '/v1/keys', { name: 'x', account: 'acc_nobody' });
  expect(await codeOf(nobody)).toBe('ledger.account_unknown');
});

it('turns away credentials that are missing, unknown, expired or of the wrong kind', async () => {
  const get = async (key: string, path = '/v1/account') =>
    codeOf(await coordinator.call('GET', path, { key }));
  expect(await get('')).toBe('auth.missing');
  expect(await get('cck_short')).toBe('auth.invalid');
  expect(await get(`cck_${'a'.repeat(40)}`)).toBe('auth.invalid');
  expect(await get('not a token')).toBe('auth.invalid');
  expect(await get('ccs_agent')).toBe('auth.forbidden');
  expect(await get('ccs_gone')).toBe('auth.invalid');
  expect(await get(await coordinator.addKey(consumerAccount as AccountId, 'consumer', Date.now() - 1))).toBe(
    'auth.invalid',
  );
  expect(await get(coordinator.consumerKey, '/v1/state-hash')).toBe('auth.forbidden');
  const refused = await coordinator.call('GET', '/v1/account', { key: '' });
  expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="capacloud"');
});

it('shows nodes to anyone and lets the operator direct them', async () => {
  await coordinator.connectNode();
  const list = await coordinator.call('GET', '/v1/nodes', { key: '' });
  expect(await list.json()).toMatchObject({ items: [{ id: testNode, status: 'ready', accepting: true }] });
  const direct = (to: string, node: string = testNode) => operate('POST', `/v1/nodes/${node}/direct`, { to });
  expect(await (await direct('cordon')).json()).toMatchObject({ status: 'cordoned' });
  expect(await (await direct('uncordon')).json()).toMatchObject({ status: 'ready' });
  expect(await codeOf(await direct('cordon', `node_${'44'.repeat(20)}`))).toBe('request.not_found');
  expect((await direct('drain')).status).toBe(200);
  expect(await codeOf(await direct('cordon'))).toBe('node.state_invalid');
  expect((await coordinator.call('GET', `/v1/nodes/${testNode}`, { key: '' })).status).toBe(200);
  expect((await coordinator.call('GET', `/v1/nodes/node_${'44'.repeat(20)}`)).status).toBe(404);
});

it('serves the log, its head and its proofs', async () => {
  const size = coordinator.store.log.size();
  const checkpoint = await coordinator.call('GET', '/v1/log/checkpoint', { key: '' });
  expect(await checkpoint.text()).toContain(`capacloud.test\n${size}\n`);
  const entries = await coordinator.call('GET', '/v1/log/entries?from=1&limit=1', { key: '' });
  expect(await entries.json()).toMatchObject({
    from: 1,
    size,
    entries: [expect.stringContaining('account.opened')],
  });
  const proof = await coordinator.call('GET', `/v1/log/proofs/inclusion?index=0&size=${size}`, { key: '' });
  expect(await proof.json()).toMatchObject({ index: 0, size });
  const grown = await coordinator.call('GET', `/v1/log/proofs/consistency?from=1&to=${size}`, { key: '' });
  expect(await grown.json()).toMatchObject({ from: 1, to: size });
  const beyond = await coordinator.call('GET', '/v1/log/proofs/inclusion?index=0&size=99999999', { key: '' });
  expect(await codeOf(beyond)).toBe('request.invalid');
  const back = await coordinator.call('GET', '/v1/log/proofs/consistency?from=2&to=1', { key: '' });
  expect(await codeOf(back)).toBe('request.invalid');
  const hash = await operate('GET', '/v1/state-hash');
  expect(await hash.json()).toMatchObject({ size, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

it('says who it is', async () => {
  const info = await coordinator.call('GET', '/v1/info', { key: '' });
  expect(await info.json()).toMatchObject({
    name: 'capacloud.test',
    protocols: protocolVersions,
    fee_basis_points: 300,
  });
  expect(await (await coordinator.call('GET', '/readyz', { key: '' })).json()).toEqual({ status: 'ready' });
  const schema = await coordinator.call('GET', '/v1/schemas/job-1.json', { key: '' });
  expect(await schema.json()).toMatchObject({ title: 'CapaCloud job' });
});
