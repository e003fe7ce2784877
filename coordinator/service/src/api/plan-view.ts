import { type AccountId, jobIdFrom } from '@capacloud/protocol/ids';
import { accept, type Result } from '@capacloud/protocol/result';
import { maxPlanOffers, type PlanOfferView, type PlanView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import type { PlanOffer } from '../ports/market-answers.ts';
import { type ReadingParts, readJob } from './job-submission.ts';
import { amountIn } from './job-terms.ts';
import { planCost, runTimeOf } from './plan-cost.ts';
import { planWait } from './plan-wait.ts';
import { explanationView } from './why-view.ts';

/** What the job file would meet now. The refusals are those of a submission, except for want of money; nothing is held. */
export async function planView(
  parts: ReadingParts,
  account: AccountId,
  body: unknown,
  signal: AbortSignal,
): Promise<Result<PlanView>> {
  const { now, questions, randomBytes, settings, store } = parts.deps;
  const read = await readJob(parts, account, body);
  if (!read.ok) return read;
  const { spec, terms } = read.value;
  const runTime = runTimeOf(await store.listRunTimes(account, spec.image), terms);
  const job = jobIdFrom(randomBytes(20));
  const about = { at: now(), job, consumer: account, terms, runMs: runTime.runMs, maxOffers: maxPlanOffers };
  const planned = await questions.plan(about, signal);
  if (!planned.ok) return planned;
  const { allOffers, availableNano, estimatedNano, explanation, isUnaffordable, keptBack, offers, room } =
    planned.value;
  const { currency } = spec.price;
  const hasOffers = offers.length > 0;
  return accept({
    tasks: terms.tasks,
    resources: terms.resources,
    currency,
    tasks_now: keptBack === undefined ? room.tasksNow : 0,
    tasks_when_free: room.tasksWhole,
    ...(keptBack === undefined ? {} : { kept_back: keptBack }),
    offers: offers.map((offer) => offerView(offer, (rate) => amountIn(currency, rate, settings))),
    more_offers: allOffers - offers.length,
    cost: planCost(read.value, runTime, { estimatedNano, hasOffers }, settings),
    account: { id: account, available_nano: `${availableNano}`, can_afford: !isUnaffordable },
    wait: planWait(room, { tasks: terms.tasks, isGang: terms.gang === true }),
    ...explanationView(explanation, currency, settings),
  });
}

function offerView(offer: PlanOffer, amountOf: (rateNano: bigint) => bigint): PlanOfferView {
  const { deviceClass, examples, isInterruptible, nodes, providers, rateNano, tasksNow, tasksWhole } = offer;
  return {
    device_class: deviceClass,
    rate_nano: `${rateNano}`,
    rate: formatNano(amountOf(rateNano)),
    ...(isInterruptible ? { interruptible: true } : {}),
    nodes,
    providers,
    tasks_now: tasksNow,
    tasks_when_free: tasksWhole,
    examples: [...examples],
  };
}
