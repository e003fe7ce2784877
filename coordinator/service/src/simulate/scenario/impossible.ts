import type { Problem } from '@capacloud/protocol/result';
import { maxNano } from '@capacloud/protocol/units';
import type { Variant } from './scenario.ts';
import { findUnplaceable } from './unplaceable.ts';

const maxNodes = 100_000;
const maxTasks = 20_000_000;
const hourMs = 3_600_000;

/** What no simulation can do anything with, before hours are spent on it. */
export function findImpossible(
  variant: Variant,
  totalMs: number,
  note: (sentence: string) => void,
): readonly Problem[] {
  const problems: Problem[] = [];
  const nodes = variant.nodes.reduce((sum, { offers }) => sum + offers.length, 0);
  if (nodes === 0) problems.push({ pointer: '/nodes', message: 'hold no node: every count is 0' });
  if (nodes > maxNodes)
    problems.push({ pointer: '/nodes', message: `hold ${nodes} nodes; at most ${maxNodes} are simulated` });
  const tasks = variant.jobs.reduce((sum, each) => sum + expectedTasks(each, totalMs), 0);
  if (tasks > maxTasks) {
    const message = `make about ${Math.round(tasks)} tasks; at most ${maxTasks} are simulated: lower rates or the duration`;
    problems.push({ pointer: '/jobs', message });
  }
  const grantedNano = variant.jobs.reduce((sum, each) => sum + each.budgetNano * BigInt(each.consumers), 0n);
  if (grantedNano > maxNano) {
    const message = 'are given more CAPA than there can be (9223372036): lower consumers or budget';
    problems.push({ pointer: '/jobs', message });
  }
  for (const [index, { budgetNano }] of variant.jobs.entries())
    if (budgetNano < 1n) problems.push({ pointer: `/jobs/${index}/budget`, message: 'must be more than 0' });
  return problems.length > 0 ? problems : findUnplaceable(variant, note);
}

function expectedTasks({ arrivals, shapes }: Variant['jobs'][number], totalMs: number): number {
  const replicas = shapes.reduce((sum, { terms }) => sum + terms.tasks, 0);
  if (arrivals.kind === 'traced') return replicas;
  return (arrivals.perHour * (totalMs / hourMs) * replicas) / Math.max(1, shapes.length);
}
