import type { ReadOnly } from '@capacloud/core/read-only';
import { desiredAttempts } from '@capacloud/core/slices/node/desired';
import type { NodeRecord } from '@capacloud/core/slices/node/record';
import type { State } from '@capacloud/core/state';
import { amountOf, type Capacity, noCapacity, offeredBy } from '@capacloud/protocol/capacity/capacity';
import {
  type Dimension,
  type DimensionView,
  dimensionNames,
  rowOf,
} from '@capacloud/protocol/capacity/dimensions';
import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import type {
  Acquaintance,
  DesiredAttempt,
  KnownNode,
  NodeAttempt,
  NodeUse,
  Standing,
} from '../ports/questions.ts';

/** `size` is that of the log after which the state is what it is. */
export function standing(state: ReadOnly<State>, size: number): Standing {
  const nodes: NodeId[] = [];
  const desired: DesiredAttempt[] = [];
  for (const node of state.nodes.values()) {
    nodes.push(node.id);
    desired.push(...desiredOnNode(state, node));
  }
  return { size, nodes, desired, ruleset: state.ruleset };
}

export function desiredOn(state: ReadOnly<State>, id: NodeId): readonly DesiredAttempt[] {
  const node = state.nodes.get(id);
  return node === undefined ? [] : desiredOnNode(state, node);
}

function desiredOnNode(state: ReadOnly<State>, node: ReadOnly<NodeRecord>): readonly DesiredAttempt[] {
  return desiredAttempts(state, node).flatMap(({ task: id, attempt }) => {
    const task = state.tasks.get(id);
    const job = task === undefined ? undefined : state.jobs.get(task.job);
    if (task === undefined || job === undefined) return [];
    const { alternative, devices } = task;
    return [{ task: id, attempt, node: node.id, consumer: job.consumer, devices, alternative }];
  });
}

export function acquaintance({ nodes, ruleset, unproven }: ReadOnly<State>, id: NodeId): Acquaintance {
  const node = nodes.get(id);
  return {
    isKnown: node !== undefined,
    isProven: node?.isProven === true,
    unproven: { size: unproven.size, atMost: ruleset.maxUnprovenNodes ?? Number.POSITIVE_INFINITY },
  };
}

export function knownNode({ nodes }: ReadOnly<State>, id: NodeId): KnownNode | undefined {
  const node = nodes.get(id);
  if (node === undefined) return undefined;
  const { accepting, isProven, offer, provider } = node;
  return { accepting, isProven, offer, provider };
}

export function provenAmong({ nodes }: ReadOnly<State>, ids: readonly NodeId[]): readonly NodeId[] {
  return ids.filter((id) => nodes.get(id)?.isProven === true);
}

export function unreleased(state: ReadOnly<State>): readonly NodeAttempt[] {
  const found: NodeAttempt[] = [];
  for (const node of state.nodes.values()) {
    if (node.occupied.size === 0) continue;
    const desired = new Map(desiredAttempts(state, node).map(({ task, attempt }) => [task, attempt]));
    for (const { attempt, task } of node.occupied.values())
      if (desired.get(task) !== attempt) found.push({ task, attempt, node: node.id });
  }
  return found;
}

export function providerOf({ nodes }: ReadOnly<State>, node: NodeId): AccountId | undefined {
  return nodes.get(node)?.provider;
}

export function usesOf({ nodes }: ReadOnly<State>, ids: readonly NodeId[]): readonly NodeUse[] {
  return ids.map((id) => useOf(nodes.get(id)));
}

function useOf(node: ReadOnly<NodeRecord> | undefined): NodeUse {
  if (node === undefined) return { ...usedAmounts(noCapacity(), noCapacity()), devices: 0 };
  return { ...usedAmounts(offeredBy(node.offer), node.free), devices: node.deviceUse.size };
}

/** An offer that shrank below what runs leaves free amounts negative; what is used never is. */
function usedAmounts(offered: Capacity, free: Capacity): Record<DimensionView, number> {
  const used = (name: Dimension) => Math.max(0, amountOf(offered, name) - amountOf(free, name));
  return Object.fromEntries(dimensionNames.map((name) => [rowOf(name).view, used(name)])) as Record<
    DimensionView,
    number
  >;
}
