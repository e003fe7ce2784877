import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { DiskRoom } from '../ports/disk-room.ts';
import type { LogPort } from '../ports/log.ts';
import type { OwnedArtifacts } from '../ports/owned-artifacts.ts';
import type { PrivateRows } from '../ports/private-rows.ts';
import type { ArtifactQuestions } from '../ports/questions.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Committed, Submitter } from '../ports/sequencer.ts';
import type { TaskLogs } from '../ports/task-logs.ts';
import { AccountQuota } from './account-quota.ts';
import { ArtifactAccess } from './artifact-access.ts';
import { DiskArtifactStore } from './artifact-store.ts';
import { BroughtOutputs } from './brought-outputs.ts';
import { takeOverEarlier } from './earlier-brought.ts';
import { dropCheckpoints } from './ended-checkpoints.ts';
import { JobAccounts } from './job-accounts.ts';
import { LogBook } from './log-book.ts';
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
/** How often uploads that nobody continues, and content that nobody has, are looked for. */
const sweepEveryMs = 30_000;
/** How often room is looked for, for uploads that are held. */
const resumeEveryMs = 2000;

export interface ArtifactRoomParts {
  readonly dataDir: string;
  readonly questions: ArtifactQuestions;
  readonly submitter: Pick<Submitter, 'submit'>;
  readonly committed: Committed;
  readonly log: LogPort;
  readonly store: ReadStore;
  readonly specs: JobSpecs;
  readonly index: ArtifactIndex;
  readonly rows: Pick<PrivateRows, 'forgetJob'>;
  /** Of the data folder. */
  readonly disk: DiskRoom;
  readonly limits: ArtifactLimits;
  /** Of the file system under the artifacts; that of their folder where nothing is said. */
  readonly diskSpace?: (() => Promise<DiskSpace>) | undefined;
  /** How long the log of a job is kept after the last write to it. */
  readonly logRetentionMs: number;
  /** The most that the logs of one job keep. */
  readonly jobLogBytes: number;
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
  const { committed, index, logger, now, questions, specs, store, submitter } = parts;
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
  const accounts = new JobAccounts(store);
  const access = new ArtifactAccess({ index, questions, specs, claims });
  const staging = new Staging(join(folder, 'staging'), now);
  const rights = new UploadRights(questions, specs);
  const brought = new BroughtOutputs(index, questions, accounts);
  const quota = new AccountQuota({ accountBytes: parts.limits.accountBytes, disk: parts.disk, store });
  const space = new StorageSpace({
    limits: parts.limits,
    quota,
    index,
    staging,
    brought,
    diskSpace: parts.diskSpace ?? (() => diskSpaceOf(folder)),
  });
  const settled = async () => {
    await committed.durable();
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
  const artifacts = new HoldingStore({ store: disk, space, questions, submitter, alarm, now });
  const { book, logs } = openLogs(parts, { accounts, quota, space });
  const stopListening = committed.onCommitted((events) => claims.onCommitted(events));
  await claims.start();
  await takeOverEarlier(join(folder, 'brought'), { brought, index, questions, at: now() });

  const stopUpkeep = startUpkeep(parts, { book, disk, artifacts, logs });
  return {
    artifacts,
    owned: new AccountArtifacts({ index, access, space, rows: parts.rows, logs }),
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
  readonly book: LogBook;
  readonly disk: DiskArtifactStore;
  readonly artifacts: HoldingStore;
  readonly logs: DiskTaskLogs;
}

/** What is done on timers; gives how to end it. */
function startUpkeep(
  { index, logger, logRetentionMs, now, questions }: ArtifactRoomParts,
  { artifacts, book, disk, logs }: Kept,
): () => Promise<void> {
  const stop = new AbortController();
  const counting = book
    .count(stop.signal)
    .catch((err: unknown) => logger.error({ err }, 'task logs could not be counted'));
  const collect = async (): Promise<void> => {
    await dropCheckpoints(index, questions, stop.signal);
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
    await counting;
    for (const work of works) await work.stop();
  };
}

function openLogs(
  { dataDir, disk, jobLogBytes }: ArtifactRoomParts,
  {
    accounts,
    quota,
    space,
  }: { readonly accounts: JobAccounts; readonly quota: AccountQuota; readonly space: StorageSpace },
): { readonly book: LogBook; readonly logs: DiskTaskLogs } {
  const folder = join(dataDir, 'logs');
  const book = new LogBook({
    folder,
    jobBytes: jobLogBytes,
    disk,
    accountOf: (job) => accounts.of(job),
    usedBeside: (account) => space.usedBesideLogs(account),
    left: (usedBytes) => quota.left(usedBytes),
  });
  quota.countLogs(book);
  return { book, logs: new DiskTaskLogs(folder, book) };
}
