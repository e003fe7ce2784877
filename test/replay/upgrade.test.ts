import { chmod, cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import { openLogForAudit, openStore } from '@capacloud/coordinator/store/store';
import type { Event } from '@capacloud/core/contract/event';
import type { AccountId, JobId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import type { Receipt, SignedReceipt } from '@capacloud/protocol/wire/receipt';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import { createCoordinator } from '@capacloud/rig/network/local-network';
import { runCommand } from '@capacloud/rig/network/network-rig';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingCourses } from './courses.ts';
import { parseEntries } from './eventful-life.ts';
import { completed, device, hashOf, patience } from './life/stage.ts';
import { type Kept, readFacts, readKept } from './stored-facts.ts';

const fixtures = join(repositoryRoot, 'test', 'fixtures');
// Without a price it would be held to twice what the cheapest node of then asked.
const price = { max_per_hour: '10', currency: 'CAPA' };
const retry = { backoff: { initial: '1s', max: '1s' } };
const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const folders = (await readdir(fixtures)).filter((name) => name.startsWith('database-'));

interface Expected {
  readonly state: { readonly size: number; readonly root: string; readonly hash: string };
  readonly facts: {
    readonly jobs: readonly {
      readonly job: { readonly account: AccountId };
      readonly tasks: readonly {
        readonly attempts: readonly { readonly receipt?: { readonly signed: string } }[];
      }[];
    }[];
  };
  /** Absent in the first one. */
  readonly kept?: Kept;
  readonly known: {
    readonly consumerKey: string;
    readonly artifact: Sha256Hex;
    /** The file of a job that was submitted under the key. */
    readonly waiting: object;
    readonly idempotencyKey: string;
    readonly job: JobId;
  };
}

function receiptsOf({ facts }: Expected): readonly Stored[] {
  return facts.jobs.flatMap(({ job, tasks }) =>
    tasks.flatMap(({ attempts }) =>
      attempts.flatMap(({ receipt }) =>
        receipt === undefined ? [] : [{ account: job.account, receipt: readSigned(receipt.signed) }],
      ),
    ),
  );
}
interface Stored {
  readonly account: AccountId;
  readonly receipt: Receipt;
}

function readSigned(signed: string): Receipt {
  return (JSON.parse(signed) as Pick<SignedReceipt, 'receipt'>).receipt;
}

/** Attempts of whose logs only the beginning and the end were kept. */
function longLogs(expected: Expected) {
  return receiptsOf(expected).flatMap(({ account, receipt: { attempt, log, task } }) =>
    log.gap === undefined ? [] : [{ ref: { task: task as TaskId, attempt }, account, gap: log.gap }],
  );
}

/** Git keeps no modes but that of programs, and a coordinator does not start on secrets that others can read. */
async function copyData(name: string, dataDir: string): Promise<void> {
  await cp(join(fixtures, name, 'data'), dataDir, { recursive: true });
  for (const file of await readdir(dataDir))
    if (/\.(key|secret)$/.test(file)) await chmod(join(dataDir, file), 0o600);
}

/** When the release stopped, Unix milliseconds. */
async function newestEventAt(dataDir: string): Promise<number> {
  const audit = openLogForAudit(dataDir);
  const [newest] = await audit.log.read(audit.log.size() - 1, 1);
  audit.close();
  return (JSON.parse(newest?.entry ?? '{}') as Event).at;
}

/**
 * Lets a process begin at another time: what ran when the release stopped has a run timeout, which is over some hours after the
 * data was recorded.
 */
function clockAt(ms: number): string {
  const program = `const shift=${ms}-Date.now(),Real=Date;globalThis.Date=class extends Real{constructor(...of){if(of.length)super(...of);else super(Real.now()+shift)}static now(){return Real.now()+shift}};`;
  return `--import=data:text/javascript,${encodeURIComponent(program)}`;
}

describe.each(folders)('the data folder of a release: %s', (name) => {
  let dir: string;
  let dataDir: string;
  let expected: Expected;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cc-upgrade-'));
    dataDir = join(dir, 'coordinator');
    await copyData(name, dataDir);
    expected = JSON.parse(await readFile(join(fixtures, name, 'expected.json'), 'utf8')) as Expected;
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const stateHash = async () =>
    JSON.parse((await runCommand([main, 'state-hash', '--data-dir', dataDir])).stdout);

  it('says the same before and after it is upgraded', async () => {
    expect(await stateHash()).toEqual(expected.state);
    for (const _ of ['upgrades', 'finds it upgraded']) {
      const store = await openStore(dataDir);
      const facts = await readFacts(store.reads);
      const kept = await readKept(store.artifacts, store.reads);
      await store.close();
      expect(kept).toMatchObject(expected.kept ?? { totalBytes: 33 });
      expect(facts).toMatchObject(expected.facts);
      expect(await stateHash()).toEqual(expected.state);
    }
  });

  it('goes on working', async () => {
    const { known, state } = expected;
    const coordinator = await createCoordinator({
      dir,
      name: 'eventful.test',
      // The node of then counts as just heard: soon it is lost, and what it was given goes to another.
      settings: { log_level: 'warn', rules: { unknown_after_ms: 1000, lease_ms: 3000, lost_margin_ms: 500 } },
      env: { NODE_OPTIONS: clockAt((await newestEventAt(dataDir)) + 60_000) },
    });
    try {
      const client = createClient({ baseUrl: coordinator.url, apiKey: known.consumerKey });
      const { idempotencyKey, waiting } = known;
      // What was answered then is answered again.
      expect((await client.call('submitJob', { body: waiting, query: {}, idempotencyKey })).id).toBe(
        known.job,
      );
      const artifact = await client.open('getArtifact', { params: { sha256: known.artifact } });
      expect(hashOf(await artifact.text())).toBe(known.artifact);
      const goneOn: Assignment[] = [];
      const agent = new ScriptedAgent({
        url: coordinator.url,
        offer: { ...plainOffer, devices: [device('new', 't4')] },
        protocols: protocolVersions,
        act: (assignment) => {
          if (assignment.checkpoint?.saved !== undefined) goneOn.push(assignment);
          return completed;
        },
      });
      await agent.connect();
      const job = await client.call('submitJob', {
        body: { version: '1', image: 'busybox', command: 'true', replicas: 3, retry, price },
        query: {},
      });
      expect(await waitForJob(client, job.id)).toMatchObject({ state: 'succeeded' });
      // Of the tasks that have one, the last is running: its node is lost, and it goes on here.
      const saved = expected.kept?.checkpoints.slice(-1) ?? [];
      await waitUntil('tasks with a checkpoint to go on', () => goneOn.length === saved.length, patience);
      expect(goneOn.map(({ task, checkpoint }) => ({ task, ...checkpoint?.saved }))).toMatchObject(
        saved.map((each) => ({ task: each?.task, sha256: each?.sha256 })),
      );
      for (const { ref, account, gap } of longLogs(expected)) {
        const body = { name: 'reader', account, scopes: ['consumer' as const] };
        const { secret = '' } = await coordinator.operator.call('createKey', { body });
        const reader = createClient({ baseUrl: coordinator.url, apiKey: secret });
        const end = await reader.open('followLog', { params: ref, query: { offset: gap.to } });
        expect(await end.text()).toBe('end\n');
      }
      agent.cut();
      const { items } = await coordinator.operator.call('listAccounts', { query: { limit: 500 } });
      expect(items.reduce((sum, account) => sum + BigInt(account.available_nano), 0n)).toBe(0n);
      const live = await coordinator.operator.call('getStateHash', {});
      expect(live.size).toBeGreaterThan(state.size);
    } finally {
      expect(await coordinator.process.stop()).toBe(0);
    }
    const again = await stateHash();
    expect(again.size).toBeGreaterThan(state.size);
  });
});

describe('the data folder of a release with kept outputs: database-0.3', () => {
  const read = async (): Promise<Expected> =>
    JSON.parse(await readFile(join(fixtures, 'database-0.3', 'expected.json'), 'utf8')) as Expected;

  it('holds every course in its log', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'cc-courses-'));
    try {
      await copyData('database-0.3', dir);
      const store = await openStore(dir);
      const entries = await store.log.read(0, store.log.size());
      await store.close();
      expect(missingCourses(parseEntries(entries.map(({ entry }) => entry)))).toEqual([]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('holds receipts with everything that a receipt can tell', async () => {
    const receipts = receiptsOf(await read()).map(({ receipt }) => receipt);
    const fields = {
      imageRunsOn: receipts.some(({ imageRunsOn }) => imageRunsOn !== undefined),
      links: receipts.some(({ links }) => links !== undefined),
      skipped: receipts.some(({ skipped }) => skipped !== undefined),
      packed: receipts.some(({ outputs }) => outputs.some(({ packed }) => packed !== undefined)),
      gap: receipts.some(({ log }) => log.gap !== undefined),
      left: receipts.some(({ outputs, reason }) => reason === 'exit_nonzero' && outputs.length > 0),
    };
    expect(Object.entries(fields).filter(([, isThere]) => !isThere)).toEqual([]);
  });

  it('keeps checkpoints and outputs that failed attempts left', async () => {
    const { kept } = await read();
    expect(kept?.checkpoints).not.toHaveLength(0);
    expect(kept?.left).not.toHaveLength(0);
  });
});
