import type { PlanView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import type { ApiSettings } from './dependencies.ts';
import type { ReadJob } from './job-submission.ts';
import { amountIn } from './job-terms.ts';

type Cost = PlanView['cost'];

/** How long a task is taken to run: the median of what recent ones ran, or its timeout where there are none. */
export function runTimeOf(
  recentMs: readonly number[],
  { runTimeoutMs }: Pick<ReadJob['terms'], 'runTimeoutMs'>,
): { readonly runMs: number; readonly samples: number } {
  const runTimes = [...recentMs].sort((a, b) => a - b);
  const samples = runTimes.length;
  return { runMs: Math.min(runTimeoutMs, runTimes[samples >> 1] ?? runTimeoutMs), samples };
}

/** What the tasks would cost by the estimate, and what would be held. */
export function planCost(
  { spec, terms }: ReadJob,
  { runMs, samples }: ReturnType<typeof runTimeOf>,
  { estimatedNano, hasOffers }: { readonly estimatedNano: bigint; readonly hasOffers: boolean },
  settings: Pick<ApiSettings, 'usdPerCapa'>,
): Cost {
  const basis = samples > 0 ? 'earlier_tasks' : 'timeout';
  const maximumNano = terms.holdNano * BigInt(terms.tasks);
  const priceText = (nano: bigint): string => formatNano(amountIn(spec.price.currency, nano, settings));
  return {
    estimated_nano: `${estimatedNano}`,
    estimated: priceText(estimatedNano),
    run_ms: runMs,
    basis,
    samples,
    maximum_nano: `${maximumNano}`,
    maximum: priceText(maximumNano),
    message: messageOf(basis, samples, hasOffers),
  };
}

function messageOf(basis: Cost['basis'], samples: number, hasOffers: boolean): string {
  const prices = hasOffers
    ? 'the prices of the offers in their order'
    : 'the price ceiling, as no node would do';
  switch (basis) {
    case 'earlier_tasks':
      return `The median run time of ${samples} recent ${samples === 1 ? 'task' : 'tasks'} of this account with this image, at ${prices}.`;
    case 'timeout':
      return `No task of this account with this image has succeeded recently, so each is taken to run into its timeout, at ${prices}.`;
  }
}
