import type { OfferGroup } from '@capacloud/core/explain/market/offer-groups';
import { storageMessage } from '@capacloud/core/explain/waiting-reason';
import { decide } from '@capacloud/core/machine';
import { storageObstacle } from '@capacloud/core/slices/attempt/upload-hold';
import { misfitsOf } from '@capacloud/core/slices/job/misfits';
import { shapeOf } from '@capacloud/core/slices/job/queue';
import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import { type AccountId, jobIdFrom } from '@capacloud/protocol/ids';
import { accept, type Result } from '@capacloud/protocol/result';
import { maxPlanOffers, type PlanOfferView, type PlanView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import type { ApiDependencies } from './dependencies.ts';
import { type ReadingParts, type ReadJob, readJob } from './job-submission.ts';
import { amountIn } from './job-terms.ts';
import { planCost } from './plan-cost.ts';
import { surveyNodes } from './plan-survey.ts';
import { planWait } from './plan-wait.ts';
import type { RecentStarts } from './recent-starts.ts';
import { explanationView } from './why-view.ts';

const maxExamples = 10;

/** What the job file would meet now. The same refusals as a submission, but for want of money; nothing is held. */
export async function planView(
  parts: ReadingParts,
  starts: RecentStarts,
  account: AccountId,
  body: unknown,
  signal: AbortSignal,
): Promise<Result<PlanView>> {
  const { deps } = parts;
  const read = await readJob(parts, account, body);
  if (!read.ok) return read;
  const job = read.value;
  const { notes, state } = deps.sequencer;
  const at = deps.now();
  const id = jobIdFrom(deps.randomBytes(20));
  // What the core would say to it; decided and dropped.
  const submission = { type: 'job.submit', at, job: id, consumer: account, terms: job.terms } as const;
  const outcome = decide(state, submission, notes);
  if (!outcome.ok && outcome.refusal.code !== 'ledger.insufficient_funds') return outcome;
  // What attempts of such jobs have shown of the image holds for this one.
  const misfits = misfitsOf(state, job.terms.image);
  const terms = misfits === undefined ? job.terms : { ...job.terms, misfits };
  const survey = await surveyNodes(deps.sequencer, terms, at, signal);
  const offers = survey.ranked.slice(0, maxPlanOffers);
  const keptBack = keptBackView(deps.sequencer, account, job);
  const { currency } = job.spec.price;
  const cost = await planCost(deps, account, job, survey.ranked);
  return accept({
    tasks: job.terms.tasks,
    resources: job.terms.resources,
    currency,
    tasks_now: keptBack === undefined ? survey.tasksNow : 0,
    tasks_when_free: survey.tasksWhole,
    ...(keptBack === undefined ? {} : { kept_back: keptBack }),
    offers: offers.map((group) => offerView(group, (rate) => amountIn(currency, rate, deps.settings))),
    more_offers: survey.offers - offers.length,
    cost,
    account: {
      id: account,
      available_nano: `${state.accounts.get(account)?.availableNano ?? 0n}`,
      can_afford: outcome.ok,
    },
    wait: planWait(survey, {
      tasks: job.terms.tasks,
      isGang: job.terms.gang === true,
      queuedBefore: queuedBefore(deps, job),
      pace: starts.paceOf(shapeOf(job.terms), deps.now()),
    }),
    ...explanationView(survey.explanation, terms, currency, deps.settings),
  });
}

/** Nothing is placed now, or its outputs could not be stored: what ran before waits for room. */
function keptBackView(
  { notes, state }: ApiDependencies['sequencer'],
  consumer: AccountId,
  { terms }: ReadJob,
): PlanView['kept_back'] {
  if (notes.isPaused) {
    const { hint, sentence } = taskReasons.safe_mode;
    return { reason: 'safe_mode', message: sentence, hint };
  }
  const reason = storageObstacle(state, { consumer, terms });
  if (reason === undefined) return undefined;
  return { reason, message: storageMessage(state, { consumer }, reason), hint: taskReasons[reason].hint };
}

/** Tasks of anybody that may run on the same nodes at the same prices and wait already: taken to go first. */
function queuedBefore(
  { sequencer: { state } }: Pick<ApiDependencies, 'sequencer'>,
  { terms }: ReadJob,
): number {
  const shape = shapeOf(terms);
  let tasks = 0;
  for (const { byShape } of state.waiting.values())
    for (const { ready } of byShape.get(shape)?.jobs ?? []) tasks += ready;
  return tasks;
}

function offerView(group: OfferGroup, amountOf: (rateNano: bigint) => bigint): PlanOfferView {
  const { deviceClass, rateNano, isInterruptible, nodes, providers, tasksNow, tasksWhole, free, busy } =
    group;
  return {
    device_class: deviceClass,
    rate_nano: `${rateNano}`,
    rate: formatNano(amountOf(rateNano)),
    ...(isInterruptible ? { interruptible: true } : {}),
    nodes,
    providers: providers.size,
    tasks_now: tasksNow,
    tasks_when_free: tasksWhole,
    examples: [...free, ...busy].slice(0, maxExamples).map(({ id }) => id),
  };
}
