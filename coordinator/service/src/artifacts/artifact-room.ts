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
import { staleAfterMs } from './artifact-collection.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { dropCheckpoints } from './ended-checkpoints.ts';
import { OutputClaims } from './output-claims.ts';
import { AccountArtifacts } from './owned-artifacts.ts';
import { RepeatedWork } from './repeated-work.ts';
import { Staging } from './staging.ts';
import { type ArtifactLimits, type DiskSpace, diskSpaceOf, StorageSpace } from './storage-space.ts';
import { StoreAlarm } from './store-alarm.ts';
import { DiskTaskLogs } from './task-logs.ts';
import { consumerOf, HoldingStore, isUnderWay } from './upload-holds.ts';

const collectEveryMs = 3600 * 1000;
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
  const space = new StorageSpace({
    limits: parts.limits,
    index,
    staging,
    diskSpace: parts.diskSpace ?? (() => diskSpaceOf(folder)),
    consumerOf: (by) => consumerOf(state, by),
    isUnderWay: (ref) => isUnderWay(state, ref),
  });
  // Files of an attempt that came before one had to wait are wanted when its receipt comes.
  const broughtForMs = () => staleAfterMs + (state.ruleset.uploadHoldMs ?? 0);
  const disk = new DiskArtifactStore({ folder, index, access, space, staging, now, broughtForMs });
  await disk.restore();
  const alarm = new StoreAlarm(logger, now);
  const artifacts = new HoldingStore({ store: disk, space, sequencer, alarm, now });
  const logs = new DiskTaskLogs(join(parts.dataDir, 'logs'));
  const stopListening = sequencer.onCommitted((events) => claims.onCommitted(events));
  await claims.start();

  const stop = new AbortController();
  const collect = async (): Promise<void> => {
    await dropCheckpoints(index, state, stop.signal);
    const removed = await disk.collect(stop.signal);
    const jobLogs = await logs.collect(now() - parts.logRetentionMs, stop.signal);
    logger.info({ ...removed, jobLogs }, 'collected what nobody needs');
  };
  const collecting = new RepeatedWork(collectEveryMs, collect, (err) =>
    logger.error({ err }, 'collecting artifacts failed'),
  );
  const resume = (): Promise<void> => artifacts.resume();
  const resuming = new RepeatedWork(resumeEveryMs, resume, (err) =>
    logger.error({ err }, 'held uploads could not be looked at'),
  );
  return {
    artifacts,
    owned: new AccountArtifacts(index, access, space),
    logs,
    storeState: () => alarm.state,
    close: async () => {
      stop.abort();
      stopListening();
      await collecting.stop();
      await resuming.stop();
      await claims.stop();
    },
  };
}
