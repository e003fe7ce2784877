import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import { openStore } from '@capacloud/coordinator/store/store';
import type { JobId, Sha256Hex } from '@capacloud/protocol/ids';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCoordinator, repositoryRoot } from '../../scripts/network/local-network.ts';
import { runCommand } from '../e2e/network-rig.ts';
import { ScriptedAgent } from '../e2e/scripted-agent.ts';
import { readFacts } from './stored-facts.ts';

const fixtures = join(repositoryRoot, 'test', 'fixtures');
const retry = { backoff: { initial: '1s', max: '1s' } };
const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const folders = (await readdir(fixtures)).filter((name) => name.startsWith('database-'));

interface Expected {
  readonly state: { readonly size: number; readonly root: string; readonly hash: string };
  readonly facts: object;
  readonly known: {
    readonly consumerKey: string;
    readonly artifact: Sha256Hex;
    /** The file of a job that was submitted under the key. */
    readonly waiting: object;
    readonly idempotencyKey: string;
    readonly job: JobId;
  };
}

describe.each(folders)('the data folder of a release: %s', (name) => {
  let dir: string;
  let dataDir: string;
  let expected: Expected;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cc-upgrade-'));
    dataDir = join(dir, 'coordinator');
    await cp(join(fixtures, name, 'data'), dataDir, { recursive: true });
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
      expect(await store.artifacts.totalBytes()).toBe(33);
      await store.close();
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
    });
    try {
      const client = createClient({ baseUrl: coordinator.url, apiKey: known.consumerKey });
      const { idempotencyKey, waiting } = known;
      // What was answered then is answered again.
      expect((await client.call('submitJob', { body: waiting, query: {}, idempotencyKey })).id).toBe(
        known.job,
      );
      const artifact = await client.open('getArtifact', { params: { sha256: known.artifact } });
      expect(await artifact.text()).toBe('an artifact of the first release\n');
      const agent = new ScriptedAgent({ url: coordinator.url });
      await agent.connect();
      const job = await client.call('submitJob', {
        body: { version: '1', image: 'busybox', command: 'true', replicas: 3, retry },
        query: {},
      });
      expect(await waitForJob(client, job.id)).toMatchObject({ state: 'succeeded' });
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
