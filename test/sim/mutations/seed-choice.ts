import { type Plan, planOf } from '../world/plan.ts';
import type { Guard } from './guard.ts';

/** Plans looked at for each seed that is wanted: drawing a plan costs next to nothing, living through it a second. */
const looks = 40;
const weakest = 0.15;

function tasksOf({ jobs }: Plan): number {
  return jobs.reduce((sum, { file }) => sum + Number(file['replicas'] ?? 1), 0);
}

/** Seeds from `first` on whose plans have all that the guard is for, the short ones first. */
export function seedsFor(
  {
    faults = [],
    machines = Number.POSITIVE_INFINITY,
    ruinous = false,
    kindred = false,
    mixed = false,
    interruptible = false,
    stubborn = false,
  }: Guard,
  first: number,
  count: number,
): readonly number[] {
  const fitting: { readonly seed: number; readonly tasks: number; readonly troubles: number }[] = [];
  for (let seed = first; seed < first + looks * count; seed++) {
    const plan = planOf(seed);
    if (plan.machines.length > machines) continue;
    if (stubborn && !plan.jobs.some(({ isStubborn }) => isStubborn)) continue;
    if (ruinous && !plan.isRuinous) continue;
    if (kindred && !plan.isKindred) continue;
    if (mixed && !plan.isMixed) continue;
    if (interruptible && !plan.isInterruptible) continue;
    if (faults.some((fault) => (plan.faults[fault] ?? 0) < weakest)) continue;
    fitting.push({ seed, tasks: tasksOf(plan), troubles: Object.keys(plan.faults).length });
  }
  // What stubborn jobs show, they show best where little else goes wrong.
  if (stubborn) fitting.sort((a, b) => a.troubles - b.troubles || a.seed - b.seed);
  else fitting.sort((a, b) => a.tasks - b.tasks || a.seed - b.seed);
  // The very shortest have too little in them to go wrong.
  const start = stubborn ? 0 : Math.min(Math.floor(fitting.length / 10), Math.max(0, fitting.length - count));
  return fitting.slice(start, start + count).map(({ seed }) => seed);
}
