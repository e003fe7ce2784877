import type { AccountId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../command.ts';
import type { AttemptEnded } from '../event.ts';
import type { Job, NodeRecord, State } from '../state.ts';
import { recountQueueClocks } from './job-events.ts';
import { reshape } from './queue.ts';

/** Nodes of an architecture that the image of a job is not made for, as their owners say. */
export interface Misfit {
  readonly arch: string;
  /** When the last of them said so. */
  readonly at: number;
  /** Who said so, at most `enoughOwners`. */
  readonly providers: readonly AccountId[];
  /** What the image is made for, by the last word of them. */
  readonly runsOn?: readonly string[];
}

/** One owner may lie, so its word keeps the job from its own nodes alone; the word of two closes the architecture. */
const enoughOwners = 2;
/** Architectures that are remembered of a job; owners may call theirs what they like. */
const maxMisfits = 16;

function misfitOf({ offer }: NodeRecord, { misfits }: Pick<JobTerms, 'misfits'>): Misfit | undefined {
  return misfits?.find(({ arch }) => arch === offer.arch);
}

/** Whether tasks of the job must not go to the node, because its image would not run there. */
export function isMisfit(node: NodeRecord, terms: Pick<JobTerms, 'misfits'>): boolean {
  const misfit = misfitOf(node, terms);
  if (misfit === undefined) return false;
  return misfit.providers.length >= enoughOwners || misfit.providers.includes(node.provider);
}

/** Whether another owner said so of such a node: then others are better. */
export function isSuspected(node: NodeRecord, terms: Pick<JobTerms, 'misfits'>): boolean {
  return terms.misfits !== undefined && misfitOf(node, terms) !== undefined;
}

/** An attempt ended on the node. What its owner says of the image counts for the job, until a task succeeds on such a node. */
export function noteMisfit(
  state: State,
  job: Job,
  provider: AccountId | undefined,
  { offer: { arch } }: NodeRecord,
  { at, imageRunsOn, reason, then }: AttemptEnded,
): void {
  const known = job.terms.misfits ?? [];
  const before = known.find((misfit) => misfit.arch === arch);
  const others = known.filter((misfit) => misfit !== before);
  if (then.kind === 'succeeded') {
    if (before !== undefined) setMisfits(state, job, others);
    return;
  }
  if (reason !== 'image_wrong_platform' || provider === undefined) return;
  const said = before?.providers ?? [];
  if (said.includes(provider) || said.length >= enoughOwners) return;
  const runsOn = imageRunsOn ?? before?.runsOn;
  const misfit = { arch, at, providers: [...said, provider], ...(runsOn === undefined ? {} : { runsOn }) };
  setMisfits(state, job, [...others, misfit].slice(-maxMisfits));
}

function setMisfits(state: State, job: Job, misfits: readonly Misfit[]): void {
  const { misfits: _old, ...terms } = job.terms;
  reshape(state, job, misfits.length === 0 ? terms : { ...terms, misfits });
  recountQueueClocks(state, job);
}

/** What is known of an image from a live job of the same consumer. */
export function misfitsOf(state: State, image: string | undefined): readonly Misfit[] | undefined {
  if (image === undefined) return undefined;
  for (const { terms } of state.jobs.values())
    if (terms.image === image && terms.misfits !== undefined) return terms.misfits;
  return undefined;
}

/** What the image is made for, where nobody who said something of it says otherwise. */
export function runsOnOf({ misfits = [] }: Pick<JobTerms, 'misfits'>): readonly string[] | undefined {
  const lists = misfits.flatMap(({ runsOn }) => (runsOn === undefined ? [] : [runsOn]));
  const [first] = lists;
  return lists.every((list) => list.join() === first?.join()) ? first : undefined;
}
