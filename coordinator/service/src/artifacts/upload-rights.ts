import {
  type AccountId,
  isAccountId,
  isNodeId,
  isTaskId,
  jobIdOf,
  type NodeId,
} from '@capacloud/protocol/ids';
import { isFilePath } from '@capacloud/protocol/job/job-mounts';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { type AttemptRef, checkpointOverheadBytes } from '@capacloud/protocol/wire/frames';
import { maxOutputFiles } from '@capacloud/protocol/wire/outputs';
import type { JobSpecs, RunSpec } from '../job-specs.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { ArtifactQuestions, HeldAttempt, NodeAttempt } from '../ports/questions.ts';

export type NodeParty = ArtifactParty & { readonly kind: 'node' };

/** What may be uploaded in all. */
export interface Allowance {
  readonly bytes: number;
  readonly files: number;
}

/** Where an upload goes, who pays for its bytes, and for which attempts it is. */
export interface UploadTarget {
  /** Name of its folder: an account, an attempt, or the node where it does not say for which attempt. */
  readonly owner: string;
  readonly payers: readonly AccountId[];
  /** None for what an account uploads for itself. */
  readonly attempts: readonly NodeAttempt[];
  readonly allowance: Allowance | undefined;
  /** Uploads that may be under way at a time. */
  readonly maxOpen: number;
}

/** Uploads that a consumer may have under way at a time. */
export const maxOpenUploads = 64;
/** Agents upload one file at a time; after a crash, another may be left from before. */
export const maxOpenUploadsOfAttempt = 4;
/** Beyond what the job declares: an archive is a little larger than what it holds. */
export const archiveOverheadBytes = 64 * 1024 * 1024;

const none: Allowance = { bytes: 0, files: 0 };

/** A node may upload for attempts that it holds, as much as their jobs declare; an account for itself, within its quota. */
export class UploadRights {
  readonly #questions: Pick<ArtifactQuestions, 'heldBy'>;
  readonly #specs: Pick<JobSpecs, 'get'>;

  constructor(questions: Pick<ArtifactQuestions, 'heldBy'>, specs: Pick<JobSpecs, 'get'>) {
    this.#questions = questions;
    this.#specs = specs;
  }

  async targetOf(by: ArtifactParty): Promise<Result<UploadTarget>> {
    if (by.kind === 'account')
      return accept({
        owner: by.account,
        payers: [by.account],
        attempts: [],
        allowance: undefined,
        maxOpen: maxOpenUploads,
      });
    const attempts: NodeAttempt[] = [];
    const payers = new Set<AccountId>();
    let [bytes, files] = [0, 0];
    for (const held of await this.heldBy(by)) {
      const allowance = await this.#allowanceOf(held);
      const { attempt, consumer, task } = held;
      if (allowance.files === 0 || consumer === undefined) continue;
      attempts.push({ task, attempt, node: by.node });
      payers.add(consumer);
      bytes += allowance.bytes;
      files += allowance.files;
    }
    if (attempts.length === 0)
      return refuse('attempt.unknown', 'This node holds no such attempt that has anything to upload.');
    const owner = by.attempt === undefined ? by.node : folderOf(by.attempt, by.node);
    const maxOpen = maxOpenUploadsOfAttempt * attempts.length;
    return accept({ owner, payers: [...payers], attempts, allowance: { bytes, files }, maxOpen });
  }

  /** Attempts of the node: the one that it names, or all, because an agent of an earlier release names none. */
  async heldBy({ attempt: named, node }: NodeParty): Promise<readonly HeldAttempt[]> {
    const held = await this.#questions.heldBy(node);
    if (named === undefined) return held;
    return held.filter(({ attempt, task }) => named.task === task && named.attempt === attempt);
  }

  /** Folders of the party's uploads; `held` are the attempts of a node. */
  foldersOf(by: ArtifactParty, held: readonly AttemptRef[]): readonly string[] {
    if (by.kind === 'account') return [by.account];
    const folders = held.map((ref) => folderOf(ref, by.node));
    return by.attempt === undefined && folders.length > 0 ? [by.node, ...folders] : folders;
  }

  /** Who pays for what lies in a folder; undefined where nothing can become of it any more. */
  async payersOf(owner: string): Promise<readonly AccountId[] | undefined> {
    if (isAccountId(owner)) return [owner];
    const payers = new Set((await this.#heldIn(owner)).map(({ consumer }) => consumer));
    payers.delete(undefined);
    return payers.size === 0 ? undefined : ([...payers] as AccountId[]);
  }

  /** Whether the folder belongs to attempts none of which is known to upload yet: what is there may not stay for long. */
  async isEarly(owner: string): Promise<boolean> {
    if (isAccountId(owner)) return false;
    return (await this.#heldIn(owner)).every(({ stage }) => stage === 'early');
  }

  /** Attempts that the node of the folder still holds. */
  #heldIn(owner: string): Promise<readonly HeldAttempt[]> {
    if (isNodeId(owner)) return this.heldBy({ kind: 'node', node: owner });
    const party = partyOfFolder(owner);
    return party === undefined ? Promise.resolve([]) : this.heldBy(party);
  }

  async #allowanceOf({ diskBytes, stage, task }: HeldAttempt): Promise<Allowance> {
    const spec = await this.#specs.get(jobIdOf(task));
    if (spec === undefined || diskBytes === undefined) return none;
    // An attempt that was stopped has nothing to bring but what its task goes on with.
    const outputs = stage === 'ended' ? none : outputAllowance(spec, diskBytes);
    const { checkpoint } = spec;
    if (checkpoint === undefined) return outputs;
    return {
      bytes: outputs.bytes + checkpoint.maxBytes + checkpointOverheadBytes,
      files: outputs.files + 1,
    };
  }
}

/** Outputs come out of the disk of their task, so together they are no larger, whatever their `max_size` adds up to. */
function outputAllowance({ outputs }: Pick<RunSpec, 'outputs'>, diskBytes: number): Allowance {
  if (outputs.length === 0) return none;
  const declared = outputs.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  const areFiles = outputs.every(({ path }) => isFilePath(path));
  return {
    bytes: Math.min(declared, diskBytes) + (areFiles ? 0 : archiveOverheadBytes),
    files: areFiles ? outputs.length : maxOutputFiles,
  };
}

const folderPattern = /^([^@]+)@([1-9][0-9]{0,4})@([^@]+)$/;

function folderOf({ attempt, task }: AttemptRef, node: NodeId): string {
  return `${task}@${attempt}@${node}`;
}

function partyOfFolder(name: string): NodeParty | undefined {
  const [, task = '', attempt = '', node = ''] = folderPattern.exec(name) ?? [];
  if (!isTaskId(task) || !isNodeId(node)) return undefined;
  return { kind: 'node', node, attempt: { task, attempt: Number(attempt) } };
}
