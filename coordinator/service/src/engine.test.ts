import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { stateHash } from '@capacloud/core/snapshot';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { printStateHash } from './cli/state-hash.ts';
import { type Engine, openEngine } from './engine.ts';
import { replay } from './log/replay.ts';
import { type NewSnapshot, SnapshotFiles } from './log/snapshot-files.ts';
import { consumer, jobNamed, temporaryFolder, termsOf } from './testing/workload.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

const forever = AbortSignal.any([]);

function start(changes: { readonly name?: string; readonly feeBasisPoints?: number } = {}): Promise<Engine> {
  const { name = 'log.test', feeBasisPoints = 300 } = changes;
  return openEngine({
    config: {
      name,
      dataDir: folder.path,
      ruleset: { ...defaultRuleset, feeBasisPoints },
      snapshotEvents: 1000,
    },
    logger: pino({ level: 'silent' }),
    now: Date.now,
    signal: forever,
    onFatal: (error) => {
      throw error;
    },
  });
}

async function work({ sequencer }: Engine): Promise<void> {
  const at = Date.now();
  if (!sequencer.state.accounts.has(consumer)) {
    await sequencer.submit({ type: 'account.open', at, account: consumer });
    await sequencer.submit({
      type: 'account.credit',
      at,
      account: consumer,
      amountNano: 10n ** 12n,
      ref: 'a',
    });
  }
  for (let i = 0; i < 5; i++) {
    const job = jobNamed(sequencer.state.jobSeq + 1);
    await sequencer.submit({ type: 'job.submit', at, job, consumer, terms: termsOf(3) });
  }
}

async function printed(): Promise<unknown> {
  let text = '';
  await printStateHash(folder.path, { write: (part) => (text += part) });
  return JSON.parse(text);
}

it('comes back from a snapshot and the tail as from the whole log', async () => {
  const engine = await start();
  await work(engine);
  await engine.close();
  const again = await start();
  await work(again);
  const digest = await again.sequencer.digest();
  const replayed = await replay(again.store.log, [], forever);
  expect(stateHash(replayed.state)).toBe(digest.hash);
  const newest = [...new SnapshotFiles(folder.path).list(digest.size, () => newestRoot())];
  const tailed = await replay(again.store.log, newest, forever);
  expect(tailed.from).toBeGreaterThan(0);
  expect(tailed.from).toBeLessThan(digest.size);
  expect(stateHash(tailed.state)).toBe(digest.hash);
  // An auditor reads the log of the running coordinator.
  expect(await printed()).toMatchObject(digest);
  await again.close();
});

function snapshotNames(): readonly string[] {
  return readdirSync(join(folder.path, 'snapshots')).sort();
}

function newestRoot(): string {
  const text = readFileSync(join(folder.path, 'snapshots', snapshotNames().at(-1) ?? ''), 'utf8');
  return text.slice(0, text.indexOf('\n')).split(' ')[1] ?? '';
}

function snapshot(size: number, root: string, text = '{}'): NewSnapshot {
  return { size, root: () => Promise.resolve(root), write: (take) => take(text) };
}

it('passes over a damaged snapshot, one of another log and one that it cannot read', async () => {
  const engine = await start();
  await work(engine);
  const { hash } = await engine.sequencer.digest();
  await engine.close();
  const path = join(folder.path, 'snapshots', snapshotNames().at(-1) ?? '');
  const text = readFileSync(path, 'utf8');
  const files = new SnapshotFiles(folder.path);
  const size = Number(snapshotNames().at(-1)?.slice(0, 16));
  for (const damaged of [text.slice(0, -5), text.replace('acc_ada', 'acc_eve'), 'not a snapshot', '']) {
    writeFileSync(path, damaged);
    const again = await start();
    expect((await again.sequencer.digest()).hash).toBe(hash);
    await again.close();
  }
  await files.save(snapshot(size, '00'.repeat(32)));
  const other = await start();
  expect((await other.sequencer.digest()).hash).toBe(hash);
  await other.close();
  await files.save(snapshot(size, newestRoot(), '{"version":99}'));
  const newer = await start();
  expect((await newer.sequencer.digest()).hash).toBe(hash);
  await newer.close();
});

it('writes a snapshot a record a line, and reads one that an older release wrote as one line', async () => {
  const engine = await start();
  await work(engine);
  const { hash, size } = await engine.sequencer.digest();
  const { accounts, jobs, nodes } = engine.sequencer.state;
  await engine.close();
  const path = join(folder.path, 'snapshots', snapshotNames().at(-1) ?? '');
  const [header, ...lines] = readFileSync(path, 'utf8').split('\n');
  const records = lines.filter((line) => line.startsWith('{') && line !== '{"accounts":[');
  expect(records).toHaveLength(accounts.size + jobs.size + nodes.size);
  expect(Math.min(accounts.size, jobs.size)).toBeGreaterThan(0);
  await new SnapshotFiles(folder.path).save(snapshot(size, header?.split(' ')[1] ?? '', lines.join('')));
  const again = await start();
  expect(await again.sequencer.digest()).toEqual({ hash, size });
  await again.close();
});

it('keeps a bounded number of snapshots', async () => {
  const root = 'ab'.repeat(32);
  const files = new SnapshotFiles(folder.path);
  for (const size of [10, 200, 3000, 40_000]) await files.save(snapshot(size, root));
  expect(snapshotNames()).toEqual(['0000000000003000.json', '0000000000040000.json']);
  expect([...files.list(5000, () => root)].map(({ size }) => size)).toEqual([3000]);
});

it('writes the rules into the log when they change, and only then', async () => {
  await (await start()).close();
  const changed = await start({ feeBasisPoints: 250 });
  expect(changed.sequencer.state.ruleset.feeBasisPoints).toBe(250);
  expect(changed.store.log.size()).toBe(2);
  await changed.close();
  const same = await start({ feeBasisPoints: 250 });
  expect(same.store.log.size()).toBe(2);
  await same.close();
});

it('refuses the data folder of another coordinator', async () => {
  await (await start()).close();
  await expect(start({ name: 'other.test' })).rejects.toMatchObject({ code: 'log.foreign' });
  const engine = await start();
  await engine.transparency.checkpoint();
  await engine.close();
  await expect(start({ name: 'other.test' })).rejects.toMatchObject({ code: 'log.foreign' });
});

it('lets time pass once the clock is started', async () => {
  const engine = await start();
  await work(engine);
  let asked = 0;
  const ticked = new Promise<void>((resolve) => {
    engine.startClock(() => {
      asked += 1;
      resolve();
      return new Map();
    });
  });
  await ticked;
  expect(asked).toBe(1);
  await engine.close();
});
