#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connections } from '@capacloud/transfer/connections';
import type { Logger } from 'pino';
import { Executor } from './attempt/executor.ts';
import { openDiskWatch } from './composition/disk-watch.ts';
import { connectionsOf, doctorParts, openSelfCheck, registriesOf } from './composition/doctor-parts.ts';
import { chooseScratch, type ScratchKind } from './composition/scratch-choice.ts';
import { statusOf } from './composition/status.ts';
import { openStatus } from './composition/status-server.ts';
import { createDockerRuntime } from './container/docker-runtime.ts';
import { ScheduledAsk } from './core/ask-schedule.ts';
import type { Clock } from './core/clock.ts';
import type { Journal } from './core/journal-port.ts';
import { restoreLease } from './core/lease.ts';
import { readLocalImages } from './core/local-images.ts';
import { needsImage } from './core/policy.ts';
import { defaultUidRange } from './core/task-uids.ts';
import { InputCache } from './features/inputs/input-cache.ts';
import { AttemptLogs } from './features/logs/attempt-logs.ts';
import { Machine } from './hardware/machine.ts';
import { makeOffer } from './hardware/offer.ts';
import { fitOffers } from './hardware/offer-fit.ts';
import { openAgentLog, surviveStorageFaults } from './host/agent-log.ts';
import { runCommandLine } from './host/command-line.ts';
import type { AgentConfig } from './host/config.ts';
import { untilDiskTakesIt } from './host/disk-wait.ts';
import { everyMinute } from './host/every-minute.ts';
import { OwnerMustAct } from './host/failure.ts';
import { readKeyFile } from './host/key-file.ts';
import { makeFolder } from './host/make-folder.ts';
import type { SelfCheck } from './host/self-check.ts';
import { ServiceNotifier } from './host/service-notifier.ts';
import { systemClock } from './host/system-clock.ts';
import { openDatabase, usable } from './journal/schema.ts';
import { SqliteJournal } from './journal/sqlite-journal.ts';
import { lockStateDir } from './journal/state-lock.ts';
import { NodeIdentity } from './session/identity.ts';
import { NodePauseWatch } from './session/node-pause.ts';
import { SessionClient } from './session/session-client.ts';
import { CoordinatorHttp } from './transfer/coordinator-http.ts';

const pidsLimit = 4096;
const inputCacheBytes = 10 * 1024 ** 3;
/** Longest wait at a shutdown for reports that are on their way; the rest is sent by the next life. */
const flushMs = 3000;

/** Longest wait for the first checks before the session opens; without them it opens and takes no work. */
const firstChecksMs = 1000;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

/** What keeps the attempts of one coordinator apart: known also while it cannot be reached. */
function coordinatorKey(config: AgentConfig): string {
  return config.coordinatorName ?? new URL(config.coordinator).host;
}

function openEngine(
  config: AgentConfig,
  identity: NodeIdentity,
  journal: SqliteJournal,
  scratch: ScratchKind,
) {
  return createDockerRuntime({
    socketPath: config.dockerSocket,
    owner: { node: identity.node, coordinator: coordinatorKey(config) },
    policy: { allowRoot: config.allowRoot, pidsLimit },
    takeUid: (key, { inUse, isMapped }) =>
      journal.takeUid(key, config.taskUids ?? defaultUidRange(identity.node, isMapped), inUse),
    localImages: readLocalImages(config.localImages),
    registries: registriesOf(config),
    imageShare: config.resources.images,
    neededImages: () =>
      journal
        .attempts()
        .filter(({ phase }) => needsImage(phase))
        .map(({ assignment }) => assignment.image),
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

/** Lock and journal, which outlive nothing but this process. */
function openState(config: AgentConfig, clock: Clock) {
  makeFolder(config.stateDir);
  const lock = lockStateDir(config.stateDir);
  try {
    const journal = openJournal(config, clock);
    return {
      journal,
      close() {
        journal.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function runAgent(config: AgentConfig): Promise<void> {
  // The journal, logs and outputs are private: whatever the mode of the folder, its files are the owner's.
  process.umask(0o077);
  const log = openAgentLog(config.logLevel);
  surviveStorageFaults(log);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const clock = systemClock();
  const service = new ServiceNotifier(process.env, log);
  const onWait = () => service.ready();
  const state = await untilDiskTakesIt(config.stateDir, () => openState(config, clock), {
    log,
    signal,
    onWait,
  });
  if (state === undefined) return;
  try {
    await runLocked({ config, log, clock, journal: state.journal, service }, signal);
  } finally {
    state.close();
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

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

interface OpenParts {
  readonly config: AgentConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly journal: SqliteJournal;
  readonly service: ServiceNotifier;
}

async function runLocked(
  { config, log, clock, journal, service }: OpenParts,
  signal: AbortSignal,
): Promise<void> {
  const identity = await openIdentity(config);
  const lease = restoreLease(journal, clock);
  const machine = new Machine(config.stateDir, log, () => session.notify());
  const parts = { identity, journal, lease, clock, log };
  const connections = connectionsOf(config);
  const session: SessionClient = new SessionClient({ ...coordinatorOf(config, connections), ...parts });
  const probing = machine.run(signal);
  const aborted = abortOf(signal);
  await Promise.race([machine.measured(), aborted]);
  if (signal.aborted) return;
  const { resources, schedule } = config;
  const ask = new ScheduledAsk(config.ask, schedule);
  const scratch = await chooseScratch(config);
  const terms = { ...config, ...resources, scratchInMemory: scratch === 'memory' };
  const disks = await openDiskWatch({ config, scratch, onChange: () => session.notify() }, signal);
  const offer = fitOffers(log, () =>
    disks.limit(makeOffer({ ...terms, ask: ask.offered(clock.nowMs()) }, machine.size, machine.devices())),
  );
  const http = new CoordinatorHttp(session, (url, call) => connections.fetch(url, call));
  const onDone = () => executor.onChange();
  const logs = new AttemptLogs({ dir: join(config.stateDir, 'logs'), http, journal, log, onDone });
  const selfCheck = openSelfCheck(config, machine, session, log);
  const executor: Executor = new Executor({
    node: identity.node,
    outputsDir: join(config.stateDir, 'outputs'),
    runtime: openEngine(config, identity, journal, scratch),
    journal,
    logs,
    inputs: new InputCache(join(config.stateDir, 'inputs'), inputCacheBytes, http),
    http,
    access: session,
    clock,
    log,
    lease,
    offer,
    isClosed: () => !selfCheck.isWell || disks.isShort || ask.at(clock.nowMs()) === undefined,
    load: () => machine.load(),
    notifySession: () => session.notify(),
  });
  const pauses = new NodePauseWatch(identity.node, (path, signal) =>
    connections.fetch(`${session.baseUrl}${path}`, { method: 'GET', headers: {}, signal }),
  );
  const status = () =>
    statusOf({
      ...parts,
      version,
      config,
      session,
      executor,
      machine,
      ask,
      selfCheck,
      scratch,
      offer,
      pauses,
    });
  const socket = await openStatus(config, status, { log, signal });
  const minutes = schedule !== undefined;
  await work({ ...parts, config, session, executor, selfCheck, service, minutes }, aborted);
  await socket.close();
  await Promise.all([probing, disks.ended]);
}

interface WorkingParts {
  readonly config: AgentConfig;
  readonly identity: NodeIdentity;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly session: SessionClient;
  readonly executor: Executor;
  readonly selfCheck: SelfCheck;
  readonly service: ServiceNotifier;
  /** Prices change by the clock, or hours are closed. */
  readonly minutes: boolean;
}

/** Works until it is aborted, then ends in order. */
async function work(parts: WorkingParts, aborted: Promise<void>): Promise<void> {
  const { config, identity, journal, clock, log, session, executor, selfCheck, service } = parts;
  const closing = new AbortController();
  const { signal } = closing;
  const minutes = parts.minutes ? everyMinute(clock, () => session.notify(), signal) : undefined;
  const checking = selfCheck.run(signal);
  await selfCheck.firstRound(firstChecksMs);
  const working = Promise.all([executor.run(signal), session.run(executor, signal), minutes, checking]);
  log.info({ node: identity.node, coordinator: config.coordinator, version }, 'agent started');
  service.ready();
  await Promise.race([aborted, working]);
  log.info('agent stops; containers go on and are found again');
  service.stopping();
  executor.pause();
  await flush(journal, session);
  closing.abort();
  await working;
}

async function run(config: AgentConfig): Promise<void> {
  await runAgent(config);
  // A child of a probe that hangs in the kernel may not keep the process.
  process.exit(0);
}

await runCommandLine(process.argv.slice(2), {
  version,
  run,
  doctorParts: (config) => doctorParts(config),
});
