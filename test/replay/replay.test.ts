import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Event } from '@capacloud/core/contract/event';
import { checkInvariants } from '@capacloud/core/invariants';
import { apply } from '@capacloud/core/machine';
import { decodeState, encodeState, stateHash } from '@capacloud/core/snapshot';
import { createState } from '@capacloud/core/state';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { runCommand } from '@capacloud/rig/network/network-rig';
import { readEntries } from '@capacloud/rig/network/public-log';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingCourses } from './courses.ts';
import {
  type EventfulLife,
  eventTypes,
  liveEventfully,
  parseEntries,
  releasedTypes,
} from './eventful-life.ts';
import { replayEntries } from './replay-entries.ts';

const fixtures = join(repositoryRoot, 'test', 'fixtures');
const coordinatorMain = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const folders = (await readdir(fixtures)).filter((name) => name.startsWith('log-'));

async function readFixture(name: string): Promise<{
  readonly entries: readonly string[];
  readonly expected: { readonly size: number; readonly root: string; readonly hash: string };
}> {
  const text = await readFile(join(fixtures, name, 'entries.ndjson'), 'utf8');
  const expected = JSON.parse(await readFile(join(fixtures, name, 'expected.json'), 'utf8')) as never;
  return { entries: text.trimEnd().split('\n'), expected };
}

function typesOf(events: readonly Event[]): readonly string[] {
  return [...new Set(events.map(({ type }) => type))].sort();
}

describe.each(folders)('the log of a release: %s', (name) => {
  it('replays to the state and the root that were recorded', async () => {
    const { entries, expected } = await readFixture(name);
    const { size, root, hash } = replayEntries(entries);
    expect({ size, root, hash }).toEqual(expected);
  });

  it('is written as it was hashed', async () => {
    const { entries } = await readFixture(name);
    for (const entry of entries) expect(canonicalJson(JSON.parse(entry))).toBe(entry);
  });

  it('gives the same state from a snapshot at any place', async () => {
    const { entries, expected } = await readFixture(name);
    const events = parseEntries(entries);
    const state = createState();
    for (const [index, event] of events.entries()) {
      if (index % 7 === 1) {
        checkInvariants(state);
        const restored = decodeState(encodeState(state));
        for (const later of events.slice(index)) apply(restored, later);
        expect(stateHash(restored)).toBe(expected.hash);
      }
      apply(state, event);
    }
  });
});

it('is recorded with every type of event that a release wrote', async () => {
  const fixed = await Promise.all(folders.map(readFixture));
  expect(typesOf(fixed.flatMap(({ entries }) => parseEntries(entries)))).toEqual([...releasedTypes].sort());
});

it('is recorded with every course that a log has to hold', async () => {
  const { entries } = await readFixture('log-0.3');
  expect(missingCourses(parseEntries(entries))).toEqual([]);
});

describe('a log that is being written', () => {
  let dir: string;
  let life: EventfulLife;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cc-life-'));
    life = await liveEventfully(dir);
  });
  afterAll(async () => {
    await life.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('tells all that led to the state of the process', async () => {
    const { operator } = life.coordinator;
    const live = await operator.call('getStateHash', {});
    const entries = await readEntries(operator, live.size);
    expect(replayEntries(entries)).toMatchObject(live);
    expect(typesOf(parseEntries(entries))).toEqual([...eventTypes].sort());
    expect(missingCourses(parseEntries(entries))).toEqual([]);
    const causes = parseEntries(entries).flatMap((event) =>
      event.type === 'node.status_changed' ? [event.to] : [],
    );
    expect([...new Set(causes)].sort()).toEqual(
      ['cordoned', 'draining', 'gone', 'lost', 'ready', 'unknown'].sort(),
    );
  });

  it('is replayed by the command line to the same hash and root, while it runs and when it has stopped', async () => {
    const { operator, dataDir, process: running } = life.coordinator;
    const audit = async () => {
      const { code, stdout, stderr } = await runCommand([
        coordinatorMain,
        'state-hash',
        '--data-dir',
        dataDir,
      ]);
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout) as { size: number; root: string; hash: string };
    };
    const audited = await waitUntil(
      'a moment in which nothing is written',
      async () => {
        const told = await audit();
        const live = await operator.call('getStateHash', {});
        return live.size === told.size ? { live, told } : undefined;
      },
      { timeoutMs: 60_000 },
    );
    expect(audited.told).toMatchObject(audited.live);
    const entries = await readEntries(operator, audited.live.size);
    expect(replayEntries(entries).root).toBe(audited.told.root);
    const checkpoint = String(await operator.call('getCheckpoint', {}));
    const [, size, root] = checkpoint.split('\n');
    const upTo = await readEntries(operator, Number(size));
    expect(Buffer.from(root ?? '', 'base64').toString('hex')).toBe(replayEntries(upTo).root);
    await running.stop();
    const stopped = await audit();
    expect(stopped.size).toBeGreaterThanOrEqual(audited.live.size);
    await life.coordinator.start();
    const again = await operator.call('getStateHash', {});
    expect(replayEntries(await readEntries(operator, again.size))).toMatchObject(again);
    // What was written before the restart is what was there after it.
    expect(replayEntries(await readEntries(operator, stopped.size))).toMatchObject(stopped);
  });
});
