import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { LogPort } from '../ports/log.ts';
import type { OwnedArtifacts } from '../ports/owned-artifacts.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Sequencer } from '../ports/sequencer.ts';
import type { TaskLogs } from '../ports/task-logs.ts';
import { ArtifactAccess } from './artifact-access.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { BroughtOutputs } from './brought-outputs.ts';
import { takeOverEarlier } from './earlier-brought.ts';
import { dropCheckpoints } from './ended-checkpoints.ts';
import { OutputClaims } from './output-claims.ts';
import { AccountArtifacts } from './owned-artifacts.ts';
import { RepeatedWork } from './repeated-work.ts';
import { Staging } from './staging.ts';
import { type ArtifactLimits, type DiskSpace, diskSpaceOf, StorageSpace } from './storage-space.ts';
import { StoreAlarm } from './store-alarm.ts';
import { DiskTaskLogs } from './task-logs.ts';
import { HoldingStore } from './upload-holds.ts';
import { UploadRights } from './upload-rights.ts';

const collectEveryMs = 3600 * 1000;
/** How often it is looked for what nobody goes on with and nobody has. */
const sweepEveryMs = 30_000;
/** How often it is looked whether there is room for uploads that are held. */
const resumeEveryMs = 2000;

export interface ArtifactRoomParts {
  readonly dataDir: string;
  readonly sequencer: Sequencer;
  readonly log: LogPort;
  readonly store: ReadStore;
  readonly specs: JobSpecs;
  readonly index: ArtifactIndex;
  readonly limits: ArtifactLimits;
  /** Of the file system under the artifacts; that of their folder where nothing is said. */
  readonly diskSpace?: (() => Promise<DiskSpace>) | undefined;
  /** Logs of jobs are removed when nothing was written to them for so long. */
  readonly logRetentionMs: number;
  readonly now: () => number;
  readonly logger: Pick<FastifyBaseLogger, 'info' | 'error'>;
}

export interface ArtifactRoom {
  readonly artifacts: ArtifactStore;
  readonly owned: OwnedArtifacts;
  readonly logs: TaskLogs;
  /** What the store takes nothing for; undefined while it has room. */
  readonly storeState: () => 'full' | 'failing' | undefined;
  /** Ends what runs on a timer and writes down how far it came. */
  close(): Promise<void>;
}

/** Opens <dataDir>/artifacts and <dataDir>/logs, claims outputs as tasks succeed, and collects what nobody needs. */
export async function openArtifactRoom(parts: ArtifactRoomParts): Promise<ArtifactRoom> {
  const { sequencer, store, specs, index, now, logger } = parts;
  const folder = join(parts.dataDir, 'artifacts');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const claims = new OutputClaims({
    path: join(folder, 'claims-cursor'),
    log: parts.log,
    store,
    index,
    specs,
    onFailure: (err) => logger.error({ err }, 'claiming outputs failed'),
  });
  const { state } = sequencer;
  const access = new ArtifactAccess(index, state, specs, claims);
  const staging = new Staging(join(folder, 'staging'), now);
  const rights = new UploadRights(state, specs);
  const brought = new BroughtOutputs(index, state);
  const space = new StorageSpace({
    limits: parts.limits,
    index,
    staging,
    brought,
    diskSpace: parts.diskSpace ?? (() => diskSpaceOf(folder)),
  });
  // The state may be ahead of the log, and a claim is made from the log alone.
  const settled = async () => {
    await sequencer.record([]);
    await claims.catchUp();
  };
  const disk = new DiskArtifactStore({
    folder,
    index,
    access,
    rights,
    brought,
    space,
    staging,
    now,
    settled,
  });
  await disk.restore();
  const alarm = new StoreAlarm(logger, now);
  const artifacts = new HoldingStore({ store: disk, space, sequencer, alarm, now });
  const logs = new DiskTaskLogs(join(parts.dataDir, 'logs'));
  const stopListening = sequencer.onCommitted((events) => claims.onCommitted(events));
  await claims.start();
  await takeOverEarlier(join(folder, 'brought'), { brought, index, state, at: now() });

  const stopUpkeep = startUpkeep(parts, { disk, artifacts, logs });
  return {
    artifacts,
    owned: new AccountArtifacts(index, access, space),
    logs,
    storeState: () => alarm.state,
    close: async () => {
      stopListening();
      await stopUpkeep();
      await claims.stop();
    },
  };
}

interface Kept {
  readonly disk: DiskArtifactStore;
  readonly artifacts: HoldingStore;
  readonly logs: DiskTaskLogs;
}

/** What is done on timers; gives how to end it. */
function startUpkeep(
  { index, logger, logRetentionMs, now, sequencer }: ArtifactRoomParts,
  { artifacts, disk, logs }: Kept,
): () => Promise<void> {
  const stop = new AbortController();
  const collect = async (): Promise<void> => {
    await dropCheckpoints(index, sequencer.state, stop.signal);
    const jobLogs = await logs.collect(now() - logRetentionMs, stop.signal);
    logger.info({ jobLogs }, 'collected what nobody needs');
  };
  const sweep = async (): Promise<void> => {
    const dropped = await disk.collect(stop.signal);
    if (dropped.artifacts + dropped.uploads > 0) logger.info(dropped, 'dropped what nobody needs');
  };
  const repeat = (everyMs: number, work: () => Promise<void>, failure: string) =>
    new RepeatedWork(everyMs, work, (err) => logger.error({ err }, failure));
  const works = [
    repeat(collectEveryMs, collect, 'collecting artifacts failed'),
    repeat(sweepEveryMs, sweep, 'artifacts that nobody needs could not be dropped'),
    repeat(resumeEveryMs, () => artifacts.resume(), 'held uploads could not be looked at'),
  ];
  return async () => {
    stop.abort();
    for (const work of works) await work.stop();
  };
}
