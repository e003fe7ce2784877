import type { JobTerms } from '@capacloud/core/contract/command';
import { Explanation } from '@capacloud/core/explain/explanation';
import type { Change } from '@capacloud/core/explain/nearest-change';
import { isShortage, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import { obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import type { TaskView, WhyView } from '@capacloud/protocol/routes/views';
import { formatDuration, formatNano } from '@capacloud/protocol/units';
import type { ApiDependencies } from './dependencies.ts';
import { amountIn } from './job-terms.ts';
import { Turns } from './turns.ts';

const mebibyte = 2 ** 20;

/** Looks at every node, for people and not for the hot path. */
export async function whyView(
  { sequencer: { notes, state }, settings, specs }: Pick<ApiDependencies, 'sequencer' | 'settings' | 'specs'>,
  task: TaskView,
  signal: AbortSignal,
): Promise<WhyView> {
  const { state: taskState, reason, message, hint } = task;
  const job = state.jobs.get(task.job);
  const known = state.tasks.get(task.id);
  const view = { task: task.id, state: taskState, reason, message, hint };
  if (job === undefined || known?.state !== 'queued')
    return { ...view, nodes: { total: 0, suitable: 0, free: 0 }, obstacles: [], changes: [] };
  const explanation = new Explanation(job.terms, notes.keepings, known);
  const turns = new Turns(signal);
  for (const node of state.nodes.values()) {
    explanation.look(node);
    await turns.did(1);
  }
  const currency = (await specs.get(job.id))?.price.currency ?? 'CAPA';
  return { ...view, ...explanationView(explanation, job.terms, currency, settings) };
}

/** What was found, with prices in the currency of the job file. */
export function explanationView(
  explanation: Explanation,
  terms: JobTerms,
  currency: JobSpec['price']['currency'],
  settings: Pick<ApiDependencies['settings'], 'usdPerCapa'>,
): Pick<WhyView, 'nodes' | 'obstacles' | 'changes'> {
  const { nodes: total, suitable, free } = explanation;
  const priceText = (rateNano: bigint): string => formatNano(amountIn(currency, rateNano, settings));
  return {
    nodes: { total, suitable, free },
    obstacles: explanation.counts().map(({ obstacle, nodes, alone, examples }) => ({
      code: obstacle,
      message: `${nodes} of ${total} nodes ${obstacleCatalogue[obstacle].sentence}.`,
      nodes,
      alone,
      examples: [...examples],
    })),
    changes: explanation.changes().flatMap((change) => changeView(change, terms, currency, priceText)),
  };
}

const gpuPointer = '/resources/gpu';

/** Into the list, where the wish is one of several. */
function pointerOf(pointer: string, at: number | undefined): string {
  if (at === undefined) return pointer;
  const list = pointer.startsWith(gpuPointer) ? gpuPointer : pointer;
  return `${list}/${at}${pointer.slice(list.length)}`;
}

function changeView(
  change: Change,
  terms: JobTerms,
  currency: string,
  priceText: (rateNano: bigint) => string,
): WhyView['changes'] {
  const entry = obstacleCatalogue[change.obstacle];
  if (!('pointer' in entry)) return [];
  const { nodes, free, at } = change;
  const to = valueOf(change, priceText);
  const pointer = pointerOf(entry.pointer, at);
  const key = change.obstacle === 'label' && at !== undefined ? terms.constraints?.[at]?.key : undefined;
  const name = pointer.slice(1).replaceAll('/', '.') + (key === undefined ? '' : ` (${key})`);
  const what =
    to === undefined ? `drop ${name}` : `set ${name} to ${Array.isArray(to) ? to.join(' or ') : to}`;
  const unit = change.obstacle === 'price' ? ` ${currency}` : '';
  const opened = `${nodes} ${nodes === 1 ? 'node' : 'nodes'}${free === nodes ? '' : `, ${free} of them free now`}`;
  return [
    {
      pointer,
      ...(to === undefined ? {} : { to }),
      nodes,
      free,
      message: `${what}${unit}: ${opened}`,
    },
  ];
}

/** As the job file spells it: sizes and processors rounded down, so that they fit. */
function valueOf(
  { obstacle, to }: Change,
  priceText: (rateNano: bigint) => string,
): string | number | string[] | undefined {
  if (typeof to === 'bigint') return priceText(to);
  if (typeof to === 'number') {
    if (isShortage(obstacle)) return rowOfShortage[obstacle].shortage.spelled(to);
    if (obstacle === 'min_duration') return formatDuration(to);
    return obstacle === 'gpu_count' ? to : `${Math.floor(to / mebibyte)}Mi`;
  }
  return typeof to === 'object' ? [...to] : to;
}
