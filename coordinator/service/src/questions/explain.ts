import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobTerms } from '@capacloud/core/contract/command';
import { Explanation } from '@capacloud/core/explain/explanation';
import { NodeExplanation as QueueExplanation } from '@capacloud/core/explain/node-explanation';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { Keepings } from '@capacloud/core/scheduler/keepings';
import type { Lane } from '@capacloud/core/slices/job/record';
import { isConnected } from '@capacloud/core/slices/node/node-states';
import type { NodeRecord } from '@capacloud/core/slices/node/record';
import { failuresInRow, shareOfFailures, silencesOf } from '@capacloud/core/slices/node/standing';
import type { State } from '@capacloud/core/state';
import { exhausted } from '@capacloud/protocol/capacity/capacity';
import { rowOf } from '@capacloud/protocol/capacity/dimensions';
import { jobIdOf, type NodeId, type TaskId } from '@capacloud/protocol/ids';
import {
  maxShapes,
  type NodeClosure,
  type NodeExplanation,
  type NodeLook,
  type NodeQueue,
  type TaskExplanation,
} from '../ports/explanations.ts';
import type { Live } from './answering-core.ts';
import { Turns } from './turns.ts';

/** Others have their turn after so many: some milliseconds. */
const shapesPerTurn = 100;

/** For people, and not for the hot path: it looks at every node. */
export async function explainTask(
  { notes, state }: Live,
  id: TaskId,
  signal: AbortSignal,
): Promise<TaskExplanation | undefined> {
  const job = state.jobs.get(jobIdOf(id));
  const task = state.tasks.get(id);
  if (job === undefined || task?.state !== 'queued') return undefined;
  const explanation = new Explanation(job.terms, notes.keepings, task);
  const turns = new Turns(signal);
  for (const node of state.nodes.values()) {
    explanation.look(node);
    await turns.did(1);
  }
  return toldOf(explanation, job.terms);
}

/** What was found, as plain data. */
export function toldOf(explanation: Explanation, terms: JobTerms): TaskExplanation {
  const { free, nodes, suitable } = explanation;
  const changes = explanation.changes().map((change) => {
    const { at, obstacle } = change;
    const key = obstacle === 'label' && at !== undefined ? terms.constraints?.[at]?.key : undefined;
    return key === undefined ? change : { ...change, key };
  });
  return { nodes, suitable, free, obstacles: explanation.counts(), changes };
}

/** For people, and not for the hot path: it looks at every kind of task that waits. */
export async function explainNode(
  { notes, state }: Live,
  id: NodeId,
  { at, withQueue }: NodeLook,
  signal: AbortSignal,
): Promise<NodeExplanation | undefined> {
  const node = state.nodes.get(id);
  if (node === undefined) return undefined;
  const queue = withQueue
    ? await queueOf(state, new QueueExplanation(node, notes.keepings), signal)
    : undefined;
  const { cause, directive, isResting, standing, status, statusSince, tries } = node;
  const { of: attempts, failed } = shareOfFailures(standing);
  return {
    id,
    status,
    cause,
    statusSince,
    directive,
    closedBy: closuresOf(node, notes.keepings),
    isResting,
    restUntil: standing.restUntil,
    reliability: {
      attempts,
      failed,
      failedInRow: failuresInRow(standing),
      silences: silencesOf(node, state.ruleset, at).length,
      tries,
    },
    queue,
  };
}

/** What keeps every task away. */
function closuresOf(node: ReadOnly<NodeRecord>, keepings: Keepings): readonly NodeClosure[] {
  const { accepting, free, isResting, status } = node;
  const closures: readonly (readonly [NodeClosure, boolean])[] = [
    ['node_silent', !isConnected(status)],
    ['node_isolated', node.isIsolated],
    ['node_closed', isConnected(status) && (status !== 'ready' || !accepting)],
    ['node_backing_off', isResting],
    ...exhausted(free).map((dimension) => [rowOf(dimension).contention.code, true] as const),
    ['node_kept', keepings.of(node) !== undefined],
  ];
  return closures.flatMap(([obstacle, stands]) => (stands ? [obstacle] : []));
}

function* lanesOf({ waiting }: ReadOnly<State>): Generator<ReadOnly<Lane>, void, undefined> {
  for (const { byShape } of waiting.values()) yield* byShape.values();
}

async function queueOf(
  state: ReadOnly<State>,
  explanation: QueueExplanation,
  signal: AbortSignal,
): Promise<NodeQueue> {
  let looked = 0;
  let isComplete = true;
  for (const { jobs } of lanesOf(state)) {
    if (looked === maxShapes) {
      isComplete = false;
      break;
    }
    const [first] = jobs;
    if (first !== undefined)
      explanation.look(
        first.terms,
        jobs.reduce((sum, { isStopped, ready }) => (isStopped ? sum : sum + ready), 0),
      );
    looked += 1;
    if (looked % shapesPerTurn === 0) await nextTurn(undefined, { signal });
  }
  const { free, suitable, tasks } = explanation;
  return {
    tasks,
    suitable,
    free,
    isComplete,
    obstacles: explanation.counts(),
    changes: explanation.changes(),
  };
}
