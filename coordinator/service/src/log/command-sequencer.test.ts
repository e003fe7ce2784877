import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EventOf } from '@capacloud/core/contract/event';
import { checkInvariants } from '@capacloud/core/invariants';
import { encodeState, stateHash } from '@capacloud/core/snapshot';
import type { TaskId } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LogGroup, LogPort } from '../ports/log.ts';
import type { CommittedEvent } from '../ports/sequencer.ts';
import { expectProjectionsEqual } from '../testing/compare-projections.ts';
import {
  consumer,
  jobNamed,
  nodeNamed,
  receiptTextOf,
  temporaryFolder,
  unsignedReceipt,
  Workload,
} from '../testing/workload.ts';
import { replay } from './replay.ts';
import { sequencerLimits } from './sequencer-limits.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

/** Passes everything on, and lets a test hold a group back, fail it, or look at it. */
function tap(log: LogPort, onAppend: (group: LogGroup) => Promise<void> | void): LogPort {
  return {
    async append(group, epoch) {
      await onAppend(group);
      await log.append(group, epoch);
    },
    read: (from, limit) => log.read(from, limit),
    follow: (from, signal) => log.follow(from, signal),
    size: () => log.size(),
  };
}

async function settled(work: Workload, jobs: number): Promise<void> {
  await vi.waitFor(() => {
    expect(work.failures).toEqual([]);
    expect(work.sequencer.state.jobSeq).toBe(jobs);
    expect(work.sequencer.state.jobs.size).toBe(0);
  }, 10_000);
  await work.sequencer.digest();
}

describe('a run of jobs', () => {
  it('leaves tables equal to the state, and a log that replays to the same hash', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(5);
    const stop = work.follow(({ index }) => (index % 3 === 0 ? 'exit_nonzero' : 'completed'));
    await Promise.all([work.submitJob(40), work.submitJob(1), work.submitJob(300)]);
    await vi.waitFor(() => expect(work.sequencer.state.jobs.size).toBeLessThan(3), 10_000);
    stop();
    await work.send({ type: 'job.cancel', at: work.at, job: jobNamed(3), consumer });
    await work.submitJob(9, { maxRateNano: 1n });
    await work.submitJob(12);
    const { size, hash } = await work.sequencer.digest();
    checkInvariants(work.sequencer.state);
    await expectProjectionsEqual(work.store.reads, work.sequencer.state);
    const { state } = await replay(work.store.log, [], AbortSignal.any([]));
    expect(stateHash(state)).toBe(hash);
    await work.close();

    const again = await Workload.open(folder.path);
    expect(await again.sequencer.digest()).toEqual({ size, hash });
    again.follow();
    await again.submitJob(2);
    await expectProjectionsEqual(again.store.reads, again.sequencer.state);
    await again.close();
  });

  it('gives history to readers: tasks, attempts, receipts, ledger', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(2);
    work.follow(() => 'exit_nonzero');
    await work.submitJob(1, { maxAttempts: 2 });
    const task = `${jobNamed(1)}.0` as TaskId;
    await vi.waitFor(async () => expect(await work.store.reads.listAttempts(task)).toHaveLength(1), 10_000);
    work.at += 5_000;
    await work.send({ type: 'tick', at: work.at, heard: new Map(), listeningSince: 0 });
    await settled(work, 1);
    const { reads } = work.store;
    expect(await reads.getTask(task)).toMatchObject({
      state: 'failed',
      reason: 'exit_nonzero',
      attempts: 2,
      exitCode: 3,
      chargedNano: 0n,
    });
    expect(await reads.listAttempts(task)).toMatchObject([
      { attempt: 1, state: 'ended', reason: 'exit_nonzero', receipt: sha256Hex(receiptTextOf(task)) },
      { attempt: 2, state: 'ended', reason: 'exit_nonzero' },
    ]);
    expect(await reads.getReceipt(task, 2)).toMatchObject({ hash: sha256Hex(receiptTextOf(task)) });
    expect(await reads.getJob(jobNamed(1))).toMatchObject({
      state: 'failed',
      heldNano: 0n,
      image: 'local/test:1',
    });
    const page = await reads.listLedgerEntries(consumer, { limit: 2 });
    expect(page?.items.map(({ kind, deltaNano }) => [kind, deltaNano])).toEqual([
      ['void', 10n ** 6n],
      ['hold', -(10n ** 6n)],
    ]);
    expect(await reads.listJobs(consumer, { state: 'failed' }, { limit: 5 })).toMatchObject({
      items: [{ id: jobNamed(1) }],
    });
    expect(await reads.listJobs(consumer, { state: 'queued' }, { limit: 5 })).toEqual({
      items: [],
      cursors: [],
    });
    expect(await reads.listJobs(consumer, {}, { limit: 5, cursor: 'x' })).toBeUndefined();
    await work.close();
  });
});

it('finds the receipt of every attempt, also of one that had ended before its node had a word', async () => {
  const work = await Workload.open(folder.path);
  await work.prepare(1);
  const assigned: EventOf<'attempt.assigned'>[] = [];
  work.sequencer.onCommitted((events) => {
    for (const { event } of events) if (event.type === 'attempt.assigned') assigned.push(event);
  });
  const finish = async (reason: 'exit_nonzero' | 'stopped', text: string) => {
    const { task, attempt, node } = assigned.at(-1) as EventOf<'attempt.assigned'>;
    const receipt = sha256Hex(text);
    await work.sequencer.submit(
      { type: 'attempt.finish', at: work.at, node, task, attempt, reason, receipt, claimedRunMs: 0 },
      (events) => unsignedReceipt(events, task, attempt, text),
    );
  };
  await work.submitJob(1, { maxAttempts: 3 });
  for (const attempt of [1, 2]) {
    await vi.waitFor(() => expect(assigned.at(-1)?.attempt).toBe(attempt), 10_000);
    await finish('exit_nonzero', `{"attempt":${attempt}}`);
    work.at += 60_000;
    await work.send({
      type: 'tick',
      at: work.at,
      heard: new Map([[nodeNamed(0), { lastAt: work.at, sinceAt: work.at }]]),
      listeningSince: 0,
    });
  }
  await vi.waitFor(() => expect(assigned.at(-1)?.attempt).toBe(3), 10_000);
  await work.send({ type: 'job.cancel', at: work.at, job: jobNamed(1), consumer });
  const { reads } = work.store;
  const task = `${jobNamed(1)}.0` as TaskId;
  expect(await reads.getReceipt(task, 3)).toBeUndefined();
  await finish('stopped', '{"late":true}');
  expect(work.sequencer.state.jobs.size).toBe(0);
  const texts = ['{"attempt":1}', '{"attempt":2}', '{"late":true}'];
  expect((await reads.listAttempts(task)).map(({ receipt }) => receipt)).toEqual(texts.map(sha256Hex));
  for (const [index, text] of texts.entries())
    expect((await reads.getReceipt(task, index + 1))?.hash).toBe(sha256Hex(text));
  expect(await reads.getReceipt(task, 4)).toBeUndefined();
  await work.close();
});

describe('commit, then speak', () => {
  it('tells nobody before the group is durable, and listeners before callers', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const work = await Workload.open(folder.path, { wrap: (log) => tap(log, () => held) });
    const order: string[] = [];
    work.sequencer.onCommitted(() => order.push('listener'));
    const told = work.prepare(1).then(() => order.push('caller'));
    await vi.waitFor(() => expect(work.sequencer.state.nodes.size).toBe(1), 10_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    release();
    await told;
    expect(order).toEqual(['listener', 'caller']);
    await work.close();
  });

  it('stops for good when an append fails: nothing is told, once it is reported', async () => {
    let failing = false;
    const work = await Workload.open(folder.path, {
      wrap: (log) =>
        tap(log, () => {
          if (failing) throw new Error('disk on fire');
        }),
    });
    await work.prepare(1);
    failing = true;
    const told: unknown[] = [];
    void work.submitJob(1).then((outcome) => told.push(outcome));
    await vi.waitFor(() => expect(work.failures).toHaveLength(1), 10_000);
    void work.submitJob(1).then((outcome) => told.push(outcome));
    void work.sequencer.digest().then((digest) => told.push(digest));
    await new Promise((resolve) => setImmediate(resolve));
    expect(work.failures.map(String)).toEqual(['Error: disk on fire']);
    expect(told).toEqual([]);
    await work.store.close();
    const again = await Workload.open(folder.path);
    expect(again.sequencer.state.jobs.size).toBe(0);
    await again.close();
  });

  it('stops when the lease was taken over', async () => {
    const work = await Workload.open(folder.path, {
      wrap: (log) => ({
        append: (group, epoch) => log.append(group, epoch - 1),
        read: (from, limit) => log.read(from, limit),
        follow: (from, signal) => log.follow(from, signal),
        size: () => log.size(),
      }),
    });
    void work.prepare(1);
    await vi.waitFor(() => expect(work.failures.map(String).join()).toContain('deposed'), 10_000);
    expect(work.store.log.size()).toBe(0);
    await work.store.close();
  });

  it('refuses commands that would wait beyond the bound, and takes them again later', async () => {
    const limits = { ...sequencerLimits, waitingCommands: 8 };
    const work = await Workload.open(folder.path, { limits });
    await work.prepare(1);
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => work.submitJob(1)));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(8);
    expect(outcomes.at(-1)).toMatchObject({ ok: false, refusal: { code: 'service.overloaded' } });
    expect(await work.submitJob(1)).toMatchObject({ ok: true });
    const tight = { ...sequencerLimits, waitingBytes: 1 };
    await work.close();
    const narrow = await Workload.open(folder.path, { limits: tight });
    const [first, second] = await Promise.all([narrow.submitJob(1), narrow.submitJob(1)]);
    expect([first.ok, second.ok]).toEqual([true, false]);
    await narrow.close();
  });

  it('keeps groups within their bounds, in order and without gaps', async () => {
    const groups: LogGroup[] = [];
    const limits = { ...sequencerLimits, groupEvents: 10 };
    const work = await Workload.open(folder.path, {
      limits,
      wrap: (log) =>
        tap(log, (group) => {
          groups.push(group);
        }),
    });
    const seen: CommittedEvent[] = [];
    work.sequencer.onCommitted((events) => seen.push(...events));
    await work.prepare(3);
    await Promise.all(Array.from({ length: 50 }, () => work.submitJob(1)));
    await work.sequencer.digest();
    expect(seen.map(({ index }) => index)).toEqual(seen.map((_, position) => position));
    expect(groups.length).toBeGreaterThan(5);
    // One command's events are never split, and a node's connection makes a few.
    for (const group of groups.slice(0, -1)) expect(group.count).toBeLessThan(10 + 16);
    await work.close();
  });

  it('takes nothing more once it closes, and finishes what it has', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(1);
    const last = work.submitJob(3);
    const closed = work.sequencer.close();
    expect(await work.submitJob(1)).toMatchObject({ ok: false, refusal: { code: 'service.draining' } });
    await closed;
    expect(await last).toMatchObject({ ok: true });
    await work.store.close();
  });
});

it('loses nothing that was acknowledged when it is killed in the middle of groups', async () => {
  const script = fileURLToPath(new URL('../testing/kill-victim.ts', import.meta.url));
  for (const lines of [5, 40, 90]) {
    const child = spawn(process.execPath, ['--conditions=@capacloud/source', script, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let acknowledged = -1;
    let count = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Math.max(acknowledged, Number(line));
      count += 1;
      if (count === lines) child.kill('SIGKILL');
    }
    expect((await ended)[1]).toBe('SIGKILL');
    const work = await Workload.open(folder.path);
    expect(work.store.log.size()).toBeGreaterThan(acknowledged);
    checkInvariants(work.sequencer.state);
    await expectProjectionsEqual(work.store.reads, work.sequencer.state);
    const { state } = await replay(work.store.log, [], AbortSignal.any([]));
    expect(encodeState(state)).toBe(encodeState(work.sequencer.state));
    await work.close();
  }
}, 60_000);
