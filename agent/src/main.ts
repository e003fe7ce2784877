#!/usr/bin/env node
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeIdOf } from '@capacloud/protocol/ids';
import type { Offer } from '@capacloud/protocol/resources';
import { type Connections, createConnections } from '@capacloud/transfer/connections';
import { type Logger, pino } from 'pino';
import { AttemptLogs } from './attempts/attempt-logs.ts';
import { CoordinatorHttp } from './attempts/coordinator-http.ts';
import { Executor } from './attempts/executor.ts';
import { InputCache } from './attempts/input-cache.ts';
import { ScheduledAsk } from './core/ask-schedule.ts';
import type { Clock } from './core/clock.ts';
import type { Journal } from './core/journal-port.ts';
import { type Lease, restoreLease } from './core/lease.ts';
import { readLocalImages } from './core/local-images.ts';
import type { ScratchUse } from './core/scratch-use.ts';
import { Machine } from './hardware/machine.ts';
import { memoryProbe } from './hardware/memory.ts';
import { divideRoom, makeOffer } from './hardware/offer.ts';
import { runProbe } from './hardware/probe.ts';
import { runCommandLine } from './host/command-line.ts';
import type { AgentConfig } from './host/config.ts';
import { everyMinute } from './host/every-minute.ts';
import { OwnerMustAct } from './host/failure.ts';
import { readKeyFile } from './host/key-file.ts';
import { ServiceNotifier } from './host/service-notifier.ts';
import { serveStatus } from './host/status-socket.ts';
import type { AgentStatus } from './host/status-text.ts';
import { systemClock } from './host/system-clock.ts';
import { openDatabase, usable } from './journal/schema.ts';
import { SqliteJournal } from './journal/sqlite-journal.ts';
import { lockStateDir } from './journal/state-lock.ts';
import { createDockerRuntime } from './runtime/docker-runtime.ts';
import { canUseLoopScratch } from './runtime/loop-scratch.ts';
import { NodeIdentity } from './session/identity.ts';
import { SessionClient } from './session/session-client.ts';

const pidsLimit = 4096;
const inputCacheBytes = 10 * 1024 ** 3;
/** Longest wait at a shutdown for reports that are on their way; the rest is sent by the next life. */
const flushMs = 3000;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

/** Proxies come from the environment, as for other programs. */
function connectionsOf({ caFile }: AgentConfig): Connections {
  return createConnections({ env: process.env, caFile });
}

/** What keeps the attempts of one coordinator apart: known also while it cannot be reached. */
function coordinatorKey(config: AgentConfig): string {
  return config.coordinatorName ?? new URL(config.coordinator).host;
}

type ScratchKind = ScratchUse['kind'];

async function chooseScratch({ scratch }: AgentConfig): Promise<ScratchKind> {
  return scratch === 'loop' || (scratch === 'auto' && (await canUseLoopScratch())) ? 'loop' : 'memory';
}

/** What the doctor says of scratch: by the memory of this machine, and without the disk, of which it says enough. */
async function findScratch(config: AgentConfig, signal: AbortSignal) {
  const [kind, loopWorks] = await Promise.all([chooseScratch(config), canUseLoopScratch()]);
  const { totalBytes } = await runProbe(memoryProbe, signal);
  const terms = { ...config.resources, scratchInMemory: kind === 'memory' };
  const { diskBytes, memoryBytes } = divideRoom(terms, { memoryBytes: totalBytes, diskFreeBytes: 0 });
  return { kind, loopWorks, offeredBytes: diskBytes, programBytes: memoryBytes };
}

function openEngine(config: AgentConfig, identity: NodeIdentity, scratch: ScratchKind) {
  return createDockerRuntime({
    socketPath: config.dockerSocket,
    owner: { node: identity.node, coordinator: coordinatorKey(config) },
    policy: { allowRoot: config.allowRoot, pidsLimit },
    localImages: readLocalImages(config.localImages),
    scratch,
    stateDir: config.stateDir,
  });
}

async function openIdentity(config: AgentConfig): Promise<NodeIdentity> {
  const key = await readKeyFile(config.keyFile);
  if (!key.ok) throw new OwnerMustAct(key.refusal);
  return new NodeIdentity(key.value, config.provider);
}

function openJournal(config: AgentConfig, clock: Clock): SqliteJournal {
  const file = join(config.stateDir, 'journal.db');
  return usable(file, () => new SqliteJournal(openDatabase(file), coordinatorKey(config), clock.nowMs()));
}

/** Sends what waits while the coordinator takes it. */
async function flush(journal: Journal, session: SessionClient): Promise<void> {
  const until = performance.now() + flushMs;
  while (journal.outboxSize() > 0 && session.token() !== undefined && performance.now() < until)
    await sleep(20);
}

async function runAgent(config: AgentConfig): Promise<void> {
  const log = pino({ level: config.logLevel });
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
  const lock = lockStateDir(config.stateDir);
  try {
    await runLocked(config, log);
  } finally {
    lock.release();
  }
}

function coordinatorOf({ coordinator: url, coordinatorName }: AgentConfig, connections: Connections) {
  return {
    url,
    agentVersion: version,
    httpAgent: connections.agentFor(url),
    ...(coordinatorName === undefined ? {} : { coordinatorName }),
  };
}

async function runLocked(config: AgentConfig, log: Logger): Promise<void> {
  const identity = await openIdentity(config);
  const clock = systemClock();
  const journal = openJournal(config, clock);
  const lease = restoreLease(journal, clock);
  const stop = new AbortController();
  const service = new ServiceNotifier(process.env, log);
  const machine = new Machine(config.stateDir, log, () => session.notify());
  const parts = { identity, journal, lease, clock, log };
  const connections = connectionsOf(config);
  const session: SessionClient = new SessionClient({ ...coordinatorOf(config, connections), ...parts });
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const probing = machine.run(stop.signal);
  const aborted = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  await Promise.race([machine.measured(), aborted]);
  if (stop.signal.aborted) return;
  const { resources, schedule } = config;
  const ask = new ScheduledAsk(config.ask, schedule);
  const scratch = await chooseScratch(config);
  const terms = { ...config, ...resources, scratchInMemory: scratch === 'memory' };
  const offer = () =>
    makeOffer({ ...terms, ask: ask.offered(clock.nowMs()) }, machine.size, machine.devices());
  const http = new CoordinatorHttp(session, (url, call) => connections.fetch(url, call));
  const logs: AttemptLogs = new AttemptLogs(join(config.stateDir, 'logs'), http, journal, log, () =>
    executor.onChange(),
  );
  const executor: Executor = new Executor({
    node: identity.node,
    outputsDir: join(config.stateDir, 'outputs'),
    runtime: openEngine(config, identity, scratch),
    journal,
    logs,
    inputs: new InputCache(join(config.stateDir, 'inputs'), inputCacheBytes, http),
    http,
    access: session,
    clock,
    log,
    lease,
    offer,
    isClosed: () => ask.at(clock.nowMs()) === undefined,
    load: () => machine.load(),
    notifySession: () => session.notify(),
  });
  const parties: StatusParts = { config, identity, session, executor, machine, journal, lease, clock, ask };
  const status = () => ({
    ...statusOf(parties),
    ...sold(scratch, offer(), ask.at(clock.nowMs()) === undefined),
  });
  const socket = await serveStatus(config.statusSocket, status);
  const closing = new AbortController();
  const { signal } = closing;
  const minutes = schedule === undefined ? undefined : everyMinute(clock, () => session.notify(), signal);
  const working = Promise.all([executor.run(signal), session.run(executor, signal), minutes]);
  log.info({ node: identity.node, coordinator: config.coordinator, version }, 'agent started');
  service.ready();
  await Promise.race([aborted, working]);
  log.info('agent stops; containers go on and are found again');
  service.stopping();
  executor.pause();
  await flush(journal, session);
  closing.abort();
  await working;
  await socket.close();
  await probing;
  journal.close();
}

/** As the coordinator is told. */
function sold(kind: ScratchKind, { ask, diskBytes, memoryBytes }: Offer, isClosed: boolean) {
  const scratch: ScratchUse = { kind, offeredBytes: diskBytes, programBytes: memoryBytes };
  return isClosed ? { scratch } : { scratch, ask };
}

interface StatusParts {
  readonly config: AgentConfig;
  readonly identity: NodeIdentity;
  readonly session: SessionClient;
  readonly executor: Executor;
  readonly machine: Machine;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly ask: ScheduledAsk;
}

function statusOf(parts: StatusParts): AgentStatus {
  const { identity, session, executor, machine, journal, lease, clock, ask } = parts;
  const { interruptibleDiscountPercent } = parts.config;
  return {
    node: identity.node,
    version,
    session: session.status(),
    ...(lease.untilMs === undefined ? {} : { leaseLeftMs: Math.round(lease.untilMs - clock.bootMs()) }),
    accepting: executor.node().accepting,
    ask: ask.at(clock.nowMs()) ?? 'closed',
    ...(interruptibleDiscountPercent === undefined ? {} : { interruptibleDiscountPercent }),
    engineReachable: executor.engineReachable,
    outboxItems: journal.outboxSize(),
    attempts: executor.attempts().map(({ heldSinceMs, key, phase, stop }) => ({
      ...key,
      phase,
      ...(stop === undefined ? {} : { stop }),
      ...(phase === 'uploading' && heldSinceMs !== undefined ? { heldSinceMs } : {}),
    })),
    devices: machine.devices(),
    leftOut: machine.leftOut(),
    probes: machine.probes(),
  };
}

async function run(config: AgentConfig): Promise<void> {
  await runAgent(config);
  // A child of a probe that hangs in the kernel may not keep the process.
  process.exit(0);
}

await runCommandLine(process.argv.slice(2), {
  version,
  run,
  pingEngine: (config) => async (signal) =>
    createDockerRuntime({
      socketPath: config.dockerSocket,
      // Asks the engine for its version only, so whose containers it would look for does not matter.
      owner: { node: nodeIdOf(`0x${'0'.repeat(40)}`), coordinator: 'doctor' },
      policy: { allowRoot: false, pidsLimit },
      localImages: [],
      scratch: 'memory',
      stateDir: config.stateDir,
    }).ping(signal),
  findScratch: (config) => (signal) => findScratch(config, signal),
});
