import type { OfferGroup } from '@capacloud/core/explain/market/offer-groups';
import { priceRun } from '@capacloud/core/slices/node/price';
import type { AccountId } from '@capacloud/protocol/ids';
import type { PlanView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import type { ApiDependencies } from './dependencies.ts';
import type { ReadJob } from './job-submission.ts';
import { amountIn } from './job-terms.ts';

type Cost = PlanView['cost'];

/** What the tasks would cost on the offers in their order, each filled before the next, and what would be held. */
export async function planCost(
  { settings, store, sequencer: { state } }: Pick<ApiDependencies, 'settings' | 'store' | 'sequencer'>,
  account: AccountId,
  { spec, terms }: ReadJob,
  offers: readonly OfferGroup[],
): Promise<Cost> {
  const runTimes = [...(await store.listRunTimes(account, spec.image))].sort((a, b) => a - b);
  const samples = runTimes.length;
  const basis = samples > 0 ? 'earlier_tasks' : 'timeout';
  const runMs = Math.min(terms.runTimeoutMs, runTimes[samples >> 1] ?? terms.runTimeoutMs);
  const { feeBasisPoints } = state.ruleset;
  const costAt = (rateNano: bigint): bigint =>
    priceRun(rateNano, runMs, terms.holdNano, feeBasisPoints).chargeNano;
  let estimatedNano = 0n;
  let left = terms.tasks;
  for (const [tasks, rateNano] of filled(offers)) {
    const here = Math.min(left, tasks);
    estimatedNano += costAt(rateNano) * BigInt(here);
    left -= here;
    if (left === 0) break;
  }
  // Where no offer has room for them the ceiling is all that is known.
  const lastNano = offers.at(-1)?.rateNano ?? terms.maxRateNano;
  estimatedNano += costAt(lastNano) * BigInt(left);
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
    message: messageOf(basis, samples, offers.length > 0),
  };
}

/** Tasks and what each costs an hour: first where there is room now, then where there will be. */
function filled(offers: readonly OfferGroup[]): readonly (readonly [tasks: number, rateNano: bigint])[] {
  return [
    ...offers.map(({ tasksNow, rateNano }) => [tasksNow, rateNano] as const),
    ...offers.map(({ tasksNow, tasksWhole, rateNano }) => [tasksWhole - tasksNow, rateNano] as const),
  ];
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
