import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId } from '@capacloud/protocol/ids';
import type { JobTerms, Misfit } from '../../contract/command.ts';
import type { AttemptEnded } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { NodeRecord } from '../node/record.ts';
import { recountQueueClocks } from './events.ts';
import { reshape } from './queue.ts';
import type { Job } from './record.ts';

/** One owner may lie, so its word keeps the job from its own nodes alone; the word of two closes the architecture. */
const enoughOwners = 2;
/** Architectures that are remembered of a job; owners may call theirs what they like. */
const maxMisfits = 16;
/**
 * Which registries an owner allows, and how much room images have, is that owner's affair, so its word holds for its own nodes
 * alone. The task fails when so many owners refuse the registry, or have no room for the image: it would go round the
 * whole network and keep each node busy for a moment.
 */
export const refusingOwners = 8;

type Words = Pick<JobTerms, 'misfits'>;

function misfitOf({ offer }: ReadOnly<NodeRecord>, { misfits }: Words): Misfit | undefined {
  return misfits?.find(({ arch, cause }) => cause === undefined && arch === offer.arch);
}

function hasSaid({ misfits }: Words, cause: Misfit['cause'], provider: AccountId): boolean {
  return misfits?.some((misfit) => misfit.cause === cause && misfit.providers.includes(provider)) === true;
}

/** Whether tasks of the job must not go to the node, because its image would not run there. */
export function isMisfit(node: ReadOnly<NodeRecord>, terms: Words): boolean {
  return isOfOtherKind(node, terms) || isRefused(node, terms) || isTooSmall(node, terms);
}

/** Whether the image is not made for the node. */
export function isOfOtherKind(node: ReadOnly<NodeRecord>, terms: Words): boolean {
  const misfit = misfitOf(node, terms);
  if (misfit === undefined) return false;
  return misfit.providers.length >= enoughOwners || misfit.providers.includes(node.provider);
}

/** Whether the owner of the node does not allow the registry of the image. */
export function isRefused({ provider }: ReadOnly<NodeRecord>, terms: Words): boolean {
  return hasSaid(terms, 'registry_not_allowed', provider);
}

/** Whether the owner of the node gives too little room to images for that of the job. */
export function isTooSmall({ provider }: ReadOnly<NodeRecord>, terms: Words): boolean {
  return hasSaid(terms, 'image_too_large', provider);
}

/** Whether other nodes are better: an owner of such a node said that the image does not run, or this one could not get it. */
export function isSuspected(node: ReadOnly<NodeRecord>, terms: Words): boolean {
  if (terms.misfits === undefined) return false;
  return misfitOf(node, terms) !== undefined || hasSaid(terms, 'registry_failed', node.provider);
}

/** Whether enough owners refuse the registry of the job's image, or have no room for the image, when this one does so, too. */
export function isRefusedByMany(
  { misfits }: Words,
  reason: TaskReason,
  provider: AccountId | undefined,
): boolean {
  if (reason !== 'registry_not_allowed' && reason !== 'image_too_large') return false;
  const said = misfits?.find(({ cause }) => cause === reason)?.providers ?? [];
  const more = provider === undefined || said.includes(provider) ? 0 : 1;
  return said.length + more >= refusingOwners;
}

/** What the reason says of the image on nodes like this one. */
function causeOf(reason: TaskReason, arch: string): Pick<Misfit, 'arch' | 'cause'> | undefined {
  if (reason === 'image_wrong_platform') return { arch };
  if (reason === 'registry_not_allowed' || reason === 'image_too_large') return { arch: '', cause: reason };
  const isFailure = reason === 'registry_failed' || reason === 'image_refused';
  return isFailure ? { arch: '', cause: 'registry_failed' } : undefined;
}

/** Whether an attempt that ended so may change what is known of the image. */
export function tellsOfImage(reason: TaskReason): boolean {
  return causeOf(reason, '') !== undefined;
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
  if (then.kind === 'succeeded') {
    const left = known.flatMap((misfit) => withoutWord(misfit, arch, provider));
    const isChanged = left.length < known.length || left.some((misfit, index) => misfit !== known[index]);
    if (isChanged) setMisfits(state, job, left);
    return;
  }
  const about = causeOf(reason, arch);
  if (about === undefined || provider === undefined) return;
  const before = known.find((misfit) => misfit.cause === about.cause && misfit.arch === about.arch);
  const others = known.filter((misfit) => misfit !== before);
  const said = before?.providers ?? [];
  const most = about.cause === undefined ? enoughOwners : refusingOwners;
  if (said.includes(provider) || said.length >= most) return;
  const runsOn = imageRunsOn ?? before?.runsOn;
  const providers = [...said, provider];
  const misfit = { ...about, at, providers, ...(runsOn === undefined ? {} : { runsOn }) };
  setMisfits(state, job, [...others, misfit].slice(-maxMisfits));
}

/** What is left of it when a task succeeded at this owner on a node of this architecture. */
function withoutWord(misfit: Misfit, arch: string, provider: AccountId | undefined): readonly Misfit[] {
  if (misfit.cause === undefined) return misfit.arch === arch ? [] : [misfit];
  // The registry serves the image.
  if (misfit.cause === 'registry_failed') return [];
  const providers = misfit.providers.filter((each) => each !== provider);
  if (providers.length === misfit.providers.length) return [misfit];
  return providers.length === 0 ? [] : [{ ...misfit, providers }];
}

function setMisfits(state: State, job: Job, misfits: readonly Misfit[]): void {
  const { misfits: _old, ...terms } = job.terms;
  reshape(state, job, misfits.length === 0 ? terms : { ...terms, misfits });
  recountQueueClocks(state, job);
}

/** What is known of an image from a live job of the same consumer. */
export function misfitsOf(state: ReadOnly<State>, image: string | undefined): readonly Misfit[] | undefined {
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
