import type { JobTerms } from '@capacloud/core/contract/command';
import type { OfferGroup } from '@capacloud/core/explain/market/offer-groups';
import { storageMessage } from '@capacloud/core/explain/waiting-reason';
import { foresee } from '@capacloud/core/machine';
import type { ReadOnly } from '@capacloud/core/read-only';
import { storageObstacle } from '@capacloud/core/slices/attempt/upload-hold';
import { misfitsOf } from '@capacloud/core/slices/job/misfits';
import { shapeOf } from '@capacloud/core/slices/job/queue';
import { priceRun } from '@capacloud/core/slices/node/price';
import type { State } from '@capacloud/core/state';
import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import { accept, type Result } from '@capacloud/protocol/result';
import type { Plan, PlanOffer, PlanQuestion, PlanRoom } from '../ports/market-answers.ts';
import type { Live } from './answering-core.ts';
import { toldOf } from './explain.ts';
import { type Survey, surveyNodes } from './plan-survey.ts';
import type { RecentStarts } from './recent-starts.ts';

const maxExamples = 10;

/** What the job would meet now. The core decides on it, and the decision is dropped: nothing is held. */
export async function plan(
  live: Live,
  starts: RecentStarts,
  question: PlanQuestion,
  signal: AbortSignal,
): Promise<Result<Plan>> {
  const { at, consumer, job, maxOffers } = question;
  const { notes, state } = live;
  const submission = { type: 'job.submit', at, job, consumer, terms: question.terms } as const;
  const outcome = foresee(state, submission, notes);
  if (!outcome.ok && outcome.refusal.code !== 'ledger.insufficient_funds') return outcome;
  // What attempts of such jobs have shown of the image holds for this one.
  const misfits = misfitsOf(state, question.terms.image);
  const terms = misfits === undefined ? question.terms : { ...question.terms, misfits };
  const survey = await surveyNodes(live, terms, at, signal);
  return accept({
    isUnaffordable: !outcome.ok,
    availableNano: state.accounts.get(consumer)?.availableNano ?? 0n,
    keptBack: keptBack(live, question),
    room: roomFor(state, starts, question, survey),
    offers: survey.ranked.slice(0, maxOffers).map(toldOffer),
    allOffers: survey.offers,
    estimatedNano: estimate(state, question, survey.ranked),
    explanation: toldOf(survey.explanation, terms),
  });
}

/** Nothing is placed now, or its outputs could not be stored: what ran before waits for room. */
function keptBack({ notes, state }: Live, { consumer, terms }: PlanQuestion): Plan['keptBack'] {
  if (notes.isPaused) {
    const { hint, sentence } = taskReasons.safe_mode;
    return { reason: 'safe_mode', message: sentence, hint };
  }
  const reason = storageObstacle(state, { consumer, terms });
  if (reason === undefined) return undefined;
  return { reason, message: storageMessage(state, { consumer }, reason), hint: taskReasons[reason].hint };
}

function roomFor(
  state: ReadOnly<State>,
  starts: RecentStarts,
  { at, terms }: PlanQuestion,
  { tasksNow, tasksWhole, times }: Survey,
): PlanRoom {
  const shape = shapeOf(terms);
  const queuedBefore = queued(state, shape);
  const all = queuedBefore + terms.tasks;
  // The tasks of a gang start together, so that the first waits as long as the last.
  const first = terms.gang === true ? all : queuedBefore + 1;
  return {
    tasksNow,
    tasksWhole,
    queuedBefore,
    firstMs: times.waitMs(first - 1) ?? 0,
    allMs: times.waitMs(all - 1) ?? 0,
    pace: starts.paceOf(shape, at),
  };
}

/** Tasks of anybody that may run on the same nodes at the same prices and wait already: they are taken to go first. */
function queued({ waiting }: ReadOnly<State>, shape: string): number {
  let tasks = 0;
  for (const { byShape } of waiting.values())
    for (const { ready } of byShape.get(shape)?.jobs ?? []) tasks += ready;
  return tasks;
}

function toldOffer(group: OfferGroup): PlanOffer {
  const { busy, deviceClass, free, isInterruptible, nodes, providers, rateNano, tasksNow, tasksWhole } =
    group;
  const examples = [...free, ...busy].slice(0, maxExamples).map(({ id }) => id);
  return {
    deviceClass,
    rateNano,
    isInterruptible,
    nodes,
    providers: providers.size,
    tasksNow,
    tasksWhole,
    examples,
  };
}

/** What the tasks would cost on the offers in their order, each filled before the next. */
function estimate(
  { ruleset: { feeBasisPoints } }: ReadOnly<State>,
  { runMs, terms }: PlanQuestion,
  offers: readonly OfferGroup[],
): bigint {
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
  return estimatedNano + costAt(lastRate(terms, offers)) * BigInt(left);
}

/** Where no offer has room for a task the ceiling is all that is known. */
function lastRate({ maxRateNano }: JobTerms, offers: readonly OfferGroup[]): bigint {
  return offers.at(-1)?.rateNano ?? maxRateNano;
}

/** Tasks and what each costs an hour: first where there is room now, then where there will be. */
function filled(offers: readonly OfferGroup[]): readonly (readonly [tasks: number, rateNano: bigint])[] {
  return [
    ...offers.map(({ tasksNow, rateNano }) => [tasksNow, rateNano] as const),
    ...offers.map(({ tasksNow, tasksWhole, rateNano }) => [tasksWhole - tasksNow, rateNano] as const),
  ];
}
