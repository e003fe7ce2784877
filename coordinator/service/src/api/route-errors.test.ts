import { createHash } from 'node:crypto';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import { type JobId, taskIdOf } from '@capacloud/protocol/ids';
import type { RouteName, routes } from '@capacloud/protocol/routes/routes';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DiskLevel, DiskRoom } from '../ports/disk-room.ts';
import { endlessDisk } from '../testing/endless-disk.ts';
import { poisonImage, poisonJob } from '../testing/poison.ts';
import {
  agentToken,
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testNode,
} from '../testing/test-coordinator.ts';
import { keyLimits } from './key-handlers.ts';

const quotaBytes = 2 ** 20;

type CodeOf<N extends RouteName> = (typeof routes)[N]['errors'][number] & ErrorCode;
type Provoke = () => Promise<Response>;

let coordinator: TestCoordinator;
let task: string;
let ended: string;
beforeAll(async () => {
  coordinator = await startCoordinator({ config: { accountArtifactBytes: quotaBytes } });
  await coordinator.connectNode();
  const job = await submit({ version: '1', image: 'busybox', outputs: [{ path: '/out' }] }, 'first');
  task = taskIdOf(job as JobId, 0);
  await vi.waitFor(
    async () => expect((await coordinator.store.reads.getTask(task as never))?.state).toBe('assigned'),
    10_000,
  );
  ended = await submit({ version: '1', image: 'busybox' }, 'second');
  await coordinator.call('POST', `/v1/jobs/${ended}/cancel`);
});
afterAll(() => coordinator.close());

async function submit(json: object, key: string): Promise<string> {
  return ((await (await post('/v1/jobs', json, key)).json()) as JobView).id;
}
const post = (path: string, json: object, key?: string, bearer?: string) =>
  coordinator.call('POST', path, {
    key: bearer,
    json,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });
const get = (path: string, headers: Record<string, string> = {}) =>
  coordinator.call('GET', path, { headers });
const operate = (path: string, json: object, key?: string) => post(path, json, key, coordinator.operatorKey);
const octets = (more: object) => ({ 'content-type': 'application/octet-stream', ...more });
const patch = (sha256: string, offset: number, body: string) =>
  coordinator.call('PATCH', `/v1/artifacts/${sha256}`, {
    body,
    headers: octets({ 'upload-offset': `${offset}` }),
  });
const put = (path: string, body: string) =>
  coordinator.call('PUT', path, { key: agentToken, body, headers: octets({}) });
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
const announce = (text: string) => post('/v1/artifacts', { sha256: hashOf(text), size_bytes: text.length });
async function upload(text: string): Promise<string> {
  await announce(text);
  await patch(hashOf(text), 0, text);
  return hashOf(text);
}

const job = { version: '1', image: 'busybox' };
/** As the agent of the task, whose outputs are announced. */
const bring = (sha256: string, size: number, attempt = 1) =>
  coordinator.call('POST', '/v1/artifacts', {
    key: agentToken,
    json: { sha256, size_bytes: size },
    headers: { 'capacloud-attempt': `${task}/${attempt}` },
  });
const append = (text: string, attempt = 1) =>
  coordinator.call('PATCH', `/v1/artifacts/${hashOf(text)}`, {
    key: agentToken,
    body: text,
    headers: octets({ 'upload-offset': '0', 'capacloud-attempt': `${task}/${attempt}` }),
  });
/** While all that the consumer may store is in use. */
async function withFullConsumer(provoke: Provoke): Promise<Response> {
  const { used_bytes: used } = (await (await get('/v1/artifacts')).json()) as { readonly used_bytes: number };
  const filler = await upload('x'.repeat(quotaBytes - used));
  const response = await provoke();
  await coordinator.call('DELETE', `/v1/artifacts/${filler}`);
  return response;
}
const announceTo = (other: TestCoordinator) =>
  other.call('POST', '/v1/artifacts', { json: { sha256: noHash, size_bytes: 11 } });
const submitTo = (other: TestCoordinator) =>
  other.call('POST', '/v1/jobs', { json: job, headers: { 'idempotency-key': 'a' } });
const diskOf = (level: DiskLevel): DiskRoom => ({ level, fileBytes: 0, rowBytes: 0, take: () => undefined });
const operatorCall = (other: TestCoordinator, json: object) => ({
  key: other.operatorKey,
  json,
  headers: { 'idempotency-key': 'a' },
});
/** It fills up once the coordinator has started. */
function withFullDisk(provoke: (other: TestCoordinator) => Promise<Response>): Promise<Response> {
  const disk = { ...endlessDisk, level: 'ample' as DiskLevel };
  return withOther({ disk }, (other) => {
    disk.level = 'full';
    return provoke(other);
  });
}
const brokenDisk = () => Object.assign(new Error('the disk is broken'), { code: 'EIO' });
const noJob = `job_${'z'.repeat(20)}`;
const noNode = `node_${'9'.repeat(40)}`;
const noHash = 'f'.repeat(64);

async function withOther(
  options: Parameters<typeof startCoordinator>[0],
  provoke: (other: TestCoordinator) => Promise<Response>,
): Promise<Response> {
  const other = await startCoordinator(options);
  try {
    const response = await provoke(other);
    return new Response(await response.text(), { status: response.status });
  } finally {
    await other.close();
  }
}

function drained(path: string): Promise<Response> {
  return withOther({}, (other) => {
    other.api.drain();
    return other.call('GET', path);
  });
}

function tooMany(path: string): Promise<Response> {
  return withOther({}, async (other) => {
    const ruleset = { ...defaultRuleset, maxTasksPerJob: 1 };
    await other.do({ type: 'ruleset.change', at: Date.now(), ruleset });
    return other.call('POST', path, {
      json: { ...job, replicas: 2 },
      headers: { 'idempotency-key': 'a' },
    });
  });
}

async function poisonedAnswer(other: TestCoordinator, path: string): Promise<Response> {
  await poisonImage(other);
  return other.call('POST', path, { json: poisonJob, headers: { 'idempotency-key': 'again' } });
}

/** One command may wait for the disk, and many come at once. */
function overloaded(path: string, body: object): Promise<Response> {
  return withOther({ waitingCommands: 1 }, async (other) => {
    for (let round = 0; ; round++) {
      const burst = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          other.call('POST', path, { json: body, headers: { 'idempotency-key': `${round}-${i}` } }),
        ),
      );
      const refused = burst.find((response) => response.status >= 400);
      if (refused !== undefined) return refused;
    }
  });
}

/** The file of the upload is Linux's device that is always full. */
async function fullDisk(): Promise<Response> {
  const sha256 = hashOf('full');
  const folder = join(coordinator.dataDir, 'artifacts', 'staging', consumerAccount);
  await mkdir(folder, { recursive: true });
  await symlink('/dev/full', join(folder, `${sha256}.4`));
  await announce('full');
  return patch(sha256, 0, 'full');
}

/** Every code that a route names, and how it comes about. What is missing or too much here does not compile. */
const table: { readonly [N in RouteName]: { readonly [C in CodeOf<N>]: Provoke } } = {
  getHealth: {},
  getReady: { 'service.draining': () => drained('/readyz') },
  getInfo: {},
  getOpenApi: {},
  getJobSchema: {},
  submitJob: {
    'job.invalid': () => post('/v1/jobs', { ...job, image: 1 }, 'a'),
    'job.unsupported': () => post('/v1/jobs', { ...job, ports: [] }, 'a'),
    'job.too_many_tasks': () => tooMany('/v1/jobs'),
    'job.image_poisoned': () => withOther({}, (other) => poisonedAnswer(other, '/v1/jobs')),
    'job.artifact_missing': () =>
      post('/v1/jobs', { ...job, inputs: [{ source: `artifact:${noHash}`, target: '/in/a' }] }, 'a'),
    'artifact.quota_exceeded': () =>
      withOther({ config: { accountArtifactBytes: 100 } }, (other) => submitTo(other)),
    'service.disk_low': () => withOther({ disk: diskOf('low') }, (other) => submitTo(other)),
    'ledger.insufficient_funds': () => post('/v1/jobs', { ...job, price: { max_per_hour: '90000000' } }, 'a'),
    'idempotency.mismatch': () => post('/v1/jobs', { ...job, image: 'other' }, 'first'),
    'idempotency.required': () => post('/v1/jobs', job),
    'service.overloaded': () => overloaded('/v1/jobs', job),
  },
  submitJobs: {
    'idempotency.mismatch': () => post('/v1/jobs/batch', { jobs: [job] }, 'first'),
    'idempotency.required': () => post('/v1/jobs/batch', { jobs: [job] }),
    'service.overloaded': () => overloaded('/v1/jobs/batch', { jobs: [job] }),
  },
  planJob: {
    'job.invalid': () => post('/v1/plans', { ...job, image: 1 }),
    'job.unsupported': () => post('/v1/plans', { ...job, ports: [] }),
    'job.too_many_tasks': () => tooMany('/v1/plans'),
    'job.image_poisoned': () => withOther({}, (other) => poisonedAnswer(other, '/v1/plans')),
    'job.artifact_missing': () =>
      post('/v1/plans', { ...job, inputs: [{ source: `artifact:${noHash}`, target: '/in/a' }] }),
  },
  getBook: {},
  listTrades: {},
  listPrices: {},
  listJobs: {},
  getJob: { 'request.not_found': () => get(`/v1/jobs/${noJob}`) },
  cancelJob: {
    'request.not_found': () => coordinator.call('POST', `/v1/jobs/${noJob}/cancel`),
    'job.terminal': () => coordinator.call('POST', `/v1/jobs/${ended}/cancel`),
  },
  followJob: { 'request.not_found': () => get(`/v1/jobs/${noJob}/events`) },
  listTasks: { 'request.not_found': () => get(`/v1/jobs/${noJob}/tasks`) },
  getTask: { 'request.not_found': () => get(`/v1/tasks/${noJob}.0`) },
  explainTask: { 'request.not_found': () => get(`/v1/tasks/${noJob}.0/why`) },
  listAttempts: { 'request.not_found': () => get(`/v1/tasks/${noJob}.0/attempts`) },
  getReceipt: { 'request.not_found': () => get(`/v1/tasks/${task}/attempts/1/receipt`) },
  followLog: { 'request.not_found': () => get(`/v1/tasks/${task}/attempts/9/log`) },
  appendLog: {
    'artifact.offset_mismatch': () => put(`/v1/tasks/${task}/attempts/1/log?offset=7`, 'x'),
    'attempt.unknown': () => put(`/v1/tasks/${task}/attempts/2/log?offset=0`, 'x'),
    'request.too_large': () => put(`/v1/tasks/${task}/attempts/1/log?offset=0`, 'x'.repeat(300_000)),
  },
  createArtifact: {
    'artifact.quota_exceeded': () => post('/v1/artifacts', { sha256: noHash, size_bytes: quotaBytes }),
    'artifact.consumer_full': () => withFullConsumer(() => bring(noHash, quotaBytes)),
    'attempt.unknown': () => bring(noHash, quotaBytes, 2),
    'artifact.store_full': () =>
      withOther({ config: { totalArtifactBytes: 10 } }, (other) => announceTo(other)),
    'artifact.store_failed': () =>
      withOther({ diskSpace: () => Promise.reject(brokenDisk()) }, (other) => announceTo(other)),
    'request.too_large': () => post('/v1/artifacts', { sha256: noHash, size_bytes: 2 ** 40 }),
    'request.conflict': () => post('/v1/artifacts', { sha256: noHash, size_bytes: 0 }),
  },
  appendArtifact: {
    'artifact.offset_mismatch': async () => {
      await announce('offset');
      return patch(hashOf('offset'), 3, 'set');
    },
    'artifact.hash_mismatch': async () => {
      await announce('right');
      return patch(hashOf('right'), 0, 'wrong');
    },
    'artifact.store_full': () => fullDisk(),
    'artifact.store_failed': async () => {
      await announce('gone');
      await rm(join(coordinator.dataDir, 'artifacts', 'staging', consumerAccount, `${hashOf('gone')}.4`));
      return patch(hashOf('gone'), 0, 'gone');
    },
    'artifact.quota_exceeded': async () => {
      await announce('twice');
      return withFullConsumer(() => patch(hashOf('twice'), 0, 'twice'));
    },
    'artifact.consumer_full': async () => {
      await bring(hashOf('output'), 6);
      return withFullConsumer(() => append('output'));
    },
    'attempt.unknown': () => append('output', 2),
    'request.too_large': async () => {
      await announce('short');
      return patch(hashOf('short'), 0, 'longer');
    },
  },
  getArtifactStatus: { 'request.not_found': () => get(`/v1/artifacts/${noHash}/status`) },
  getArtifact: {
    'request.not_found': () => get(`/v1/artifacts/${noHash}`),
    'artifact.incomplete': async () => {
      await announce('partial');
      return get(`/v1/artifacts/${hashOf('partial')}`);
    },
    'request.range_invalid': async () =>
      get(`/v1/artifacts/${await upload('ten bytes!')}`, { range: 'bytes=10-' }),
  },
  listArtifacts: {},
  deleteJobArtifacts: {
    'request.not_found': () => coordinator.call('DELETE', `/v1/jobs/${noJob}/artifacts`),
    'request.conflict': () => coordinator.call('DELETE', `/v1/jobs/${task.split('.')[0]}/artifacts`),
  },
  deleteArtifact: {
    'request.not_found': () => coordinator.call('DELETE', `/v1/artifacts/${noHash}`),
    'request.conflict': async () => {
      const sha256 = await upload('input');
      const inputs = [{ source: `artifact:${sha256}`, target: '/in/a' }];
      await submit({ ...job, inputs }, 'input');
      return coordinator.call('DELETE', `/v1/artifacts/${sha256}`);
    },
  },
  listNodes: {},
  getNode: { 'request.not_found': () => get(`/v1/nodes/${noNode}`) },
  explainNode: { 'request.not_found': () => get(`/v1/nodes/${noNode}/why`) },
  directNode: {
    'request.not_found': () => operate(`/v1/nodes/${noNode}/direct`, { to: 'cordon' }),
    'node.state_invalid': async () => {
      await operate(`/v1/nodes/${testNode}/direct`, { to: 'drain' });
      return operate(`/v1/nodes/${testNode}/direct`, { to: 'uncordon' });
    },
  },
  getOwnAccount: {},
  listAccounts: {},
  createAccount: {
    'service.disk_low': () =>
      withFullDisk((other) => other.call('POST', '/v1/accounts', operatorCall(other, { id: 'acc_one' }))),
    'ledger.account_exists': () => operate('/v1/accounts', { id: consumerAccount }, 'a'),
    'idempotency.mismatch': async () => {
      await operate('/v1/accounts', { id: 'acc_one' }, 'one');
      return operate('/v1/accounts', { id: 'acc_two' }, 'one');
    },
    'idempotency.required': () => operate('/v1/accounts', { id: 'acc_two' }),
  },
  getAccount: {
    'request.not_found': () =>
      coordinator.call('GET', '/v1/accounts/acc_none', { key: coordinator.operatorKey }),
    'auth.forbidden': () => get('/v1/accounts/acc_operator'),
  },
  listEntries: {
    'request.not_found': () =>
      coordinator.call('GET', '/v1/accounts/acc_none/entries', { key: coordinator.operatorKey }),
    'auth.forbidden': () => get('/v1/accounts/acc_operator/entries'),
  },
  creditAccount: {
    'service.disk_low': () =>
      withFullDisk((other) =>
        other.call(
          'POST',
          `/v1/accounts/${consumerAccount}/credits`,
          operatorCall(other, { amount_nano: '1' }),
        ),
      ),
    'ledger.account_unknown': () => operate('/v1/accounts/acc_none/credits', { amount_nano: '1' }, 'a'),
    'ledger.amount_invalid': () =>
      operate(`/v1/accounts/${consumerAccount}/credits`, { amount_nano: '0' }, 'a'),
    'idempotency.mismatch': async () => {
      await operate(`/v1/accounts/${consumerAccount}/credits`, { amount_nano: '1' }, 'grant');
      return operate(`/v1/accounts/${consumerAccount}/credits`, { amount_nano: '2' }, 'grant');
    },
    'idempotency.required': () => operate(`/v1/accounts/${consumerAccount}/credits`, { amount_nano: '1' }),
  },
  createKey: {
    'auth.forbidden': () => post('/v1/keys', { name: 'x', scopes: ['operator'] }),
    'ledger.account_unknown': () => operate('/v1/keys', { name: 'x', account: 'acc_none' }),
    'auth.too_many_keys': async () => {
      const account = 'acc_many';
      await operate('/v1/accounts', { id: account }, 'many');
      const make = () => operate('/v1/keys', { name: 'x', account });
      for (let n = 0; n < keyLimits.keys; n++) await make();
      return make();
    },
  },
  listKeys: { 'auth.forbidden': () => get('/v1/keys?account=acc_operator') },
  getKey: { 'request.not_found': () => get(`/v1/keys/key_${'a'.repeat(12)}`) },
  revokeKeys: { 'auth.forbidden': () => coordinator.call('DELETE', '/v1/keys?account=acc_operator') },
  revokeKey: { 'request.not_found': () => coordinator.call('DELETE', `/v1/keys/key_${'a'.repeat(12)}`) },
  getCheckpoint: {},
  listLogEntries: {},
  getInclusionProof: { 'request.invalid': () => get('/v1/log/proofs/inclusion?index=5&size=1') },
  getConsistencyProof: { 'request.invalid': () => get('/v1/log/proofs/consistency?from=2&to=1') },
  getStateHash: {},
};

const rows = Object.entries(table).flatMap(([name, codes]) =>
  Object.entries(codes as Record<string, Provoke>).map(([code, provoke]) => [name, code, provoke] as const),
);

it.each(rows)('%s refuses with %s', async (_, code, provoke) => {
  const response = await provoke();
  expect(await response.json()).toMatchObject({ code, status: response.status });
});

it('keeps nothing of an upload that the disk had no room for', async () => {
  expect(await (await announce('full')).json()).toMatchObject({ offset: 0 });
});
