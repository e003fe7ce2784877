import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { ClientAddresses } from '@capacloud/coordinator/client-addresses';
import { type Engine, openEngine } from '@capacloud/coordinator/engine';
import { defaultJoinLimits } from '@capacloud/coordinator/join-limits';
import { ensureOperatorKey } from '@capacloud/coordinator/operator-key';
import { openRooms } from '@capacloud/coordinator/rooms';
import { SteadyClock } from '@capacloud/coordinator/steady-clock';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import { checkInvariants } from '@capacloud/core/invariants';
import { stateHash } from '@capacloud/core/snapshot';
import { Actor } from '../kernel/actor.ts';
import { kernel } from '../kernel/kernel.ts';
import { Prng } from '../kernel/prng.ts';
import { servers } from '../kernel/servers.ts';
import { isInjected } from './injected.ts';
import { createRoutes } from './routes.ts';
import { silentLogger } from './silent-logger.ts';
import { dumpTables, readLines } from './tables.ts';
import type { Watch } from './watch.ts';

const dataDir = '/coordinator/data';
export const databaseFile = `${dataDir}/coordinator.db`;
const restartMs = 1500;

const emptyDisk = { freeBytes: 2 ** 40, sizeBytes: 2 ** 40, freeInodes: 0, inodes: 0 };
const config = {
  name: 'coordinator.sim',
  dataDir,
  chainId: 31337,
  usdPerCapa: '0.10',
  defaultMaxRateNano: 10n ** 9n,
  corsOrigins: [],
  maxArtifactBytes: 2 ** 26,
  accountArtifactBytes: 2 ** 30,
  totalArtifactBytes: 2 ** 34,
  logDays: 1,
  jobLogBytes: 2 ** 30,
  joins: defaultJoinLimits,
  rates: {
    account: { perSecond: 1e6, burst: 1e6 },
    address: { perSecond: 1e6, burst: 1e6 },
    anonymous: { perSecond: 1e6, burst: 1e6 },
    jobBytes: { perSecond: 1e9, burst: 1e9 },
  },
};

/** The coordinator's machine: one process after another on the same data folder. */

export class CoordinatorHost {
  readonly #watch: Watch;
  readonly #ruleset: Ruleset;
  readonly #random: Prng;
  readonly #snapshotEvents: number;
  /** Others have filled the disk under the artifacts. */
  isStoreFull = false;
  #wallOffsetMs = 0;
  #lives = 0;
  #actor: Actor | undefined;
  #engine: Engine | undefined;

  constructor(watch: Watch, ruleset: Ruleset, snapshotEvents: number) {
    this.#watch = watch;
    this.#ruleset = ruleset;
    this.#snapshotEvents = snapshotEvents;
    this.#random = new Prng(kernel().seed, 'coordinator machine');
  }

  get actor(): Actor | undefined {
    return this.#actor?.alive === true ? this.#actor : undefined;
  }

  /** Its state, while it runs. */
  get engine(): Engine | undefined {
    return this.actor === undefined ? undefined : this.#engine;
  }

  get lives(): number {
    return this.#lives;
  }

  start(): void {
    this.#lives += 1;
    this.#engine = undefined;
    const actor = new Actor(
      'coordinator',
      new Prng(kernel().seed, `coordinator ${this.#lives}`),
      this.#wallOffsetMs,
    );
    this.#actor = actor;
    actor.onEnd((cause) => {
      kernel().trace.note(kernel().nowMs, 'coordinator', `ENDED ${cause}`);
      this.#watch.observe({ kind: 'stopped', coordinator: 0 });
      const afterMs = this.#random.between(0.2, 2.5) * restartMs;
      kernel().schedule(afterMs, kernel().nature, 'start coordinator', () => {
        if (this.#actor === actor) this.start();
      });
    });
    kernel().schedule(0, actor, 'coordinator starts', () => {
      this.#live(actor).catch((error: unknown) => {
        if (actor.alive) kernel().uncaught(error);
      });
    });
  }

  jumpClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
    if (this.#actor !== undefined) this.#actor.wallOffsetMs = this.#wallOffsetMs;
  }

  /** Shows the auditor until when nodes pause. All that was decided must be durable. */
  tellPauses(): void {
    const nodes = [...(this.engine?.sequencer.state.nodes.values() ?? [])];
    const pauses = new Map(nodes.map(({ id, standing }) => [id, standing.restUntil]));
    this.#watch.observe({ kind: 'pauses', pauses });
  }

  /** Shows the auditor the tables, and the hash of the state at a size of the log. */
  inspect(): void {
    const engine = this.engine;
    if (engine === undefined) return;
    const { actor } = this;
    if (actor === undefined) return;
    kernel().schedule(0, actor, 'inspect', () => {
      this.#watch.observe({ kind: 'tables', tables: dumpTables(databaseFile) });
      void engine.sequencer
        .digest()
        .then(({ size, hash }) => this.#watch.observe({ kind: 'digest', size, stateHash: hash }));
    });
  }

  /** The program's own composition, with a simulated door instead of a server. */
  async #live(actor: Actor): Promise<void> {
    const logger = silentLogger;
    const clock = new SteadyClock();
    const { now } = clock;
    const engine = await openEngine({
      config: { ...config, ruleset: this.#ruleset, snapshotEvents: this.#snapshotEvents },
      logger,
      now,
      onReplayed: (newestAt) => clock.notBefore(newestAt),
      signal: AbortSignal.any([]),
      onFatal: (error) => this.#endFatally(actor, error),
      space: () => Promise.resolve(emptyDisk),
    });
    this.#tellRestart(engine);
    await ensureOperatorKey(dataDir, engine.sequencer, engine.store.reads, now());
    const { api, gateway } = await openRooms({
      engine,
      config,
      version: '0.0.0',
      clients: new ClientAddresses([]),
      logger,
      now,
      randomBytes: (length) => kernel().current.random.bytes(length),
      heapShare: () => 0,
      diskSpace: () => Promise.resolve({ freeBytes: this.isStoreFull ? 0 : 2 ** 40, sizeBytes: 2 ** 40 }),
    });
    const server = new EventEmitter();
    gateway.attach(server as unknown as Server);
    const answer = createRoutes({ deps: api, watch: this.#watch, signal: AbortSignal.any([]) });
    servers().listen({ actor, server, answer });
    engine.startClock(() => gateway.heard());
    this.#engine = engine;
  }

  /** The coordinator ends rather than go on in doubt, but for nothing less than what was done to it. */
  #endFatally(actor: Actor, error: Error): void {
    if (!actor.alive) return;
    if (!isInjected(error)) {
      kernel().fail(error);
      return;
    }
    this.#watch.fault('coordinator gave up', error.message);
    actor.end(`fatal: ${error.message}`);
  }

  #tellRestart({ store, sequencer }: Engine): void {
    if (this.#lives === 1) return;
    const size = store.log.size();
    this.#watch.observe({ kind: 'log', coordinator: 0, first: 0, lines: readLines(databaseFile) });
    const { state } = sequencer;
    // What is derived follows from what was restored; the auditor cannot see it.
    checkInvariants(state);
    this.#watch.observe({
      kind: 'restarted',
      coordinator: 0,
      size,
      stateHash: stateHash(state),
      tables: dumpTables(databaseFile),
    });
    const pauses = [...state.nodes.values()].map(({ id, standing }) => [id, standing.restUntil] as const);
    this.#watch.observe({ kind: 'pauses', pauses: new Map(pauses) });
  }
}
