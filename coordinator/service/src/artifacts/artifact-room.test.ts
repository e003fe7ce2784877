import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { createState } from '@capacloud/core/state';
import type { AccountId, JobId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { JobSpecs } from '../job-specs.ts';
import { CommandSequencer } from '../log/command-sequencer.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { Questions } from '../ports/questions.ts';
import { createQuestions } from '../questions/questions.ts';
import { openStore, type Store } from '../store/store.ts';
import { endlessDisk } from '../testing/endless-disk.ts';
import { AccountQuota } from './account-quota.ts';
import { ArtifactAccess } from './artifact-access.ts';
import { idleUploadMs } from './artifact-collection.ts';
import { type ArtifactRoom, openArtifactRoom } from './artifact-room.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { BroughtOutputs } from './brought-outputs.ts';
import { JobAccounts } from './job-accounts.ts';
import { LogBook } from './log-book.ts';
import { OutputClaims } from './output-claims.ts';
import { Staging } from './staging.ts';
import { diskSpaceOf, StorageSpace } from './storage-space.ts';
import { DiskTaskLogs, maxLogBytes } from './task-logs.ts';
import { maxOpenUploads, UploadRights } from './upload-rights.ts';

const ada = 'acc_ada' as AccountId;
const party: ArtifactParty = { kind: 'account', account: ada, operator: false };
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
const dayMs = 24 * 3600_000;

let dataDir: string;
let store: Store;
let sequencer: CommandSequencer;
let questions: Questions;
let room: ArtifactRoom;
let clock: number;

async function openRoom(): Promise<ArtifactRoom> {
  return openArtifactRoom({
    dataDir,
    submitter: sequencer,
    committed: sequencer,
    questions,
    log: store.log,
    store: store.reads,
    specs: new JobSpecs(store.reads),
    index: store.artifacts,
    rows: store.rows,
    disk: endlessDisk,
    jobLogBytes: 2 ** 30,
    limits: { maxArtifactBytes: 2 ** 30, accountBytes: 2 ** 30, totalBytes: 1000 },
    logRetentionMs: dayMs,
    now: () => clock,
    logger: pino({ level: 'silent' }),
  });
}

beforeEach(async () => {
  clock = Date.now();
  dataDir = await mkdtemp(join(tmpdir(), 'capacloud-artifacts-'));
  store = await openStore(dataDir);
  sequencer = new CommandSequencer({
    state: createState(),
    log: store.log,
    fencingEpoch: store.fencingEpoch,
    projection: store.projection,
    now: Date.now,
    onFatal: (error) => {
      throw error;
    },
  });
  questions = createQuestions(sequencer, Date.now);
  await sequencer.submit({ type: 'log.open', at: clock, origin: 'test', ruleset: defaultRuleset });
  await sequencer.submit({ type: 'account.open', at: clock, account: ada });
  room = await openRoom();
});
afterEach(async () => {
  await room.close();
  await sequencer.close();
  await store.close();
  await rm(dataDir, { recursive: true, force: true });
});

function plainStore(): DiskArtifactStore {
  const specs = new JobSpecs(store.reads);
  const claims = new OutputClaims({
    path: join(dataDir, 'claims'),
    log: store.log,
    store: store.reads,
    index: store.artifacts,
    specs,
    onFailure: (error) => {
      throw error;
    },
  });
  const index = store.artifacts;
  const access = new ArtifactAccess({ index, questions, specs, claims });
  const folder = join(dataDir, 'artifacts');
  const now = () => clock;
  const staging = new Staging(join(folder, 'staging'), now);
  const brought = new BroughtOutputs(index, questions, new JobAccounts(store.reads));
  const space = new StorageSpace({
    limits: { maxArtifactBytes: 2 ** 30, accountBytes: 2 ** 30, totalBytes: 2 ** 30 },
    index,
    quota: new AccountQuota({ accountBytes: 2 ** 30, disk: endlessDisk, store: store.reads }),
    staging,
    brought,
    diskSpace: () => diskSpaceOf(folder),
  });
  const rights = new UploadRights(questions, specs);
  const settled = () => Promise.resolve();
  return new DiskArtifactStore({ folder, index, access, rights, brought, space, staging, now, settled });
}

it('goes on with an upload after a restart, and checks all of its bytes', async () => {
  const bytes = Buffer.from('the first half and the second half');
  const sha256 = hashOf(bytes);
  await room.artifacts.announce(party, sha256, bytes.length);
  await room.artifacts.append(party, sha256, 0, Readable.from([bytes.subarray(0, 10)]));
  await room.close();
  room = await openRoom();
  expect(await room.artifacts.status(party, sha256)).toMatchObject({ offset: 10, complete: false });
  const end = await room.artifacts.append(party, sha256, 10, Readable.from([bytes.subarray(10)]));
  expect(end).toMatchObject({ ok: true, value: { complete: true } });
});

it('finds out after a restart that the bytes were others', async () => {
  const bytes = Buffer.from('what was promised');
  const sha256 = hashOf(bytes);
  await room.artifacts.announce(party, sha256, bytes.length);
  await room.artifacts.append(party, sha256, 0, Readable.from([Buffer.from('WHAT')]));
  await room.close();
  room = await openRoom();
  const end = await room.artifacts.append(party, sha256, 4, Readable.from([bytes.subarray(4)]));
  expect(end).toMatchObject({ ok: false, refusal: { code: 'artifact.hash_mismatch' } });
  expect(await room.artifacts.status(party, sha256)).toBeUndefined();
});

it.each([
  ['completes', 'every byte of it', { ok: true, value: { complete: true } }],
  ['starts over with', 'not what it was', { ok: true, value: { offset: 0, complete: false } }],
])(
  '%s an upload whose last byte came before a restart, when it is announced again',
  async (_, staged, answer) => {
    const bytes = Buffer.from('every byte of it'.slice(0, staged.length));
    const sha256 = hashOf(bytes);
    await room.artifacts.announce(party, sha256, bytes.length);
    await room.close();
    // As a kill leaves it: all is written and nothing is checked.
    await writeFile(join(dataDir, 'artifacts', 'staging', ada, `${sha256}.${bytes.length}`), staged);
    room = await openRoom();
    expect(await room.artifacts.status(party, sha256)).toMatchObject({
      offset: bytes.length,
      complete: false,
    });
    const answers = await Promise.all([1, 2].map(() => room.artifacts.announce(party, sha256, bytes.length)));
    expect(answers).toContainEqual(expect.objectContaining({ ok: true }));
    expect(await room.artifacts.announce(party, sha256, bytes.length)).toMatchObject(answer);
  },
);

it('completes an upload that was moved to its place and not noted before a restart', async () => {
  const bytes = Buffer.from('checked and moved');
  const sha256 = hashOf(bytes);
  const moved = vi.spyOn(store.artifacts, 'markComplete').mockRejectedValueOnce(new Error('killed'));
  await room.artifacts.announce(party, sha256, bytes.length);
  await expect(room.artifacts.append(party, sha256, 0, Readable.from([bytes]))).rejects.toThrow('killed');
  await room.close();
  room = await openRoom();
  const stranger: ArtifactParty = { kind: 'account', account: 'acc_eve' as AccountId, operator: false };
  expect(await room.artifacts.status(stranger, sha256)).toBeUndefined();
  expect(moved).toHaveBeenCalledTimes(1);
  expect(await room.artifacts.status(party, sha256)).toMatchObject({ offset: bytes.length, complete: true });
  expect(await store.artifacts.get(sha256)).toMatchObject({ complete: true });
});

it('tries again to complete an upload whose reference could not be written', async () => {
  const bytes = Buffer.from('checked and not referred to');
  const sha256 = hashOf(bytes);
  vi.spyOn(store.artifacts, 'put').mockRejectedValueOnce(new Error('full'));
  await room.artifacts.announce(party, sha256, bytes.length);
  await expect(room.artifacts.append(party, sha256, 0, Readable.from([bytes]))).rejects.toThrow('full');
  expect(await room.artifacts.announce(party, sha256, bytes.length)).toMatchObject({
    ok: true,
    value: { complete: true },
  });
});

it('keeps everything together under the cap of the store', async () => {
  const put = async (length: number) => {
    const bytes = Buffer.alloc(length, `${length}`);
    const announced = await room.artifacts.announce(party, hashOf(bytes), length);
    return announced.ok ? room.artifacts.append(party, hashOf(bytes), 0, Readable.from([bytes])) : announced;
  };
  expect(await put(900)).toMatchObject({ ok: true });
  expect(await put(101)).toMatchObject({ ok: false, refusal: { code: 'artifact.store_full' } });
  expect(await put(100)).toMatchObject({ ok: true });
});

it('takes room from nobody for an announcement, and never more than there is by two uploads at once', async () => {
  const [one, two] = [Buffer.alloc(600, '1'), Buffer.alloc(600, '2')];
  for (const bytes of [one, two])
    expect(await room.artifacts.announce(party, hashOf(bytes), bytes.length)).toMatchObject({ ok: true });
  const chunk = (bytes: Buffer) => room.artifacts.append(party, hashOf(bytes), 0, Readable.from([bytes]));
  const answers = await Promise.all([chunk(one), chunk(two)]);
  expect(answers).toContainEqual(expect.objectContaining({ ok: true }));
  expect(answers.find(({ ok }) => !ok)).toMatchObject({ refusal: { code: 'artifact.store_full' } });
  expect(await store.artifacts.totalBytes()).toBe(600);
});

it('lets a consumer have a bounded number of uploads under way', async () => {
  const announce = (n: number) => room.artifacts.announce(party, hashOf(Buffer.from(`${n}`)), 1);
  const answers = await Promise.all(Array.from({ length: maxOpenUploads + 20 }, (_, n) => announce(n)));
  expect(answers.filter(({ ok }) => ok)).toHaveLength(maxOpenUploads);
  expect(await announce(-1)).toMatchObject({ ok: false, refusal: { code: 'request.rate_limited' } });
  const taken = Buffer.from(`${answers.findIndex(({ ok }) => ok)}`);
  await room.artifacts.append(party, hashOf(taken), 0, Readable.from([taken.subarray(0, 1)]));
  expect(await announce(-1)).toMatchObject({ ok: true });
});

it('lets one request write an upload at a time, and a newer one take over from one that is silent', async () => {
  const bytes = Buffer.from('0123456789');
  const sha256 = hashOf(bytes);
  await room.artifacts.announce(party, sha256, bytes.length);
  const silent = new Readable({ read: () => undefined });
  const first = room.artifacts.append(party, sha256, 0, silent);
  first.catch(() => undefined);
  silent.push(bytes.subarray(0, 4));
  await expect.poll(async () => (await room.artifacts.status(party, sha256))?.offset).toBe(4);
  const early = await room.artifacts.append(party, sha256, 4, Readable.from([bytes.subarray(4)]));
  expect(early).toMatchObject({ ok: false, refusal: { code: 'artifact.offset_mismatch' } });
  clock += 10_000;
  const late = await room.artifacts.append(party, sha256, 4, Readable.from([bytes.subarray(4)]));
  expect(late).toMatchObject({ ok: true, value: { complete: true } });
  expect(await first).toMatchObject({ ok: false, refusal: { code: 'artifact.offset_mismatch' } });
});

it('drops uploads that have rested for minutes and content without a reference, and nothing else', async () => {
  const disk = plainStore();
  await disk.restore();
  const put = async (text: string): Promise<Sha256Hex> => {
    const bytes = Buffer.from(text);
    await disk.announce(party, hashOf(bytes), bytes.length);
    await disk.append(party, hashOf(bytes), 0, Readable.from([bytes]));
    return hashOf(bytes);
  };
  const kept = await put('kept');
  const partial = Buffer.from('partial');
  await disk.announce(party, hashOf(partial), partial.length);
  await disk.append(party, hashOf(partial), 0, Readable.from([partial.subarray(0, 4)]));
  const signal = new AbortController().signal;
  clock += idleUploadMs - 1000;
  expect(await disk.collect(signal)).toEqual({ uploads: 0, artifacts: 0 });
  // Whoever asks how far it has come goes on with it.
  expect(await disk.announce(party, hashOf(partial), partial.length)).toMatchObject({ value: { offset: 4 } });
  clock += idleUploadMs - 1000;
  expect(await disk.collect(signal)).toEqual({ uploads: 0, artifacts: 0 });
  clock += 2000;
  await disk.release(party, await put('dropped'));
  clock += 1;
  expect(await disk.collect(signal)).toEqual({ uploads: 1, artifacts: 1 });
  expect(await disk.status(party, kept)).toMatchObject({ complete: true });
  expect(await disk.status(party, hashOf(partial))).toBeUndefined();
  const files = await readdir(join(dataDir, 'artifacts'), { recursive: true });
  expect(files.filter((name) => /[0-9a-f]{64}/.test(name)).map((name) => name.split('/').at(-1))).toEqual([
    kept,
  ]);
  // Its sender is sent back to the beginning, and gets there.
  const late = await disk.append(party, hashOf(partial), 4, Readable.from([partial.subarray(4)]));
  expect(late).toMatchObject({ ok: false, refusal: { code: 'artifact.offset_mismatch' } });
  expect(await disk.announce(party, hashOf(partial), partial.length)).toMatchObject({ value: { offset: 0 } });
});

it('keeps content that is uploaded again while nobody refers to it', async () => {
  const disk = plainStore();
  await disk.restore();
  const bytes = Buffer.from('again and again');
  const signal = new AbortController().signal;
  for (let round = 0; round < 20; round++) {
    await disk.announce(party, hashOf(bytes), bytes.length);
    const [put] = await Promise.all([
      disk.append(party, hashOf(bytes), 0, Readable.from([bytes])),
      disk.collect(signal),
    ]);
    expect(put).toMatchObject({ ok: true, value: { complete: true } });
    const opened = await disk.open(party, hashOf(bytes));
    if (!opened.ok) throw new Error(opened.refusal.message);
    expect(Buffer.concat(await opened.value.read(0, bytes.length - 1).toArray())).toEqual(bytes);
    await disk.release(party, hashOf(bytes));
  }
});

it('drops what it does not know from the staging folder', async () => {
  await room.artifacts.announce(party, hashOf(Buffer.from('x')), 1);
  const stray = join(dataDir, 'artifacts', 'staging', ada, 'stray');
  await writeFile(stray, 'x');
  await room.close();
  room = await openRoom();
  await expect(stat(stray)).rejects.toThrow(/ENOENT/);
});

it('bounds a log, refuses gaps, and removes those that are old', async () => {
  const task = `job_${'a'.repeat(20)}.0` as TaskId;
  const other = `job_${'b'.repeat(20)}.0` as TaskId;
  const folderOfLogs = join(dataDir, 'logs');
  const book = new LogBook({
    folder: folderOfLogs,
    jobBytes: 2 ** 30,
    disk: endlessDisk,
    accountOf: () => Promise.resolve(ada),
    usedBeside: () => Promise.resolve(0),
    left: () => 2 ** 30,
  });
  const logs = new DiskTaskLogs(folderOfLogs, book);
  expect(await logs.extent(task, 1)).toEqual({ sizeBytes: 0, final: false });
  await logs.append(other, 1, { offset: 0, bytes: Buffer.from('new'), final: false });
  await logs.append(task, 1, { offset: 0, bytes: Buffer.from('one'), final: false });
  expect(await logs.append(task, 1, { offset: 4, bytes: Buffer.from('x'), final: false })).toMatchObject({
    ok: false,
  });
  const huge = await logs.append(task, 1, { offset: 3, bytes: Buffer.alloc(maxLogBytes), final: false });
  expect(huge).toMatchObject({ ok: false, refusal: { code: 'request.too_large' } });
  expect(await logs.append(task, 1, { offset: 3, bytes: Buffer.from(''), final: true })).toMatchObject({
    ok: true,
  });
  expect(await logs.extent(task, 1)).toEqual({ sizeBytes: 3, final: true });
  expect(Buffer.from(await logs.read(task, 1, 1, 100)).toString()).toBe('ne');
  const folder = join(dataDir, 'logs', task.split('.')[0] as JobId);
  for (const path of [folder, join(folder, '0-1.final.log')]) await utimes(path, 1, 1);
  expect(await logs.collect(clock - dayMs, new AbortController().signal)).toBe(1);
  expect(await readdir(join(dataDir, 'logs'))).toEqual([other.split('.')[0]]);
});

it('takes two appends of one log that come at once one after the other', async () => {
  const task = `job_${'a'.repeat(20)}.0` as TaskId;
  const results = await Promise.all([
    room.logs.append(task, 1, { offset: 0, bytes: Buffer.from('ab'), final: false }),
    room.logs.append(task, 1, { offset: 2, bytes: Buffer.from('cd'), final: false }),
  ]);
  expect(results.map((result) => result.ok)).toEqual([true, true]);
});

it('keeps the end of a long log behind a gap, and says where it goes on', async () => {
  const task = `job_${'a'.repeat(20)}.0` as TaskId;
  const put = (offset: number, text: string, more: object = {}) =>
    room.logs.append(task, 1, { offset, bytes: Buffer.from(text), final: false, ...more });
  const read = async (offset: number) => Buffer.from(await room.logs.read(task, 1, offset, 100)).toString();
  expect(await put(90, 'end', { gapFrom: 0 })).toMatchObject({ ok: false });
  await put(0, 'beginning');
  expect(await put(90, 'end', { gapFrom: 10 })).toMatchObject({ ok: false });
  expect(await put(90, 'the ', { gapFrom: 5 })).toMatchObject({ ok: true, value: { sizeBytes: 94 } });
  // As an agent that has started again asks how far it had come.
  expect(await put(0, 'beginning')).toMatchObject({ ok: false });
  expect(await put(90, 'the end', { gapFrom: 5 })).toMatchObject({ ok: false });
  expect(await room.logs.extent(task, 1)).toEqual({ sizeBytes: 94, final: false, gap: { from: 5, to: 90 } });
  expect(await put(94, 'end', { gapFrom: 5, final: true })).toMatchObject({ ok: true });
  expect(await room.logs.extent(task, 1)).toEqual({ sizeBytes: 97, final: true, gap: { from: 5, to: 90 } });
  expect([await read(0), await read(3), await read(5), await read(89), await read(92)]).toEqual([
    'begin',
    'in',
    '',
    '',
    'e end',
  ]);
  const full = await put(97, 'x'.repeat(12 * 2 ** 20 + 4096), { gapFrom: 5 });
  expect(full).toMatchObject({ ok: false });
});
