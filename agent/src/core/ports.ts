import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { OutputLink, SkippedOutputs } from '@capacloud/protocol/wire/outputs-schema';
import type { Sentence } from './sentence.ts';

/** One try of a task. Its text form is `attemptKeyText`. */
export interface AttemptKey {
  readonly task: TaskId;
  readonly attempt: number;
}

/** `<task>-<attempt>`: the key of an attempt in names of containers, folders and rows. */
export function attemptKeyText(key: AttemptKey): string {
  return `${key.task}-${key.attempt}`;
}

/** broken: dead, being removed, or lost after a crash of the engine. */
export type ContainerState = 'absent' | 'created' | 'running' | 'exited' | 'broken';

/** What Docker shows for one attempt, found by label. */
export interface ObservedAttempt {
  readonly key: AttemptKey;
  readonly container: ContainerState;
  readonly exitCode?: number;
  readonly oomKilled: boolean;
  /** That a container failed, or that the engine was lost under it. */
  readonly engineError?: Sentence;
  /** The engine went away while the container ran and took it along: exit code and state mean nothing. */
  readonly engineLost?: boolean;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  /** Volumes or a keeper are left for it. */
  readonly scratch: boolean;
}

export interface PullProgress {
  /** Whom the pull waits for. */
  readonly stage?: 'registry' | 'engine';
  /** What was fetched takes so much on the disk. */
  readonly unpacked?: { readonly bytes: number; readonly files: number };
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface CollectedFile {
  /** Path inside the container. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: Sha256Hex;
  readonly localPath: string;
  /** It is a tar archive of so many files. */
  readonly packed?: number;
}

export interface CollectedOutputs {
  readonly files: readonly CollectedFile[];
  readonly links?: readonly OutputLink[];
  /** Outputs that are folders without a file. */
  readonly emptyFolders?: readonly string[];
  readonly skipped?: SkippedOutputs;
  /** An output that has to be there is not; what there is of the others was collected. */
  readonly failure?: RuntimeFailure;
  readonly scratchUsedBytes: number;
  /** At least 98 % of the bytes or inodes were in use. */
  readonly scratchFull: boolean;
}

/** Why the runtime could not do what was asked, in the words of a receipt. */
export interface RuntimeFailure {
  readonly reason: OutcomeReason;
  readonly message: Sentence;
  /** What the engine or a registry said. For the owner's log; it never leaves the machine. */
  readonly detail?: string;
  /** Architectures that the image is made for, where it is not made for that of the engine. */
  readonly imageRunsOn?: readonly string[];
  /** Told by collect: the scratch was full, which explains outputs that are missing. */
  readonly scratchFull?: boolean;
}

export interface LogChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

export interface PlacedInput {
  readonly target: string;
  readonly localPath: string;
}

/** What an earlier attempt left: one tar archive that some other node may have made. It is unpacked into scratch. */
export interface PlacedArchive {
  readonly localPath: string;
  /** Called where the archive breaks the rules, and its folder is left empty. */
  readonly onUnfit: (why: string) => void;
}

/**
 * Asked right before the engine is told to start a container: true once in the life of an attempt, durably. An engine
 * that is killed may forget a start that it made, and a program that runs twice spoils its own results.
 */
export type ClaimStart = () => boolean;

/** The container engine. Every call has a deadline of its own; a hung engine never blocks the agent. */
export interface Runtime {
  /** Throws EngineUnavailable when the engine cannot be reached. */
  ping(signal: AbortSignal): Promise<{ readonly version: string; readonly runtimes: readonly string[] }>;
  /** All attempts of this agent: labels capacloud.node and capacloud.coordinator. */
  observe(signal: AbortSignal): Promise<readonly ObservedAttempt[]>;
  /** An image that is present is not pulled; concurrent pulls of one image are one. Gives its digest or id. */
  pull(
    assignment: Assignment,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Result<{ readonly image: string }, RuntimeFailure>>;
  /**
   * Volumes, scratch, keeper, inputs copied in, `saved` unpacked, container created. Idempotent: what exists is adopted.
   */
  prepare(
    assignment: Assignment,
    inputs: readonly PlacedInput[],
    signal: AbortSignal,
    saved?: PlacedArchive,
  ): Promise<Result<void, RuntimeFailure>>;
  /** Starts the container where `claim` allows it; one that ran already is left alone. Idempotent. */
  start(
    assignment: Assignment,
    claim: ClaimStart,
    signal: AbortSignal,
  ): Promise<Result<void, RuntimeFailure>>;
  /** Resolves when it runs no longer. Survives engine restarts by inspecting again; rejects only through the signal. */
  wait(key: AttemptKey, signal: AbortSignal): Promise<ObservedAttempt>;
  /**
   * Hands over what the container writes, in order, after the first `skipBytes` payload bytes (both streams
   * together); resolves when the container has ended and all was handed over. The sink is awaited.
   */
  followLogs(
    key: AttemptKey,
    skipBytes: number,
    sink: (chunk: LogChunk) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /** TERM, wait, KILL. Idempotent. */
  stop(key: AttemptKey, graceMs: number, signal: AbortSignal): Promise<void>;
  collect(
    assignment: Assignment,
    intoDir: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedOutputs, RuntimeFailure>>;
  /**
   * Writes what an ended container left for the next attempt into the new file `intoFile`, as one tar archive; undefined
   * when it left nothing.
   */
  save(
    assignment: Assignment,
    intoFile: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedFile | undefined, RuntimeFailure>>;
  /** The container hit its process limit while it ran (cgroup pids.events, sampled). */
  pidsExhausted(key: AttemptKey): boolean;
  /** Container, keeper, volumes, anonymous volumes, and processes that the engine forgot. Idempotent. */
  remove(key: AttemptKey, signal: AbortSignal): Promise<void>;
}

/** The engine cannot be reached; nothing is known about its containers. */
export class EngineUnavailable extends Error {
  readonly code = 'engine_unavailable';
  override readonly name = 'EngineUnavailable';
}
