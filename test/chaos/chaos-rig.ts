import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import Docker from 'dockerode';
import { removeLeftovers } from '../../scripts/demo/engine-leftovers.ts';
import {
  createAgent,
  createCoordinator,
  type LocalAgent,
  type LocalCoordinator,
  waitForNodes,
} from '../../scripts/network/local-network.ts';
import { waitUntil } from '../../scripts/network/managed-process.ts';
import { ensureBusyboxImage } from '../e2e/engine-images.ts';
import { type AuditReport, audit } from './audit.ts';
import { Workload } from './workload.ts';

const grantNano = 10n ** 15n;
const agentCount = 2;
const allEndedMs = 150_000;
/** A life in which nothing happens ends all the same: what hangs there is for the audit to find. */
const quietLifeMs = 3000;
const minKills = 10;
const maxKills = 20;
const killingMs = 20_000;

export interface ChaosOptions {
  readonly dockerSocket: string;
  /** Of the agents, in turn. */
  readonly scratch: readonly ('memory' | 'loop')[];
  /** Also a stream of jobs that cost nothing but their submission. */
  readonly cheapJobs?: boolean;
}

/** A coordinator and two agents as processes, and jobs that never stop coming until `finish`. */
export interface ChaosRig {
  readonly coordinator: LocalCoordinator;
  readonly agents: readonly LocalAgent[];
  readonly workload: Workload;
  readonly docker: Docker;
  /**
   * Kills, each time after a random number (up to `maxEvents`) of events or a few seconds without them. How often
   * depends on the speed of the machine. Returns the count.
   */
  killRepeatedly(maxEvents: number, kill: (count: number) => Promise<void>): Promise<number>;
  /** No more jobs; resolves when those that were submitted have ended and an auditor has looked at everything. */
  finish(): Promise<AuditReport>;
  close(): Promise<void>;
}

export async function openChaosRig(options: ChaosOptions): Promise<ChaosRig> {
  const dir = await mkdtemp(join(tmpdir(), 'cc-chaos-'));
  const name = `chaos.${dir.slice(-6).toLowerCase()}`;
  const docker = new Docker({ socketPath: options.dockerSocket });
  const image = await ensureBusyboxImage(docker);
  const coordinator = await createCoordinator({ dir, name });
  const agents: LocalAgent[] = [];
  const stop = new AbortController();
  let submitting: Promise<void> = Promise.resolve();
  const { client } = await coordinator.openAccount('acc_chaos' as AccountId, grantNano);

  async function close(): Promise<void> {
    stop.abort();
    await submitting.catch(() => undefined);
    await Promise.all(agents.map(({ process }) => process.stop()));
    await coordinator.process.stop();
    await removeLeftovers(options.dockerSocket, name).catch(() => undefined);
    await rm(dir, { recursive: true, force: true });
  }

  try {
    for (let index = 0; index < agentCount; index++) {
      const scratch = options.scratch[index % options.scratch.length] ?? 'memory';
      const { dockerSocket } = options;
      agents.push(await startAgent({ dir, name, coordinator, index, dockerSocket, scratch }));
    }
    await waitForNodes(coordinator.operator, agentCount);
  } catch (error) {
    await close();
    throw error;
  }
  const workload = new Workload(client, image, dir);
  let failure: Error | undefined;
  submitting = Promise.all([
    workload.run(stop.signal),
    options.cheapJobs === true ? workload.runCheap(stop.signal) : undefined,
  ]).then(() => undefined);
  submitting.catch((error: Error) => {
    failure = error;
  });
  return {
    coordinator,
    agents,
    workload,
    docker,
    async killRepeatedly(maxEvents, kill) {
      const until = performance.now() + killingMs;
      let count = 0;
      while (count < minKills || (count < maxKills && performance.now() < until)) {
        // Without jobs there is nothing left to try.
        if (failure !== undefined) throw failure;
        await waitForEvents(coordinator.operator, randomInt(1, maxEvents));
        await kill(count++);
      }
      return count;
    },
    async finish() {
      stop.abort();
      await submitting;
      await workload.waitForAll(allEndedMs);
      const { jobs } = workload;
      return audit({ coordinator, coordinatorName: name, client, jobs, docker, dir });
    },
    close,
  };
}

async function startAgent(parts: {
  readonly dir: string;
  readonly name: string;
  readonly coordinator: LocalCoordinator;
  readonly index: number;
  readonly dockerSocket: string;
  readonly scratch: 'memory' | 'loop';
}): Promise<LocalAgent> {
  const agent = await createAgent({
    dir: parts.dir,
    name: `agent-${parts.index}`,
    coordinatorUrl: parts.coordinator.url,
    coordinatorName: parts.name,
    dockerSocket: parts.dockerSocket,
    settings: {
      resources: { cpu: '1', memory: '1Gi', disk: '1Gi', slots: 4 },
      scratch: parts.scratch,
    },
  });
  agent.start();
  return agent;
}

async function waitForEvents(operator: Client, count: number): Promise<void> {
  // An index past the end: only the size is asked for.
  const size = async () =>
    (await operator.call('listLogEntries', { query: { from: Number.MAX_SAFE_INTEGER, limit: 1 } })).size;
  const before = await size();
  await waitUntil('events', async () => (await size()) >= before + count, {
    timeoutMs: quietLifeMs,
    intervalMs: 20,
  }).catch(() => undefined);
}
