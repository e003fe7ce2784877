import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import type { NodeId } from '@capacloud/protocol/ids';
import type { AttemptEnded } from '../../contract/event.ts';
import type { Ruleset } from '../../contract/ruleset.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Job } from '../job/record.ts';
import { isOpen, refreshOpen } from './capacity.ts';
import type { NodeRecord, Standing } from './record.ts';
import { maxSilences } from './record.ts';

/** So many of the newest endings say how a node is. */
const remembered = 32;
/** As many successes are taken for granted, so that a first mishap is not the whole of a node's name. */
const trust = 8;
/** An image that failed on so many nodes and succeeded on none since explains that by itself. */
export const explainedAfter = 3;
/** Images whose losses are known at a time. */
const maxLosses = 1024;

/** What the job runs, as far as the log tells: what is known of the image holds for it. */
export function imageOf(job: Pick<Job, 'id' | 'terms'>): string {
  return job.terms.image ?? job.id;
}

/**
 * An attempt has ended on the node, and its task is as it was. Only success and the node's own fault count. What was
 * assigned before the last failure belongs to the same mishap: an engine that goes away takes all its containers along.
 */
export function noteEnding(
  state: State,
  node: NodeRecord,
  job: Job,
  assignedAt: number,
  { at, reason, then }: AttemptEnded,
): void {
  if (state.ruleset.nodeBackoffAfter === undefined) return;
  const { standing } = node;
  const image = imageOf(job);
  if (then.kind === 'succeeded') {
    if (state.losses.size > 0) state.losses.delete(image);
    standing.endings += 1;
    // guard: begin anew after a success
    standing.lastGood = standing.endings;
    if (standing.failures.length === 0) return;
    standing.failures = recentFailures(standing);
    standing.restUntil = 0;
    review(state, node, at);
    return;
  }
  // guard: blame no node for the errors of jobs
  if (taskReasons[reason].fault !== 'provider' || isExplained(state, image, node, at)) return;
  // guard: blame a node once for one mishap
  if (assignedAt <= (standing.failures.at(-1)?.at ?? 0)) return;
  standing.endings += 1;
  standing.failures = [...recentFailures(standing), { at, image, nth: standing.endings }];
  standing.restUntil = restUntil(state.ruleset, standing);
  review(state, node, at);
}

/** Whether the image is to blame and not the node; what it had cost other nodes is taken back when that shows. */
function isExplained(state: State, image: string, node: NodeRecord, at: number): boolean {
  if ((state.images.get(image)?.until ?? 0) > at) return true;
  let nodes = state.losses.get(image) ?? [];
  if (nodes.length < explainedAfter && !nodes.includes(node.id)) {
    nodes = [...nodes, node.id];
    noteLosses(state.losses, image, nodes);
    if (nodes.length === explainedAfter) for (const id of nodes) spare(state, state.nodes.get(id), image, at);
  }
  // guard: an image that fails everywhere explains itself
  return nodes.length === explainedAfter;
}

function noteLosses(losses: State['losses'], image: string, nodes: readonly NodeId[]): void {
  losses.delete(image);
  const [oldest] = losses.keys();
  if (losses.size >= maxLosses && oldest !== undefined) losses.delete(oldest);
  losses.set(image, nodes);
}

/** What the image did to the node counts no more. */
export function spare(state: State, node: NodeRecord | undefined, image: string, at: number): void {
  if (node === undefined || !isBlamedFor(node, image)) return;
  const { standing } = node;
  standing.failures = standing.failures.filter((failure) => failure.image !== image);
  standing.restUntil = restUntil(state.ruleset, standing);
  review(state, node, at);
}

export function isBlamedFor({ standing }: ReadOnly<NodeRecord>, image: string): boolean {
  return standing.failures.some((failure) => failure.image === image);
}

export function noteSilence(state: State, node: NodeRecord, at: number): void {
  if (state.ruleset.flapWindowMs === undefined) return;
  node.standing.silences = [...node.standing.silences, at].slice(-maxSilences);
  review(state, node, at);
}

/** Silences of the node that still speak against it. */
export function silencesOf(
  { standing }: ReadOnly<NodeRecord>,
  ruleset: Ruleset,
  at: number,
): readonly number[] {
  const { flapWindowMs = 0 } = ruleset;
  return standing.silences.filter((silentAt) => silentAt + flapWindowMs > at);
}

/** Failures since its last success. */
export function failuresInRow({ failures, lastGood }: Standing): number {
  return failures.filter(({ nth }) => nth > lastGood).length;
}

/** Of the endings that are remembered: how many there are, and how many were the node's fault. */
export function shareOfFailures(standing: Standing): { readonly of: number; readonly failed: number } {
  return { of: Math.min(standing.endings, remembered), failed: recentFailures(standing).length };
}

function recentFailures({ endings, failures }: Standing): Standing['failures'] {
  return failures.filter(({ nth }) => nth > endings - remembered);
}

function restUntil(ruleset: Ruleset, standing: Standing): number {
  const { nodeBackoffAfter, nodeBackoffFactor, nodeBackoffInitialMs, nodeBackoffMaxMs } = ruleset;
  const last = standing.failures.at(-1);
  if (nodeBackoffAfter === undefined || last === undefined) return 0;
  const further = failuresInRow(standing) - nodeBackoffAfter;
  if (further < 0) return 0;
  // guard: pause longer with each failure
  const fullMs = (nodeBackoffInitialMs ?? 0) * (nodeBackoffFactor ?? 1) ** further;
  return last.at + Math.min(fullMs, nodeBackoffMaxMs ?? 0);
}

/** What follows from the standing at that time. Derived, so a decision may do it as well as an event. */
export function review(state: State, node: NodeRecord, at: number): void {
  const { standing } = node;
  const silences = silencesOf(node, state.ruleset, at);
  const { of, failed } = shareOfFailures(standing);
  const all = of + silences.length + trust;
  const tries = all / (all - failed - silences.length);
  const isResting = standing.restUntil > at;
  state.nodeClocks.remove(node);
  const restEnd = isResting ? standing.restUntil : Number.POSITIVE_INFINITY;
  const dueAt = Math.min(
    restEnd,
    (silences[0] ?? Number.POSITIVE_INFINITY) + (state.ruleset.flapWindowMs ?? 0),
  );
  if (dueAt < Number.POSITIVE_INFINITY) state.nodeClocks.add(node, dueAt);
  if (isResting === node.isResting && tries === node.tries) return;
  node.isResting = isResting;
  node.tries = tries;
  refreshOpen(state, node);
  if (isOpen(node)) state.feed.arrivals += 1;
}

/** Nodes whose pause is over take work again, and silences of long ago are forgotten. */
export function endRests(state: State, at: number): void {
  if (state.nodeClocks.earliest() > at) return;
  for (const node of state.nodeClocks.due(at, Number.POSITIVE_INFINITY)) review(state, node, at);
}
