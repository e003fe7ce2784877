import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import { busyboxImage, ensureBusyboxImage, testImages } from '@capacloud/rig/images/engine-images';
import { removeLeftovers } from '@capacloud/rig/leftovers/engine-leftovers';
import { freeLoopDevices } from '@capacloud/rig/leftovers/loop-devices';
import {
  createAgent,
  createCoordinator,
  type LocalAgent,
  type LocalCoordinator,
  waitForNodes,
} from '@capacloud/rig/network/local-network';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { markedName } from '@capacloud/rig/programs/marked-name';
import Docker from 'dockerode';
import { type AuditReport, audit } from './audit.ts';
import type { CasePlan, StruckRig } from './chaos-case.ts';
import { ContactWatch } from './contact-watch.ts';
import type { Dice } from './dice.ts';
import { Workload } from './workload.ts';

const grantNano = 10n ** 15n;
export const agentCount = 2;
const allEndedMs = 150_000;
/** A life in which nothing happens ends all the same: what hangs there is for the audit to find. */
const quietLifeMs = 3000;
const defaultLeaseMs = 60_000;
const shortLeaseMs = 8000;
/** Nodes fail here all the time and by our doing; their pauses are kept short, or there is nobody left to run anything. */
const shortPauses = { node_backoff_initial_ms: 1000, node_backoff_max_ms: 4000 };
const shortRules = { lease_ms: shortLeaseMs, lost_margin_ms: 2000, unknown_after_ms: 4000 };

export interface RigOptions {
  readonly dir: string;
  readonly dockerSocket: string;
  readonly plan: CasePlan;
  readonly dice: Dice;
  /** Jobs at the same time. */
  readonly liveJobs: number;
  readonly signal: AbortSignal;
}

/** How long and how often things are broken; how often within the time depends on the speed of the machine. */
export interface Pace {
  /** Jobs at the same time. */
  readonly liveJobs: number;
  readonly durationMs: number;
  readonly minStrikes: number;
  readonly maxStrikes: number;
}

/** A coordinator and two agents as processes, and jobs that never stop coming until `finish`. */
export class ChaosRig implements StruckRig {
  readonly coordinator: LocalCoordinator;
  readonly agents: LocalAgent[] = [];
  readonly workload: Workload;
  readonly docker: Docker;
  readonly leaseMs: number;
  readonly signal: AbortSignal;
  readonly #options: RigOptions;
  readonly #name: string;
  readonly #client: Client;
  readonly #stopSubmitting = new AbortController();
  #submitting: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;
  #watch: ContactWatch | undefined;

  private constructor(options: RigOptions, parts: RigParts) {
    this.#options = options;
    this.signal = options.signal;
    this.#name = parts.name;
    this.#client = parts.client;
    this.coordinator = parts.coordinator;
    this.docker = parts.docker;
    this.leaseMs = options.plan.shortLease === true ? shortLeaseMs : defaultLeaseMs;
    this.workload = new Workload(parts.client, parts.image, options.dir, options.liveJobs);
  }

  static async open(options: RigOptions): Promise<ChaosRig> {
    const { dir, plan, signal } = options;
    const name = markedName(`chaos.${dir.slice(-6)}`);
    const docker = new Docker({ socketPath: options.dockerSocket });
    const image = await ensureBusyboxImage(docker);
    const rules = { ...shortPauses, ...(plan.shortLease === true ? shortRules : {}) };
    const settings = { rules };
    const coordinator = await createCoordinator({ dir, name, settings, ...plan.coordinator, signal });
    let rig: ChaosRig | undefined;
    try {
      const { client } = await coordinator.openAccount('acc_chaos' as AccountId, grantNano);
      rig = new ChaosRig(options, { name, docker, image, coordinator, client });
      for (let index = 0; index < agentCount; index++) await rig.#startAgent(index);
      await waitForNodes(coordinator.operator, agentCount, { signal });
      rig.#start();
      return rig;
    } catch (error) {
      await (rig?.close() ?? coordinator.process.kill());
      throw error;
    }
  }

  get longestOutageMs(): number {
    return this.#watch?.longestOutageMs ?? 0;
  }

  /** Strikes again and again, each time after a random number of events or a few seconds without them. Gives what struck. */
  async strikeRepeatedly(pace: Pace): Promise<ReadonlyMap<string, number>> {
    const { plan, dice, signal } = this.#options;
    const until = performance.now() + pace.durationMs;
    const struck = new Map<string, number>();
    for (let count = 0; count < pace.maxStrikes; count++) {
      if (count >= pace.minStrikes && performance.now() >= until) break;
      signal.throwIfAborted();
      // Without jobs there is nothing left to try.
      if (this.#failure !== undefined) throw this.#failure;
      await this.#waitForEvents(dice.between(1, plan.maxEvents));
      const what = await plan.strike(this, count);
      struck.set(what, (struck.get(what) ?? 0) + 1);
    }
    return struck;
  }

  async untilWorking(): Promise<void> {
    const filters = {
      label: [`capacloud.coordinator=${this.#name}`],
      ancestor: [busyboxImage],
      status: ['running'],
    };
    const isWorking = async () => (await this.docker.listContainers({ filters })).length > 0;
    const options = { timeoutMs: 3 * quietLifeMs, intervalMs: 20, signal: this.signal };
    await waitUntil('a program to run', isWorking, options).catch(() => this.signal.throwIfAborted());
  }

  async last(durationMs: number): Promise<void> {
    await sleep(durationMs, undefined, { signal: this.signal });
  }

  async copyAgent(index: number, name: string): Promise<LocalAgent> {
    const original = this.agents[index];
    if (original === undefined) throw new Error(`there is no agent ${index}`);
    const home = dirname(original.stateDir);
    await cp(home, join(this.#options.dir, name), { recursive: true, filter: isNoSocket });
    return this.#createAgent(index, name);
  }

  /** No more jobs; resolves when those that were submitted have ended and an auditor has looked at everything. */
  async finish(): Promise<AuditReport> {
    this.#stopSubmitting.abort();
    await this.#submitting;
    const fallen = [this.coordinator.process, ...this.agents.map(({ process }) => process)]
      .filter(({ running }) => !running)
      .map(({ name }) => `${name} has ended by itself`);
    if (fallen.length > 0) throw new Error(fallen.join(', '));
    await this.workload.waitForAll(allEndedMs, this.signal);
    await this.#options.plan.calm?.();
    return audit({
      coordinator: this.coordinator,
      coordinatorName: this.#name,
      client: this.#client,
      jobs: this.workload.jobs,
      docker: this.docker,
      dir: this.#options.dir,
      mountPoints: this.#options.plan.mountPoints ?? [],
      lossyLogs: this.#options.plan.lossyLogs === true,
    });
  }

  /** Ends every process, and removes what they left on the engine and on loop devices. */
  async close(): Promise<void> {
    this.#stopSubmitting.abort();
    await this.#watch?.close();
    const ending = [...this.agents.map(({ process }) => process), this.coordinator.process];
    // A frozen process does not hear of its end.
    for (const process of ending) process.signal('SIGCONT');
    await Promise.all(ending.map((process) => process.stop()));
    await this.#submitting.catch(() => undefined);
    await removeLeftovers(this.#options.dockerSocket, this.#name).catch(() => undefined);
    await freeLoopDevices(this.#options.dir);
  }

  #start(): void {
    const { cheapJobs } = this.#options.plan;
    const { signal } = this.#stopSubmitting;
    this.#submitting = Promise.all([
      this.workload.run(signal),
      cheapJobs === true ? this.workload.runCheap(signal) : undefined,
    ]);
    this.#submitting.catch((error: Error) => {
      this.#failure = error;
    });
    const stateDirs = this.agents.map(({ stateDir }) => stateDir);
    this.#watch = new ContactWatch(stateDirs, this.leaseMs);
  }

  async #startAgent(index: number): Promise<void> {
    const agent = await this.#createAgent(index, `agent-${index}`);
    this.agents.push(agent);
    agent.start();
  }

  async #createAgent(index: number, name: string): Promise<LocalAgent> {
    const { plan, dir, dockerSocket } = this.#options;
    const { url, ...rest } = (await plan.agent?.(index, this.coordinator)) ?? {};
    const scratch = plan.scratch ?? ['memory'];
    return createAgent({
      dir,
      name,
      coordinatorUrl: url ?? this.coordinator.url,
      coordinatorName: this.#name,
      dockerSocket,
      settings: {
        resources: { cpu: '1', memory: '1Gi', disk: '1Gi', slots: 4 },
        scratch: scratch[index % scratch.length],
        local_images: testImages,
      },
      ...rest,
    });
  }

  async #waitForEvents(count: number): Promise<void> {
    const { operator } = this.coordinator;
    // An index past the end: only the size is asked for.
    const size = async () =>
      (await operator.call('listLogEntries', { query: { from: Number.MAX_SAFE_INTEGER, limit: 1 } })).size;
    const before = await size();
    await waitUntil('events', async () => (await size()) >= before + count, {
      timeoutMs: quietLifeMs,
      intervalMs: 20,
    }).catch(() => undefined);
  }
}

interface RigParts {
  readonly name: string;
  readonly docker: Docker;
  readonly image: string;
  readonly coordinator: LocalCoordinator;
  readonly client: Client;
}

/** Sockets cannot be copied, and belong to the process that made them. */
function isNoSocket(path: string): boolean {
  return !path.endsWith('.sock');
}
