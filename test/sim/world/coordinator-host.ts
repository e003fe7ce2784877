import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { openArtifactRoom } from '@capacloud/coordinator/artifacts/artifact-room';
import { ClientAddresses } from '@capacloud/coordinator/client-addresses';
import { type Engine, openEngine } from '@capacloud/coordinator/engine';
import { createGateway } from '@capacloud/coordinator/gateway/gateway';
import { JobSpecs } from '@capacloud/coordinator/job-specs';
import { ensureOperatorKey } from '@capacloud/coordinator/operator-key';
import { readOrCreateSecret } from '@capacloud/coordinator/secret-files';
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

const name = 'coordinator.sim';
const dataDir = '/coordinator/data';
export const databaseFile = `${dataDir}/coordinator.db`;
const restartMs = 1500;

/** The coordinator's machine: one process after another on the same data folder. */
const emptyDisk = { freeBytes: 2 ** 40, sizeBytes: 2 ** 40, freeInodes: 0, inodes: 0 };

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

  /** As coordinator/service/src/coordinator.ts puts it together, with the simulated door. */
  async #live(actor: Actor): Promise<void> {
    const logger = silentLogger;
    const clock = new SteadyClock();
    const { now } = clock;
    const onFatal = (error: Error) => {
      if (!actor.alive) return;
      // It ends rather than go on in doubt, but for nothing less than what was done to it.
      if (!isInjected(error)) return kernel().fail(error);
      this.#watch.fault('coordinator gave up', error.message);
      actor.end(`fatal: ${error.message}`);
    };
    const config = { name, dataDir, ruleset: this.#ruleset, snapshotEvents: this.#snapshotEvents };
    const { signal } = new AbortController();
    const engine = await openEngine({
      config,
      logger,
      now,
      onReplayed: (newestAt) => clock.notBefore(newestAt),
      signal,
      onFatal,
      space: () => Promise.resolve(emptyDisk),
    });
    const { disk, store, sequencer, transparency } = engine;
    this.#tellRestart(engine);
    await ensureOperatorKey(dataDir, sequencer, store.reads, now());
    const specs = new JobSpecs(store.reads);
    const secretIn = (file: string) =>
      readOrCreateSecret(`${dataDir}/${file}`, () => actor.random.bytes(32).toString('hex'));
    const clients = new ClientAddresses([]);
    const gateway = createGateway({
      sequencer,
      specs,
      clients,
      store: store.reads,
      artifacts: store.artifacts,
      logger,
      coordinator: name,
      chainId: 31337,
      nonceSecret: secretIn('nonce.secret'),
      heapShare: () => 0,
      now,
    });
    const room = await openArtifactRoom({
      dataDir,
      sequencer,
      log: store.log,
      store: store.reads,
      specs,
      index: store.artifacts,
      rows: store.rows,
      disk,
      jobLogBytes: 2 ** 30,
      limits: { maxArtifactBytes: 2 ** 26, accountBytes: 2 ** 30, totalBytes: 2 ** 34 },
      diskSpace: () => Promise.resolve({ freeBytes: this.isStoreFull ? 0 : 2 ** 40, sizeBytes: 2 ** 40 }),
      logRetentionMs: 24 * 3600_000,
      now,
      logger,
    });
    const server = new EventEmitter();
    gateway.attach(server as unknown as Server);
    const answer = createRoutes({
      deps: {
        sequencer,
        clients,
        store: store.reads,
        specs,
        artifactIndex: store.artifacts,
        artifacts: room.artifacts,
        owned: room.owned,
        storeState: room.storeState,
        disk,
        logs: room.logs,
        sessions: gateway.tokens,
        live: gateway.activity,
        transparency,
        imageSecret: secretIn('image.secret'),
        now,
        randomBytes: (length) => kernel().current.random.bytes(length),
      },
      watch: this.#watch,
      signal,
    });
    servers().listen({ actor, server, answer });
    engine.startClock(() => gateway.heard());
    this.#engine = engine;
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
