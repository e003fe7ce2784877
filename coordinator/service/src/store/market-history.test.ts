import type { Command } from '@capacloud/core/contract/command';
import type { Device } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Page, PriceRow, ReadStore, TradeRow } from '../ports/read-store.ts';
import { consumer, jobNamed, nodeNamed, temporaryFolder, termsOf, Workload } from '../testing/workload.ts';
import { databasePath } from './open-database.ts';
import { openStore } from './store.ts';

const gpu = (id: string, model: string): Device => ({
  id,
  vendor: 'nvidia',
  model,
  memoryBytes: 2 ** 34,
  health: 'healthy',
  shareable: true,
});
const hourMs = 3_600_000;

async function everything<T>(
  list: (page: { limit: number; cursor?: string }) => Promise<Page<T> | undefined>,
) {
  const items: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await list({ limit: 7, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...(page?.items ?? []));
    if (page?.next === undefined) return items;
    cursor = page.next;
  }
}

async function marketOf(reads: ReadStore) {
  return {
    trades: await everything<TradeRow>((page) => reads.listTrades(page)),
    hours: await everything<PriceRow>((page) => reads.listPrices({ span: 'hour' }, page)),
    days: await everything<PriceRow>((page) => reads.listPrices({ span: 'day' }, page)),
  };
}

/** Nodes with processors alone, with one kind of device and with two; tasks that end in every way, over some days. */
async function trade(path: string): Promise<void> {
  const work = await Workload.open(path);
  if (work.sequencer.state.nodes.size === 0) await work.prepare(1);
  const offer = work.sequencer.state.nodes.get(nodeNamed(0))?.offer;
  if (offer === undefined) throw new Error('no node');
  for (const [n, models] of [
    ['a100', 'a100'],
    ['a100', 'l40'],
  ].entries())
    await work.send({
      type: 'node.connect',
      at: work.at,
      node: nodeNamed(n + 1),
      provider: `0x${`${n + 1}`.repeat(40)}` as AccountId,
      accepting: true,
      held: [],
      offer: {
        ...offer,
        devices: models.map((model, i) => gpu(`GPU-${n}-${i}`, model)),
        ask: { ...offer.ask, deviceHourNano: `${(n + 1) * 5_000_000}` },
      },
    });
  const unfinished: Command[] = [];
  const stop = work.sequencer.onCommitted((events) => {
    for (const { event, index } of events) {
      if (event.type !== 'attempt.assigned') continue;
      const { node, task, attempt } = event;
      const at = work.at + (index % 50) * 60_000;
      work.at = at + 1000 * (index % 700);
      void work.send({ type: 'attempt.progress', at, node, task, attempt, stage: 'running' });
      const reason = index % 4 === 0 ? 'exit_nonzero' : 'completed';
      const receipt = sha256Hex(task);
      const end: Command = {
        type: 'attempt.finish',
        at: work.at,
        node,
        task,
        attempt,
        reason,
        exitCode: 0,
        receipt,
        claimedRunMs: 1e9,
      };
      // One in five is cancelled under its attempt.
      if (index % 5 > 0) void work.send(end);
      else unfinished.push(end);
    }
  });
  const { resources } = termsOf(1);
  const first = work.sequencer.state.jobSeq;
  for (const [i, devices] of [
    undefined,
    { count: 1 },
    { count: 2 },
    { count: 1, shareMilli: 250 },
    { count: 1, models: ['l40'] },
  ].entries()) {
    const holdNano = i === 1 ? 300n : 10n ** 9n;
    const changes = { holdNano, resources: { ...resources, ...(devices === undefined ? {} : { devices }) } };
    await work.submitJob(6, changes);
    for (let round = 0; round < 20; round++) {
      work.at += 5000;
      await work.send({ type: 'place', at: work.at });
    }
    await work.send({ type: 'job.cancel', at: work.at, job: jobNamed(first + i + 1), consumer });
    for (const end of unfinished.splice(0)) await work.send({ ...end, at: work.at });
    work.at += 11 * hourMs;
  }
  stop();
  await work.close();
}

it('keeps trades and prices, which agree with one another and with what the log tells an older database', async () => {
  using folder = temporaryFolder();
  await trade(folder.path);
  await trade(folder.path);
  const store = await openStore(folder.path);
  const market = await marketOf(store.reads);
  const l40 = await store.reads.listPrices({ span: 'day', deviceClass: 'l40' }, { limit: 50 });
  await store.close();
  const classes = new Set(market.trades.map(({ deviceClass }) => deviceClass));
  expect([...classes].sort()).toEqual(['a100', 'a100 + l40', 'cpu', 'l40']);
  expect(new Set(market.trades.map(({ reason }) => reason))).toContain('cancelled');
  expect(l40?.items).toEqual(market.days.filter(({ deviceClass }) => deviceClass === 'l40'));
  expect(market.days.length).toBeGreaterThan(4);
  for (const [buckets, ms] of [
    [market.hours, hourMs],
    [market.days, 24 * hourMs],
  ] as const) {
    expect(buckets.map(({ from }) => from)).toEqual(buckets.map(({ from }) => from).sort((a, b) => b - a));
    let trades = 0;
    for (const bucket of buckets) {
      const inIt = market.trades.filter(
        ({ deviceClass, endedAt, meteredMs }) =>
          meteredMs !== undefined &&
          deviceClass === bucket.deviceClass &&
          Math.floor(endedAt / ms) * ms === bucket.from,
      );
      const units = inIt.map(({ unitRateNano }) => unitRateNano);
      trades += bucket.trades;
      expect(bucket.trades).toBe(inIt.length);
      expect(bucket.chargedNano).toBe(inIt.reduce((sum, { chargedNano }) => sum + chargedNano, 0n));
      expect(units.every((nano) => nano >= bucket.minNano && nano <= bucket.maxNano)).toBe(true);
      expect(units).toEqual(expect.arrayContaining([bucket.minNano, bucket.maxNano]));
      const mean = bucket.meanNano ?? bucket.minNano;
      expect(mean >= bucket.minNano && mean <= bucket.maxNano).toBe(true);
    }
    expect(trades).toBe(market.trades.filter(({ payNano }) => payNano > 0n).length);
  }

  const database = new Database(databasePath(folder.path));
  const counting = database
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%kept_bytes%'")
    .pluck()
    .all();
  for (const trigger of counting) database.exec(`DROP TRIGGER ${trigger}`);
  database.exec('DROP TABLE kept_bytes; DROP INDEX late_receipts_of_event; DROP INDEX artifact_refs_of_job');
  database.exec(`DROP TABLE price_buckets; DROP TABLE device_classes; ALTER TABLE attempts DROP COLUMN class;
    ALTER TABLE attempts DROP COLUMN units; ALTER TABLE attempts DROP COLUMN pay_nano; DROP TABLE task_checkpoints; DROP TABLE left_outputs; DROP TABLE brought_outputs;
    ALTER TABLE nodes RENAME TO new_nodes;
    CREATE TABLE nodes (num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, provider INTEGER NOT NULL, status INTEGER NOT NULL,
      cause TEXT NOT NULL, accepting INTEGER NOT NULL, offer TEXT, joined_at INTEGER NOT NULL) STRICT;
    INSERT INTO nodes SELECT n.num, n.id, a.num, n.status, n.cause, n.accepting, n.offer, n.joined_at
      FROM new_nodes n JOIN accounts a ON a.id = n.provider;
    DROP TABLE new_nodes;
    PRAGMA user_version = 4`);
  database.close();
  const upgraded = await openStore(folder.path);
  expect(await marketOf(upgraded.reads)).toEqual(market);
  await upgraded.close();
});
