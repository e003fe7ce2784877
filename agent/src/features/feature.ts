import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { AttemptRecord, Ending } from '../core/attempt-record.ts';
import type { ContainerUser } from '../core/container-user.ts';
import type { CollectedFile, PlacedArchive, RuntimeFailure } from '../core/ports.ts';
import type { OwnText, Sentence } from '../core/sentence.ts';
import type { Engine } from '../engine/engine.ts';
import type { MountPlan } from '../scratch/mount-plan.ts';
import type { WorkParts } from './work-parts.ts';

/** A folder of a task that must not hide files of its image. */
export interface OwnFolder {
  readonly folder: string;
  /** Refuses the folder, and names some of the files that it would hide. */
  readonly refusal: (someFiles: OwnText) => Sentence;
}

/** What a feature writes into scratch before the container is made. False where the engine refused a part of it. */
export type Fill = (signal: AbortSignal) => Promise<boolean>;

export interface FillInput {
  readonly engine: Engine;
  readonly assignment: Assignment;
  readonly plan: MountPlan;
  readonly owner: ContainerUser;
  readonly saved: PlacedArchive | undefined;
}

/**
 * What one capability adds to the life of an attempt. Every hook may be left out. The first group reads the assignment
 * alone, so its answers are the same in every life of the agent.
 */
export interface Feature {
  /** Texts that the job chose. The engine may repeat them in a refusal. */
  readonly texts?: (assignment: Assignment) => readonly string[];
  /** Folders that get a volume which the container can only read. */
  readonly inputFolders?: (assignment: Assignment) => readonly string[];
  /** Folders that the container can write to. Each gets the same share of the task's disk. */
  readonly scratchFolders?: (assignment: Assignment) => readonly string[];
  readonly ownFolders?: (assignment: Assignment) => readonly OwnFolder[];
  /** Scratch folders that are written to before the container is made. */
  readonly filledFolders?: (assignment: Assignment) => readonly string[];
  /** What decides, beside the image, which files the container holds at its start. */
  readonly contents?: (assignment: Assignment) => unknown;
  /** Artifacts that the attempt needs until it starts. The cache keeps them. */
  readonly artifacts?: (assignment: Assignment) => readonly Sha256Hex[];

  /** Fetches what the attempt needs. Throws TransferRefused where it cannot run without. */
  readonly fetch?: (
    parts: FetchParts,
    record: AttemptRecord,
    signal: AbortSignal,
  ) => Promise<PlacedArchive | undefined>;
  /** Examines what is to be written into scratch, before the engine sees any of it. */
  readonly fill?: (input: FillInput, signal: AbortSignal) => Promise<Fill | undefined>;
}

export type FetchParts = Pick<WorkParts, 'inputs' | 'log'>;
export type BringParts = Pick<WorkParts, 'access' | 'http' | 'log' | 'runtime'>;

export interface SaveInput {
  readonly engine: Engine;
  readonly assignment: Assignment;
  readonly plan: MountPlan;
  /** The new file that is written. */
  readonly intoFile: string;
}

/** How files of an attempt that was stopped are brought to the coordinator. All of it has one clock. */
export interface StoppedFeature extends Feature {
  /** How long it may take once the container has ended; undefined where nothing is brought. */
  readonly bringsWithinMs: (record: AttemptRecord, ending: Ending) => number | undefined;
  /** Whether an attempt of this assignment has anything to save. */
  readonly saves: (assignment: Assignment) => boolean;
  /** Writes it into one file; undefined where there is nothing. */
  readonly save: (
    input: SaveInput,
    signal: AbortSignal,
  ) => Promise<Result<CollectedFile | undefined, RuntimeFailure>>;
  /** Saves within the time that is left. Undefined where there is nothing to upload. Rejects only through the signal. */
  readonly collect: (
    parts: BringParts,
    record: AttemptRecord,
    into: { readonly dir: string; readonly leftMs: number },
    signal: AbortSignal,
  ) => Promise<{ readonly file: CollectedFile; readonly leftMs: number } | undefined>;
  /** Uploads what was saved, and gives what the receipt names of it. Rejects only through the signal. */
  readonly upload: (
    parts: BringParts,
    record: AttemptRecord,
    leftMs: number,
    signal: AbortSignal,
  ) => Promise<readonly CollectedFile[]>;
}
