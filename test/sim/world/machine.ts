import { join } from 'node:path';
import { Executor } from '@capacloud/agent/attempt/executor';
import type { Clock } from '@capacloud/agent/core/clock';
import type { Journal } from '@capacloud/agent/core/journal-port';
import { type Lease, restoreLease } from '@capacloud/agent/core/lease';
import { attemptKeyText } from '@capacloud/agent/core/ports';
import { InputCache } from '@capacloud/agent/features/inputs/input-cache';
import { AttemptLogs } from '@capacloud/agent/features/logs/attempt-logs';
import { openDatabase } from '@capacloud/agent/journal/schema';
import { SqliteJournal } from '@capacloud/agent/journal/sqlite-journal';
import { NodeIdentity } from '@capacloud/agent/session/identity';
import { SessionClient } from '@capacloud/agent/session/session-client';
import { CoordinatorHttp } from '@capacloud/agent/transfer/coordinator-http';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import { Actor } from '../kernel/actor.ts';
import { disk } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';
import type { Link } from '../kernel/network.ts';
import { Prng } from '../kernel/prng.ts';
import { servers } from '../kernel/servers.ts';
import { SimulatedEngine } from './engine.ts';
import { LyingJournal } from './lying-journal.ts';
import { SimulatedRuntime } from './runtime.ts';
import { loggerThat } from './silent-logger.ts';
import type { Watch } from './watch.ts';

export interface MachinePlan {
  readonly name: string;
  /** Two machines may have one. */
  readonly key: string;
  readonly offer: Offer;
  /** Of its receipts. */
  readonly lies: number;
}

const restartMs = 2000;
const mendMs = 12_000;
/** After the engine is well again: a call that hung runs into its deadline, and the agent looks again. */
const recoveryMs = 65_000;

/** A provider's machine: its Docker, its disk, its clock, and one life of the agent after another. */
export class Machine {
  readonly plan: MachinePlan;
  readonly node: NodeId;
  readonly instance: number;
  readonly link: Link;
  readonly engine: SimulatedEngine;
  readonly #random: Prng;
  readonly #watch: Watch;
  #wallOffsetMs = 0;
  #offer: Offer;
  #notify: () => void = () => {};
  #bootedAtMs: number;
  #boots = 1;
  #lives = 0;
  #bornAtMs = 0;
  #actor: Actor | undefined;
  #lease: Lease | undefined;
  #journal: Journal | undefined;
  #told: { until: number | undefined; free: boolean } = { until: undefined, free: true };

  constructor(plan: MachinePlan, instance: number, link: Link, watch: Watch) {
    this.plan = plan;
    this.#offer = plan.offer;
    this.instance = instance;
    this.link = link;
    this.#watch = watch;
    this.#random = new Prng(kernel().seed, `machine ${plan.name}`);
    this.#bootedAtMs = kernel().nowMs - this.#random.between(0, 1e7);
    this.node = new NodeIdentity(plan.key).node;
    const { node } = this;
    this.engine = new SimulatedEngine(
      {
        container: ({ task, attempt }, change, devices) =>
          watch.observe({
            kind: 'container',
            node,
            instance,
            task,
            attempt,
            change,
            devices,
            atMs: kernel().nowMs,
          }),
        ran: ({ task, attempt }, succeeded) => watch.observe({ kind: 'ran', task, attempt, node, succeeded }),
        ruined: (devices) => this.#ruin(devices),
      },
      () => this.#wallOffsetMs,
    );
  }

  get actor(): Actor | undefined {
    return this.#actor?.alive === true ? this.#actor : undefined;
  }

  /** Whether nothing is left to do or to say. */
  get isIdle(): boolean {
    const isEmpty = this.#journal?.attempts().length === 0 && this.#journal.outboxSize() === 0;
    return this.actor !== undefined && isEmpty && this.engine.containers.size === 0;
  }

  /** What keeps it busy. */
  describe(): string {
    const attempts =
      this.#journal?.attempts().map(({ key, phase }) => `${attemptKeyText(key)} ${phase}`) ?? [];
    const containers = [...this.engine.containers].map(([key, { state }]) => `${key} ${state.container}`);
    const outbox = this.#journal?.outboxSize() ?? 0;
    return `${this.plan.name} (attempts ${attempts.join(', ')}; containers ${containers.join(', ')}; ${outbox} reports)`;
  }

  get stateDir(): string {
    return `/${this.plan.name}/agent`;
  }

  start(): void {
    this.#lives += 1;
    this.#bornAtMs = kernel().nowMs;
    this.#lease = undefined;
    const life = this.#lives;
    const actor = new Actor(
      this.plan.name,
      new Prng(kernel().seed, `agent ${this.plan.name} ${life}`),
      this.#wallOffsetMs,
    );
    this.#actor = actor;
    actor.afterEvent = () => this.lookAround();
    servers().connectBy(actor, this.link);
    actor.onEnd((cause) => {
      this.lookAround();
      if (cause === 'power') return;
      kernel().schedule(
        this.#random.between(0.2, 2) * restartMs,
        kernel().nature,
        `start ${this.plan.name}`,
        () => {
          if (this.#actor === actor) this.start();
        },
      );
    });
    kernel().schedule(0, actor, 'agent starts', () => this.#live(actor));
  }

  /** The power fails: no goodbye, no container survives, and the boot clock starts anew. */
  reboot(offMs: number): void {
    this.engine.loseAll();
    this.#actor?.end('power');
    this.#actor = undefined;
    kernel().schedule(offMs, kernel().nature, `boot ${this.plan.name}`, () => {
      if (this.#actor !== undefined) return;
      this.#boots += 1;
      this.#bootedAtMs = kernel().nowMs;
      this.start();
    });
  }

  jumpClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
    if (this.#actor !== undefined) this.#actor.wallOffsetMs = this.#wallOffsetMs;
  }

  /** The probes find a device ill, or well again; its agent tells in its own time. */
  setHealth(device: string, health: 'healthy' | 'quarantined'): void {
    const devices = this.#offer.devices.map((each) => (each.id === device ? { ...each, health } : each));
    this.#offer = { ...this.#offer, devices };
    const { actor } = this;
    if (actor !== undefined) kernel().schedule(0.1, actor, `probe ${device} ${health}`, () => this.#notify());
  }

  /** What ran on them has broken them; somebody mends them after a while. */
  #ruin(devices: readonly string[]): void {
    this.#watch.fault('device ruined', devices.join());
    for (const device of devices) {
      this.setHealth(device, 'quarantined');
      kernel().schedule(mendMs, kernel().nature, `mend ${device}`, () => this.setHealth(device, 'healthy'));
    }
  }

  /** Tells the auditor what has changed about the lease, and whether the agent can act. */
  lookAround(): void {
    const { node, instance } = this;
    const isFrozen = (this.#actor?.frozenUntilMs ?? 0) > kernel().nowMs;
    const { mood, wellSinceMs } = this.engine;
    const isWell = mood === 'well' && kernel().nowMs - wellSinceMs >= recoveryMs;
    const free = this.actor !== undefined && !isFrozen && isWell;
    if (free !== this.#told.free) {
      this.#told.free = free;
      const isBorn = free && this.#bornAtMs === kernel().nowMs;
      this.#watch.observe({ kind: 'hands', node, instance, free, ...(isBorn ? { reborn: true } : {}) });
    }
    const until = this.actor === undefined ? undefined : this.#lease?.untilMs;
    if (until === undefined || until === this.#told.until) return;
    this.#told.until = until;
    const untilMs = until + this.#bootedAtMs;
    this.#watch.observe({ kind: 'lease', node, instance, task: '', attempt: 0, untilMs });
  }

  /** As agent/src/main.ts puts it together, with the simulated engine and no hardware to probe. */
  #live(actor: Actor): void {
    const { stateDir, plan, engine, node, instance } = this;
    disk().makeFolder(stateDir);
    const identity = new NodeIdentity(plan.key);
    const clock: Clock = {
      nowMs: () => Date.now(),
      bootMs: () => kernel().nowMs - this.#bootedAtMs,
      bootId: `${plan.name}-${this.#boots}`,
    };
    const log = loggerThat(() => this.#watch.observe({ kind: 'complaint', node, instance }));
    const kept = new SqliteJournal(
      openDatabase(join(stateDir, 'journal.db')),
      'coordinator.sim',
      clock.nowMs(),
    );
    const journal = plan.lies > 0 ? new LyingJournal(kept, plan.lies, this.#watch) : kept;
    const lease = restoreLease(journal, clock);
    this.#lease = lease;
    this.#journal = journal;
    const session: SessionClient = new SessionClient({
      url: 'ws://coordinator.sim:8080/v1/session',
      agentVersion: '0.0.0',
      identity,
      journal,
      lease,
      clock,
      log,
    });
    const http = new CoordinatorHttp(session);
    const logs: AttemptLogs = new AttemptLogs({
      dir: join(stateDir, 'logs'),
      http,
      journal,
      log,
      onDone: () => executor.onChange(),
    });
    const executor: Executor = new Executor({
      node: identity.node,
      outputsDir: join(stateDir, 'outputs'),
      runtime: new SimulatedRuntime(engine, actor, this.#offer.arch),
      journal,
      logs,
      inputs: new InputCache(join(stateDir, 'inputs'), 2 ** 30, http),
      http,
      access: session,
      clock,
      log,
      lease,
      offer: () => this.#offer,
      isClosed: () => false,
      load: () => ({ cpuMilli: 0, memoryFreeBytes: 2 ** 33, diskFreeBytes: 2 ** 36 }),
      notifySession: () => session.notify(),
    });
    this.#notify = () => session.notify();
    const forEver = new AbortController().signal;
    // Neither ends by itself; what they throw ends the process.
    void executor.run(forEver);
    void session.run(executor, forEver);
  }
}
