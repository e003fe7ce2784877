import { realTime } from '../kernel/globals.ts';
import { type FaultKind, type Plan, planOf } from '../world/plan.ts';
import { type RunResult, runPlan } from '../world/world.ts';
import type { SeedRun, ShrunkRun } from './messages.ts';

const shrunkTrace = 60;

export async function runSeed(question: {
  readonly seed: number;
  readonly twice: boolean;
  readonly trace: number;
}): Promise<SeedRun> {
  const before = realTime.cpu();
  const result = await runPlan(planOf(question.seed), question.trace);
  const { user, system } = realTime.cpu(before);
  const run = { result, cpuMs: (user + system) / 1000 };
  if (!question.twice) return run;
  const again = await runPlan(planOf(question.seed), 0);
  return { ...run, isSame: again.hash === result.hash && again.events === result.events };
}

/**
 * The smallest plan found that breaks the same rule: takes away kinds of faults, jobs, machines and time, one at a time,
 * for as long as something can go.
 */
export async function shrinkSeed(question: {
  readonly seed: number;
  readonly rule: string;
  readonly budgetMs: number;
}): Promise<ShrunkRun> {
  const until = realTime.performanceMs() + question.budgetMs;
  let plan = planOf(question.seed);
  let best = await runPlan(plan, shrunkTrace);
  let tries = 1;
  const fails = ({ failure }: RunResult) => failure?.rule === question.rule;
  for (let progress = true; progress; ) {
    progress = false;
    for (const smaller of smallerPlans(plan)) {
      if (realTime.performanceMs() > until) return { seed: question.seed, plan, tries, result: best };
      tries += 1;
      const result = await runPlan(smaller, shrunkTrace);
      if (!fails(result)) continue;
      plan = smaller;
      best = result;
      progress = true;
      break;
    }
  }
  return { seed: question.seed, plan, tries, result: best };
}

/** Larger steps first. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  const half = Math.ceil(plan.jobs.length / 2);
  if (plan.jobs.length > 1) {
    yield { ...plan, jobs: plan.jobs.slice(0, half) };
    yield { ...plan, jobs: plan.jobs.slice(half) };
  }
  for (const kind of Object.keys(plan.faults) as FaultKind[]) {
    const { [kind]: _, ...faults } = plan.faults;
    yield { ...plan, faults };
  }
  for (const machine of plan.machines)
    if (plan.machines.length > 1)
      yield { ...plan, machines: plan.machines.filter((other) => other !== machine) };
  for (const job of plan.jobs)
    if (plan.jobs.length > 1) yield { ...plan, jobs: plan.jobs.filter((other) => other !== job) };
  if (plan.activeMs > 10_000) yield { ...plan, activeMs: Math.floor(plan.activeMs / 2) };
  for (const [index, job] of plan.jobs.entries()) {
    const { replicas } = job.file;
    if (typeof replicas !== 'number' || replicas <= 1) continue;
    const file = { ...job.file, replicas: Math.floor(replicas / 2) };
    yield { ...plan, jobs: plan.jobs.with(index, { ...job, file }) };
  }
}
