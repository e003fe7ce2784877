import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type AccountId, type Sha256Hex, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView } from '@capacloud/protocol/routes/views';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JobSpecs } from '../job-specs.ts';
import { haveBrought } from '../ports/artifact-index.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import { endlessDisk } from '../testing/endless-disk.ts';
import {
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testNode,
} from '../testing/test-coordinator.ts';
import { AccountQuota } from './account-quota.ts';
import { ArtifactAccess } from './artifact-access.ts';
import { idleUploadMs } from './artifact-collection.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { BroughtOutputs } from './brought-outputs.ts';
import { takeOverEarlier } from './earlier-brought.ts';
import { JobAccounts } from './job-accounts.ts';
import type { OutputClaims } from './output-claims.ts';
import { Staging } from './staging.ts';
import { StorageSpace } from './storage-space.ts';
import { UploadRights } from './upload-rights.ts';

const gibibyte = 2 ** 30;
const signal = new AbortController().signal;
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
const consumer: ArtifactParty = { kind: 'account', account: consumerAccount, operator: false };
const other: ArtifactParty = { kind: 'account', account: 'acc_eve' as AccountId, operator: false };
const node: ArtifactParty = { kind: 'node', node: testNode };
const nodeFor = (task: TaskId, attempt = 1): ArtifactParty =>
  ({ ...node, attempt: { task, attempt } }) as never;

let coordinator: TestCoordinator;
let clock: number;
let room: Room;
beforeEach(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
  clock = Date.now();
  room = await openRoom();
});
afterEach(() => coordinator.close());

interface Room {
  readonly disk: DiskArtifactStore;
  readonly space: StorageSpace;
  readonly brought: BroughtOutputs;
}

/** A store of a gibibyte, of which an account has 10,000 bytes, beside that of the coordinator, and with a clock of its own. */
async function openRoom(): Promise<Room> {
  const { dataDir, questions, sequencer, store } = coordinator;
  const index = store.artifacts;
  const specs = new JobSpecs(store.reads);
  const folder = join(dataDir, 'second');
  const now = () => clock;
  const staging = new Staging(join(folder, 'staging'), now);
  const brought = new BroughtOutputs(index, questions, new JobAccounts(store.reads));
  const claims = { catchUp: () => Promise.resolve(false) } as unknown as OutputClaims;
  const access = new ArtifactAccess({ index, questions, specs, claims });
  const limits = { maxArtifactBytes: gibibyte, accountBytes: 10_000, totalBytes: gibibyte };
  const diskSpace = () => Promise.resolve({ freeBytes: 2 ** 40, sizeBytes: 2 ** 40 });
  const keptBytes = () => Promise.resolve({ jobs: 0, receipts: 0, answers: 0 });
  const { accountBytes } = limits;
  const quota = new AccountQuota({ accountBytes, disk: endlessDisk, store: { keptBytes } });
  const space = new StorageSpace({ limits, quota, index, staging, brought, diskSpace });
  const rights = new UploadRights(questions, specs);
  const settled = () => sequencer.durable();
  const parts = { folder, index, access, rights, brought, space, staging, now, settled };
  const disk = new DiskArtifactStore(parts);
  await disk.restore();
  return { disk, space, brought };
}

let jobs = 0;
async function assigned(more: object = { outputs: [{ path: '/out/' }] }, key?: string): Promise<TaskId> {
  jobs += 1;
  const response = await coordinator.call('POST', '/v1/jobs', {
    key,
    json: { version: '1', image: 'busybox', resources: { disk: '64Mi' }, ...more },
    headers: { 'idempotency-key': `uploads-${jobs}` },
  });
  expect(response.status).toBe(201);
  const task = taskIdOf(((await response.json()) as JobView).id, 0);
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  return task;
}

const announce = (by: ArtifactParty, bytes: Buffer, size = bytes.length) =>
  room.disk.announce(by, hashOf(bytes), size);
const append = (by: ArtifactParty, bytes: Buffer, offset = 0, end = bytes.length) =>
  room.disk.append(by, hashOf(bytes), offset, Readable.from([bytes.subarray(offset, end)]));
async function upload(by: ArtifactParty, bytes: Buffer): Promise<Sha256Hex> {
  expect(await announce(by, bytes)).toMatchObject({ ok: true, value: { offset: 0, complete: false } });
  expect(await append(by, bytes)).toMatchObject({ ok: true, value: { complete: true } });
  return hashOf(bytes);
}
const refusal = (code: string) => ({ ok: false, refusal: { code } });
const brings = (ref: AttemptRef, bytes: Buffer) =>
  haveBrought(coordinator.store.artifacts, ref, [
    { path: '/out/x', sha256: hashOf(bytes), sizeBytes: bytes.length },
  ]);
const stagedFolders = () => readdir(join(coordinator.dataDir, 'second', 'staging'));

it('takes no upload of a node without an attempt that has anything to upload', async () => {
  const bytes = Buffer.from('of a stranger');
  for (const by of [node, nodeFor(taskIdOf(`job_${'z'.repeat(20)}` as never, 0))]) {
    expect(await announce(by, bytes)).toMatchObject(refusal('attempt.unknown'));
    expect(await append(by, bytes)).toMatchObject(refusal('attempt.unknown'));
  }
  const task = await assigned({});
  expect(await announce(nodeFor(task), bytes)).toMatchObject(refusal('attempt.unknown'));
  const second = await assigned();
  expect(await announce(nodeFor(second, 2), bytes)).toMatchObject(refusal('attempt.unknown'));
  expect(await announce(nodeFor(second), bytes)).toMatchObject({ ok: true });
  expect(await announce(node, bytes)).toMatchObject({ ok: true });
});

it('takes no room from anybody for words, however many and large they are', async () => {
  const task = await assigned({ outputs: [{ path: '/out/', max_size: '60Mi' }] });
  const before = await room.space.leftInStore();
  for (let n = 0; n < 50; n++)
    await announce(n % 2 === 0 ? nodeFor(task) : node, Buffer.from(`announced ${n}`), 60 * 2 ** 20);
  expect(await room.space.leftInStore()).toBe(before);
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(10_000);
  const folders = await stagedFolders();
  const files = await Promise.all(
    folders.map((name) => readdir(join(coordinator.dataDir, 'second', 'staging', name))),
  );
  expect(files.flat().length).toBeLessThanOrEqual(8);
  await upload(consumer, Buffer.from('an input'));
});

it('bounds what is uploaded for an attempt by what its job declares', async () => {
  const files = [
    { path: '/out/a.bin', max_size: '1Mi' },
    { path: '/out/b.bin', max_size: '1Mi' },
  ];
  const task = await assigned({ outputs: files });
  const by = nodeFor(task);
  const large = Buffer.alloc(2 ** 21 + 1);
  expect(await announce(by, large)).toMatchObject(refusal('request.too_large'));
  await upload(by, Buffer.from('a'));
  await upload(by, Buffer.from('b'));
  expect(await announce(by, Buffer.from('c'))).toMatchObject(refusal('request.too_large'));
  // The disk bounds it where the sizes say more, and an archive of many files is a little larger.
  const folder = nodeFor(await assigned({ outputs: [{ path: '/out/', max_size: '256Mi' }] }));
  expect(await announce(folder, Buffer.from('d'), 2 ** 27 + 1)).toMatchObject(refusal('request.too_large'));
  // It is the consumer that has no room for it here.
  expect(await announce(folder, Buffer.from('d'), 2 ** 27)).toMatchObject(refusal('artifact.consumer_full'));
});

it('never holds more of an attempt than its job declares, in however many uploads it comes', async () => {
  const task = await assigned({
    outputs: ['/out/a.bin', '/out/b.bin'].map((path) => ({ path, max_size: '2Ki' })),
  });
  const by = nodeFor(task);
  const [first, second] = [Buffer.alloc(3000, '1'), Buffer.alloc(3000, '2')];
  for (const bytes of [first, second]) expect(await announce(by, bytes)).toMatchObject({ ok: true });
  expect(await append(by, first, 0, 2000)).toMatchObject({ ok: true });
  expect(await append(by, second, 0, 2000)).toMatchObject(refusal('request.too_large'));
  expect(await append(by, first, 2000)).toMatchObject({ ok: true, value: { complete: true } });
  expect(await append(by, second, 0, 2000)).toMatchObject(refusal('request.too_large'));
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(7000);
});

it('gives a node what its attempts are given, whatever account it names, and tells it nothing of the rest', async () => {
  const [input, secret] = [Buffer.from('the input'), Buffer.from('what another account has')];
  await upload(other, secret);
  await upload(consumer, input);
  // The coordinator's own room, where the job's inputs are looked for, shares the index.
  const task = await assigned({
    inputs: [{ source: `artifact:${hashOf(input)}`, target: '/in/data' }],
    outputs: [{ path: '/out/' }],
  });
  for (const by of [node, nodeFor(task)]) {
    expect(await room.disk.open(by, hashOf(input))).toMatchObject({ ok: true });
    expect(await room.disk.status(by, hashOf(secret))).toBeUndefined();
    expect(await room.disk.open(by, hashOf(secret))).toMatchObject(refusal('request.not_found'));
    for (const bytes of [secret, input])
      expect(await announce(by, bytes)).toMatchObject({ ok: true, value: { offset: 0, complete: false } });
    expect(await append(by, secret, 4)).toMatchObject(refusal('artifact.offset_mismatch'));
  }
  // To name a hash in a receipt gives nobody the file.
  for (const bytes of [secret, input]) expect(await brings({ task, attempt: 1 }, bytes)).toBe(false);
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 1 });
  expect(await room.disk.open(node, hashOf(input))).toMatchObject(refusal('request.not_found'));
});

it('shows what a node brings to nobody before it is claimed, and gives it to its own attempt alone', async () => {
  const [first, second] = [await assigned(), await assigned()];
  const bytes = Buffer.from('an output');
  await upload(nodeFor(first), bytes);
  const provider: ArtifactParty = {
    kind: 'account',
    account: `0x${'11'.repeat(20)}` as AccountId,
    operator: false,
  };
  for (const by of [consumer, provider, other]) {
    expect(await room.disk.status(by, hashOf(bytes))).toBeUndefined();
    expect(await announce(by, bytes)).toMatchObject({ ok: true, value: { offset: 0 } });
  }
  for (const by of [node, nodeFor(first)])
    expect(await room.disk.open(by, hashOf(bytes))).toMatchObject(refusal('request.not_found'));
  expect([
    await brings({ task: first, attempt: 1 }, bytes),
    await brings({ task: first, attempt: 2 }, bytes),
    await brings({ task: second, attempt: 1 }, bytes),
  ]).toEqual([true, false, false]);
  expect(await announce(nodeFor(first), bytes)).toMatchObject({ value: { complete: true } });
  expect(await announce(nodeFor(second), bytes)).toMatchObject({ value: { complete: false } });
});

it('keeps what an agent that names no attempt brings for all attempts of its node', async () => {
  const [first, second] = [await assigned(), await assigned()];
  const bytes = Buffer.alloc(6000, 'x');
  await upload(node, bytes);
  expect([
    await brings({ task: first, attempt: 1 }, bytes),
    await brings({ task: second, attempt: 1 }, bytes),
  ]).toEqual([true, true]);
  expect(await announce(node, bytes)).toMatchObject({ value: { complete: true } });
  await coordinator.finish(first, 1, { reason: 'exit_nonzero', exitCode: 1 });
  await room.disk.collect(signal);
  // It was the other's, which pays for it no longer, and may still be this one's.
  expect(await brings({ task: second, attempt: 1 }, bytes)).toBe(true);
  expect(await room.brought.bytesFor(consumerAccount)).toBe(0);
});

it('counts what arrives for the consumer, and lets go of it with the attempt', async () => {
  const task = await assigned();
  const [whole, part] = [Buffer.alloc(4000, 'whole'), Buffer.alloc(5000, 'part')];
  await upload(nodeFor(task), whole);
  await announce(nodeFor(task), part);
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(6000);
  await append(nodeFor(task), part, 0, 1000);
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(5000);
  // After a restart as well.
  room = await openRoom();
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(5000);
  const own = Buffer.alloc(4500, 'own');
  await announce(consumer, own);
  expect(await append(consumer, own)).toMatchObject({ ok: true });
  expect(await append(nodeFor(task), part, 1000)).toMatchObject(refusal('artifact.consumer_full'));
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 1 });
  expect(await append(nodeFor(task), part, 1000)).toMatchObject(refusal('attempt.unknown'));
  clock += 1;
  expect(await room.disk.collect(signal)).toEqual({ uploads: 1, artifacts: 1 });
  expect(await room.space.leftOfAccount(consumerAccount)).toBe(5500);
  expect(await coordinator.store.artifacts.listBrought()).toEqual([]);
  expect(await stagedFolders()).toEqual([consumerAccount]);
});

it('does not complete an upload whose node has lost the attempt meanwhile', async () => {
  const task = await assigned();
  const bytes = Buffer.from('too late');
  await announce(nodeFor(task), bytes);
  const body = new Readable({ read: () => undefined });
  const appended = room.disk.append(nodeFor(task), hashOf(bytes), 0, body);
  body.push(bytes);
  await expect.poll(async () => (await room.disk.status(nodeFor(task), hashOf(bytes)))?.offset).toBe(8);
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 1 });
  body.push(null);
  expect(await appended).toMatchObject(refusal('attempt.unknown'));
  expect(await coordinator.store.artifacts.get(hashOf(bytes))).toBeUndefined();
});

it('keeps what comes long before an attempt uploads for some minutes only', async () => {
  const task = await assigned();
  const [whole, part] = [Buffer.from('whole'), Buffer.from('in parts')];
  await upload(nodeFor(task), whole);
  await announce(nodeFor(task), part);
  clock += idleUploadMs + 1;
  // However it trickles in.
  await append(nodeFor(task), part, 0, 1);
  expect(await room.disk.collect(signal)).toEqual({ uploads: 1, artifacts: 1 });
  expect(await brings({ task, attempt: 1 }, whole)).toBe(false);
  for (const stage of ['running', 'uploading'] as const) await coordinator.progress(task, 1, stage);
  await upload(nodeFor(task), whole);
  clock += idleUploadMs + 1;
  expect(await room.disk.collect(signal)).toEqual({ uploads: 0, artifacts: 0 });
  expect(await brings({ task, attempt: 1 }, whole)).toBe(true);
});

it('removes at a start what was being uploaded for attempts that have ended', async () => {
  const task = await assigned();
  await announce(nodeFor(task), Buffer.from('on its way'));
  await announce(node, Buffer.from('on its way'));
  await mkdir(join(coordinator.dataDir, 'second', 'staging', 'stray'));
  await writeFile(join(coordinator.dataDir, 'second', 'staging', 'stray', `${'a'.repeat(64)}.9`), '123');
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 1 });
  room = await openRoom();
  expect(await stagedFolders()).toEqual([]);
});

it('gives what was brought before an upgrade to the attempts that upload, and takes it from the account', async () => {
  const { questions, store } = coordinator;
  const index = store.artifacts;
  const task = await assigned();
  for (const stage of ['running', 'uploading'] as const) await coordinator.progress(task, 1, stage);
  const provider = `0x${'11'.repeat(20)}` as AccountId;
  const bytes = Buffer.from('of 0.3');
  const sha256 = hashOf(bytes);
  await index.put({ sha256, account: provider }, bytes.length, clock);
  await index.markComplete(sha256);
  const folder = join(coordinator.dataDir, 'brought');
  for (const name of [provider, 'stray']) await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, provider, sha256), '');
  await writeFile(join(folder, provider, 'b'.repeat(64)), '');
  const parts = { brought: room.brought, index, questions, at: clock };
  await takeOverEarlier(folder, parts);
  expect(await brings({ task, attempt: 1 }, bytes)).toBe(true);
  expect(await index.listRefs(sha256, provider)).toEqual([]);
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
  await takeOverEarlier(folder, parts);
});
