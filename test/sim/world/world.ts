import { defaultRuleset, type Ruleset } from '@capacloud/core/contract/ruleset';
import { Auditor } from '../auditor/auditor.ts';
import type { Observation } from '../auditor/observation.ts';
import { Disk, setDisk } from '../kernel/disk.ts';
import { Kernel, setKernel } from '../kernel/kernel.ts';
import { type Channel, Link, Network } from '../kernel/network.ts';
import { Prng } from '../kernel/prng.ts';
import { Servers, servers, setServers } from '../kernel/servers.ts';
import { Consumers } from './consumers.ts';
import { CoordinatorHost } from './coordinator-host.ts';
import { Faults } from './faults.ts';
import { forge } from './forger.ts';
import { faultOf, isInjected } from './injected.ts';
import { Machine } from './machine.ts';
import type { Plan } from './plan.ts';
import { fetchBy } from './routes.ts';
import { type DiskFaults, defineThreads } from './threads.ts';
import { Watch } from './watch.ts';

const inspectEveryMs = 15_000;
/** Whatever happens, a run that is healed ends within this time, or something is stuck. */
const settleMs = 20 * 60_000;

/** The state may be ahead of what is durable and told: it has to stay settled for this long. */
const quietMs = 3000;

export interface RunResult {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  /** From healing until all had settled. */
  readonly settledMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly coordinatorStarts: number;
  readonly summary: Readonly<Record<string, number>>;
  readonly failure?: { readonly rule: string; readonly detail: string; readonly stack?: string };
  /** The last events, when asked for. */
  readonly trace: readonly string[];
}

/** Lives through one plan. Never throws: what goes wrong is the result. */
export async function runPlan(plan: Plan, keepTrace: number): Promise<RunResult> {
  const kernel = new Kernel(plan.seed, keepTrace);
  // Faults make errors by the thousand; where they came from is wanted for a few.
  Error.stackTraceLimit = keepTrace > 0 ? 20 : 0;
  const files = new Disk();
  setKernel(kernel);
  setDisk(files);
  const world = new World(plan, kernel);
  let failure: RunResult['failure'];
  try {
    await world.run();
  } catch (error) {
    failure = failureOf(error);
  } finally {
    setKernel(undefined);
    setDisk(undefined);
    setServers(undefined);
    files.close();
  }
  return { ...world.result(), ...(failure === undefined ? {} : { failure }) };
}

function failureOf(error: unknown): NonNullable<RunResult['failure']> {
  if (!(error instanceof Error)) return { rule: 'thrown', detail: String(error) };
  const rule = 'rule' in error && typeof error.rule === 'string' ? error.rule : error.name;
  return { rule, detail: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

class World {
  readonly #plan: Plan;
  readonly #kernel: Kernel;
  readonly #auditor: Auditor;
  readonly #watch: Watch;
  readonly #network: Network;
  readonly #machines: readonly Machine[];
  readonly #coordinator: CoordinatorHost;
  readonly #consumers: Consumers;
  readonly #faults: Faults;
  readonly #nodeOfLink = new Map<Link, string>();
  /** Frames on their way that are not what was sent. */
  readonly #forged = new Set<string>();
  #healedAtMs = Number.POSITIVE_INFINITY;
  #settledSinceMs = 0;

  constructor(plan: Plan, kernel: Kernel) {
    this.#plan = plan;
    this.#kernel = kernel;
    this.#auditor = new Auditor({
      overrunMs: 15_000,
      promptMs: 5_000,
      slackMs: 20_000,
      clientsPersist: true,
    });
    this.#watch = new Watch((observation: Observation) => this.#auditor.observe(observation));
    this.#network = new Network(new Prng(plan.seed, 'network'));
    this.#network.forge = (text) => {
      const forged = forge(text);
      if (forged !== undefined) this.#forged.add(forged);
      return forged;
    };
    setServers(
      new Servers(this.#network, {
        said: (channel, text) => this.#said(channel, text),
        heard: (channel, text) => this.#heard(channel, text),
      }),
    );
    const diskFaults: DiskFaults = { stall: 0, longAtMs: Number.NEGATIVE_INFINITY };
    defineThreads(this.#watch, diskFaults);
    this.#coordinator = new CoordinatorHost(this.#watch, rulesetOf(plan), plan.snapshotEvents);
    this.#machines = plan.machines.map((machine, index) => {
      const link = new Link(machine.name);
      const made = new Machine(machine, index, link, this.#watch);
      this.#nodeOfLink.set(link, made.node);
      return made;
    });
    this.#consumers = new Consumers(plan, this.#watch);
    this.#faults = new Faults({
      plan,
      network: this.#network,
      links: [...this.#nodeOfLink.keys(), this.#consumers.link],
      machines: this.#machines,
      coordinator: this.#coordinator,
      diskFaults,
      watch: this.#watch,
    });
  }

  async run(): Promise<void> {
    const kernel = this.#kernel;
    globalThis.fetch = fetchBy((request, signal) =>
      servers().exchange(servers().linkOf(kernel.current), request, signal),
    );
    kernel.onUncaught = (actor, error) => {
      // As Node does: a process ends by what it does not catch. Whether it may is another question.
      if (!isInjected(error)) throw error;
      this.#watch.fault(`${actor.name.replace(/[0-9]+/, '')} ended by ${faultOf(error)}`);
      actor.end('uncaught');
    };
    kernel.afterEvent = () => {
      this.#watch.observe({ kind: 'time', atMs: kernel.nowMs });
      if (kernel.current === kernel.nature) for (const machine of this.#machines) machine.lookAround();
      else kernel.current.afterEvent();
    };
    this.#coordinator.start();
    for (const { node } of this.#machines.filter((machine) => this.#isDoubtful(machine)))
      this.#watch.observe({ kind: 'distrust', node });
    for (const machine of this.#machines) machine.start();
    this.#consumers.start();
    this.#faults.start();
    this.#inspectOften();
    kernel.schedule(this.#plan.activeMs, kernel.nature, 'heal', () => {
      this.#faults.heal();
      this.#healedAtMs = kernel.nowMs;
      this.#watch.observe({ kind: 'healed', atMs: kernel.nowMs });
    });
    const rejected = (error: unknown) => kernel.uncaught(error);
    process.on('unhandledRejection', rejected);
    try {
      await kernel.run(() => this.#isOver());
    } finally {
      process.off('unhandledRejection', rejected);
    }
    if (!this.#isSettled()) throw new Unsettled(this.#describe());
    this.#coordinator.tellPauses();
    this.#auditor.finish();
  }

  result(): RunResult {
    const kernel = this.#kernel;
    return {
      seed: this.#plan.seed,
      hash: kernel.trace.hash(),
      events: kernel.trace.events,
      simulatedMs: kernel.nowMs,
      settledMs: Math.max(0, kernel.nowMs - this.#healedAtMs),
      faults: { ...this.#network.counts, ...Object.fromEntries(this.#watch.counts) },
      coordinatorStarts: this.#coordinator.lives,
      summary: this.#auditor.summary(),
      trace: kernel.trace.lines(),
    };
  }

  #isDoubtful({ node, plan }: Machine): boolean {
    return plan.lies > 0 || this.#machines.filter((other) => other.node === node).length > 1;
  }

  #isOver(): boolean {
    const { nowMs } = this.#kernel;
    if (nowMs < this.#healedAtMs) return false;
    if (!this.#isSettled()) this.#settledSinceMs = nowMs;
    return nowMs > this.#healedAtMs + settleMs || nowMs > this.#settledSinceMs + quietMs;
  }

  #isSettled(): boolean {
    const { engine } = this.#coordinator;
    if (engine === undefined || !this.#consumers.isDone) return false;
    if (engine.sequencer.state.jobs.size > 0) return false;
    // A disk that stalls keeps back from the auditor what the state holds already.
    return this.#machines.every((machine) => machine.isIdle) && !this.#auditor.hasOpenJobs;
  }

  #describe(): string {
    const jobs = [...(this.#coordinator.engine?.sequencer.state.jobs.keys() ?? ['no coordinator'])];
    const busy = this.#machines.filter((machine) => !machine.isIdle).map((machine) => machine.describe());
    return `after ${settleMs} ms without a fault: jobs ${jobs.join(' ')} ${this.#openTasks()}; busy machines ${busy.join(' ')}; consumers ${this.#consumers.isDone ? 'done' : 'waiting'}`;
  }

  #openTasks(): string {
    const state = this.#coordinator.engine?.sequencer.state;
    const tasks = [...(state?.tasks.values() ?? [])].slice(0, 5);
    const nodes = [...(state?.nodes.values() ?? [])];
    return `tasks ${tasks.map(({ id, state, reason, attempt }) => `${id}/${attempt} ${state} ${reason}`).join(', ')} nodes ${nodes.map(({ id, status, occupied }) => `${id.slice(0, 9)} ${status} ${[...occupied.values()].map(({ task, attempt }) => `${task}/${attempt}`).join(' ')}`).join(', ')}`;
  }

  #inspectOften(): void {
    this.#kernel.schedule(inspectEveryMs, this.#kernel.nature, 'inspect', () => {
      this.#coordinator.inspect();
      this.#inspectOften();
    });
  }

  #said(channel: Channel, text: string): void {
    const node = this.#nodeOfLink.get(channel.link);
    if (node === undefined) return;
    this.#watch.observe({ kind: 'said', to: 'agent', node, session: `${channel.id}`, frame: text });
  }

  #heard(channel: Channel, text: string): void {
    const node = this.#nodeOfLink.get(channel.link);
    if (node === undefined) return;
    const genuine = !this.#forged.has(text);
    this.#watch.observe({ kind: 'heard', node, session: `${channel.id}`, frame: text, genuine });
  }
}

class Unsettled extends Error {
  readonly rule = 'settled.in-time';
}

function rulesetOf({ leaseMs }: Plan): Ruleset {
  return {
    ...defaultRuleset,
    leaseMs,
    unknownAfterMs: Math.floor(leaseMs / 3),
    lostMarginMs: 3000,
    assignTimeoutMs: 20_000,
    pullTimeoutMs: 30_000,
    startTimeoutMs: 20_000,
    uploadTimeoutMs: 30_000,
    runMarginMs: 15_000,
    nodeBackoffAfter: 2,
    nodeBackoffInitialMs: 3000,
    nodeBackoffMaxMs: 20_000,
    flapWindowMs: 30_000,
    poisonNodes: 2,
    poisonMs: 40_000,
    poisonEvidenceMs: 20_000,
    poisonAfterMs: 5000,
    reserveAfterMs: 5000,
    reserveMaxMs: 60_000,
    maxAwayNodes: 1,
    preemptAfterMs: 3000,
    checkpointTimeoutMs: 8000,
    uploadHoldMs: 12_000,
  };
}
