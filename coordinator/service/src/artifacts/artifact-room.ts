import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { LogPort } from '../ports/log.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Sequencer } from '../ports/sequencer.ts';
import type { TaskLogs } from '../ports/task-logs.ts';
import { ArtifactAccess } from './artifact-access.ts';
import type { ArtifactLimits } from './artifact-quota.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { dropCheckpoints } from './ended-checkpoints.ts';
import { OutputClaims } from './output-claims.ts';
import { DiskTaskLogs } from './task-logs.ts';

const collectEveryMs = 3600 * 1000;

export interface ArtifactRoomParts {
  readonly dataDir: string;
  readonly sequencer: Sequencer;
  readonly log: LogPort;
  readonly store: ReadStore;
  readonly specs: JobSpecs;
  readonly index: ArtifactIndex;
  readonly limits: ArtifactLimits;
  /** Logs of jobs are removed when nothing was written to them for so long. */
  readonly logRetentionMs: number;
  readonly now: () => number;
  readonly logger: Pick<FastifyBaseLogger, 'info' | 'error'>;
}

export interface ArtifactRoom {
  readonly artifacts: ArtifactStore;
  readonly logs: TaskLogs;
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
  const access = new ArtifactAccess(index, sequencer.state, specs, claims);
  const artifacts = new DiskArtifactStore(folder, index, access, parts.limits, now);
  await artifacts.restore();
  const logs = new DiskTaskLogs(join(parts.dataDir, 'logs'));
  const stopListening = sequencer.onCommitted((events) => claims.onCommitted(events));
  await claims.start();

  const stop = new AbortController();
  let collecting: Promise<void> = Promise.resolve();
  const collect = async (): Promise<void> => {
    try {
      await dropCheckpoints(index, sequencer.state, stop.signal);
      const removed = await artifacts.collect(stop.signal);
      const jobLogs = await logs.collect(now() - parts.logRetentionMs, stop.signal);
      logger.info({ ...removed, jobLogs }, 'collected what nobody needs');
    } catch (err) {
      logger.error({ err }, 'collecting artifacts failed');
    }
  };
  const timer = setInterval(() => {
    collecting = collecting.then(collect);
  }, collectEveryMs);
  timer.unref();
  return {
    artifacts,
    logs,
    close: async () => {
      clearInterval(timer);
      stop.abort();
      stopListening();
      await collecting;
      await claims.stop();
    },
  };
}
