import type { Contact } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import type { NodeId } from '@capacloud/protocol/ids';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { rootAt } from '@capacloud/protocol/log/merkle-proofs';
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import { DiskWatch, type DiskWatchParts } from './disk-watch.ts';
import { CommandSequencer } from './log/command-sequencer.ts';
import { type Replayed, replay } from './log/replay.ts';
import { SafeMode } from './log/safe-mode.ts';
import { SnapshotFiles } from './log/snapshot-files.ts';
import { Snapshotter } from './log/snapshotter.ts';
import type { BrokenDecision, StateMachine } from './log/state-machine.ts';
import { startTicker } from './log/ticker.ts';
import { nativeSha256 } from './native-sha256.ts';
import type { DiskRoom } from './ports/disk-room.ts';
import type { LogPort } from './ports/log.ts';
import type { Questions } from './ports/questions.ts';
import type { Transparency } from './ports/transparency.ts';
import { createQuestions } from './questions/questions.ts';
import { DataError } from './store/data-error.ts';
import { dataFault } from './store/data-fault.ts';
import { databasePath, readLogSize } from './store/open-database.ts';
import { openStore, type Store } from './store/store.ts';
import { HighWaterFile, readHighWater } from './transparency/high-water.ts';
import { openLogKey } from './transparency/log-key.ts';
import {
  createTransparency,
  faultOfHighWater,
  faultOfLatestCheckpoint,
  tooShort,
  trustedHighWater,
} from './transparency/log-transparency.ts';

const tickMs = 1000;
const checkpointMs = 10_000;
/** What a damaged write-ahead log may lose unnoticed, if no checkpoint of it was given out. */
export const highWaterMs = 2000;
const pruneMs = 10 * 60_000;
const checkpointKeepMs = 7 * 24 * 3600_000;

export interface EngineParts {
  readonly config: Pick<Config, 'name' | 'dataDir' | 'ruleset' | 'snapshotEvents'>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Told the time of the newest entry, if there is one, before anything is appended. */
  readonly onReplayed?: (newestAt: number) => void;
  readonly signal: AbortSignal;
  /** Of the file system of the data folder; asked of the system where nothing is said. */
  readonly space?: DiskWatchParts['space'];
  /** The process must not go on. */
  readonly onFatal: (error: Error) => void;
  /** A test may put a fault into it. */
  readonly machine?: StateMachine;
  /** For one verb of the operator: nothing is placed, and the rules of the log stay. */
  readonly isOffline?: boolean;
}

/** The log, its state and its proofs, running. */
export interface Engine {
  readonly store: Store;
  readonly sequencer: CommandSequencer;
  readonly questions: Questions;
  readonly transparency: Transparency;
  readonly disk: DiskRoom;
  /** Starts the clock, given when each node was last heard. */
  startClock(heard: () => ReadonlyMap<NodeId, Contact>): void;
  /** Makes everything taken durable, writes a snapshot and closes the files. */
  close(): Promise<void>;
}

/** Opens the data folder, checks it, and brings the state back. Throws DataError. */
export async function openEngine(parts: EngineParts): Promise<Engine> {
  assertNotShorter(parts.config);
  const store = await openStore(parts.config.dataDir);
  try {
    return await startEngine(parts, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Before anything is written: a log that lost its end stays as it is, for whoever wants to save what is left. */
function assertNotShorter({ dataDir, name }: Pick<Config, 'dataDir' | 'name'>): void {
  const notes = readHighWater(dataDir);
  if (notes.length === 0) return;
  const was = trustedHighWater({ origin: name, signer: openLogKey(dataDir, name) }, notes);
  const size = readLogSize(databasePath(dataDir));
  if (size < was) throw new DataError('log.damaged', tooShort(size, was));
}

async function startEngine(parts: EngineParts, store: Store): Promise<Engine> {
  const { config, logger, now, onFatal } = parts;
  const { log, readSubtree, checkpoints } = store;
  await assertName(store, config);
  const signer = openLogKey(config.dataDir, config.name);
  const heads = { origin: config.name, signer, readSubtree, size: log.size() };
  const fault =
    faultOfLatestCheckpoint({ ...heads, checkpoints }) ??
    faultOfHighWater(heads, readHighWater(config.dataDir));
  if (fault !== undefined) throw new DataError('log.damaged', fault);
  const rootHexAt = (size: number) => encodeHex(rootAt(size, readSubtree, nativeSha256));
  const files = new SnapshotFiles(config.dataDir);
  const replayed = await bringBack(store, files, rootHexAt, parts.signal);
  logger.info({ size: replayed.size, snapshot: replayed.from }, 'the log is open');
  await tellNewest(parts, log);
  const disk = await watchDisk(parts, store);
  const sequencer = new CommandSequencer({
    disk,
    state: replayed.state,
    log,
    fencingEpoch: store.fencingEpoch,
    projection: store.projection,
    now,
    onFatal,
    onBroken: (broken) => tellBroken(logger, broken),
    ...(parts.machine === undefined ? {} : { machine: parts.machine }),
  });
  const questions = createQuestions(sequencer, now);
  const safeMode = new SafeMode(config.dataDir, sequencer, logger);
  await safeMode.begin(now());
  if (parts.isOffline === true) sequencer.notes.isPaused = true;
  else await applyRules(parts, sequencer);
  const snapshotter = new Snapshotter({
    sequencer,
    files,
    rootAt: rootHexAt,
    from: replayed.from,
    everyEvents: config.snapshotEvents,
    hasRoom: () => disk.level === 'ample',
    onFailure: (err) => logger.error({ err }, 'a snapshot could not be written'),
  });
  const highWater = new HighWaterFile(config.dataDir);
  const transparency = createTransparency({ ...heads, log, checkpoints, highWater, now });
  await transparency.raiseHighWater();
  const onFailure = unlessFull(parts);
  const timers = startUpkeep(parts, store, transparency, onFailure);
  return {
    store,
    sequencer,
    questions,
    transparency,
    disk,
    startClock(heard) {
      timers.push(safeMode.watch(now));
      timers.push(startTicker({ sequencer, heard, now, everyMs: tickMs }));
    },
    async close() {
      for (const stop of timers) stop();
      await snapshotter.save();
      await snapshotter.stop();
      await disk.stop();
      await sequencer.close();
      await transparency.raiseHighWater().catch(onFailure);
      await store.close();
    },
  };
}

function tellBroken(logger: Logger, { command, error: err, suspicion }: BrokenDecision): void {
  const about = { err, command, subject: suspicion?.subject };
  if (suspicion === undefined) logger.error(about, 'a decision broke an invariant and was dropped');
  else logger.error(about, 'a decision broke an invariant and was dropped: its subject is isolated');
}

function startUpkeep(
  { now }: EngineParts,
  store: Store,
  transparency: ReturnType<typeof createTransparency>,
  onFailure: (error: Error) => void,
): (() => void)[] {
  return [
    every(checkpointMs, () => transparency.checkpoint(), onFailure),
    every(highWaterMs, () => transparency.raiseHighWater(), onFailure),
    every(pruneMs, () => store.prune(now() - checkpointKeepMs), onFailure),
  ];
}

async function watchDisk({ config, logger, space }: EngineParts, store: Store): Promise<DiskWatch> {
  const disk = new DiskWatch({
    dataDir: config.dataDir,
    reusableBytes: () => store.reusableBytes(),
    logger,
    onLow: () => void store.shrink().catch((err: unknown) => logger.error({ err }, 'no room was given back')),
    ...(space === undefined ? {} : { space }),
  });
  await disk.start();
  return disk;
}

/** Whether the log can go on with a full disk, the log finds out itself. */
function unlessFull({ config, logger, onFatal }: EngineParts): (error: Error) => void {
  return (error) => {
    const fault = error instanceof DataError ? error : dataFault(error, config.dataDir);
    if (fault?.isFull === true) logger.error({ err: error }, 'the disk is full');
    else onFatal(error);
  };
}

async function tellNewest({ onReplayed }: EngineParts, log: LogPort): Promise<void> {
  const [newest] = await log.read(Math.max(0, log.size() - 1), 1);
  if (newest !== undefined) onReplayed?.((JSON.parse(newest.entry) as Event).at);
}

/** The state that the log leads to, checked against what else the folder holds. */
async function bringBack(
  store: Store,
  files: SnapshotFiles,
  rootHexAt: (size: number) => string,
  signal: AbortSignal,
): Promise<Replayed> {
  const newest = files.newestSize();
  if (newest > store.log.size())
    throw new DataError(
      'log.damaged',
      `The log has ${store.log.size()} entries, but there is a snapshot of ${newest}: was the file coordinator.db-wal lost?`,
    );
  const replayed = await replay(store.log, files.list(store.log.size(), rootHexAt), signal);
  const wrong = store.faultOfTables(replayed.state);
  if (wrong !== undefined)
    throw new DataError('log.damaged', `The tables do not say what the log says: ${wrong} differs.`);
  return replayed;
}

/** The first event names the log. Asked for first: by another name nothing else would fit, either. */
async function assertName(
  { log }: Store,
  { dataDir, name }: Pick<Config, 'dataDir' | 'name'>,
): Promise<void> {
  const [first] = await log.read(0, 1);
  if (first === undefined) return;
  const { origin } = JSON.parse(first.entry) as { readonly origin?: string };
  if (origin !== name)
    throw new DataError(
      'log.foreign',
      `${dataDir} belongs to the coordinator ${String(origin)}, not ${name}.`,
    );
}

/** The first event names the log; later ones follow the operator's rules. */
async function applyRules({ config, now }: EngineParts, sequencer: CommandSequencer): Promise<void> {
  const { state } = sequencer;
  const { name: origin, ruleset } = config;
  if (state.origin === '') {
    await sequencer.submit({ type: 'log.open', at: now(), origin, ruleset });
    return;
  }
  if (canonicalJson(state.ruleset) !== canonicalJson(ruleset))
    await sequencer.submit({ type: 'ruleset.change', at: now(), ruleset });
}

/** Runs a write on a timer, never twice at once. A write that fails is a disk that fails. */
function every(everyMs: number, run: () => Promise<unknown>, onFailure: (error: Error) => void): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    run().then(
      () => {
        busy = false;
      },
      (error: unknown) => {
        busy = false;
        onFailure(error instanceof Error ? error : new Error('a periodic write failed', { cause: error }));
      },
    );
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
