import { isShortage, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import { obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import type { TaskView, WhyView } from '@capacloud/protocol/routes/views';
import { formatDuration, formatNano } from '@capacloud/protocol/units';
import type { TaskChange, TaskExplanation } from '../ports/explanations.ts';
import type { ApiDependencies } from './dependencies.ts';
import { amountIn } from './job-terms.ts';

const mebibyte = 2 ** 20;

/** Why the task is in its state, and what keeps it from nodes where it waits. */
export async function whyView(
  { questions, settings, specs }: Pick<ApiDependencies, 'questions' | 'settings' | 'specs'>,
  task: TaskView,
  signal: AbortSignal,
): Promise<WhyView> {
  const { state, reason, message, hint } = task;
  const view = { task: task.id, state, reason, message, hint };
  const explanation = await questions.explainTask(task.id, signal);
  if (explanation === undefined)
    return { ...view, nodes: { total: 0, suitable: 0, free: 0 }, obstacles: [], changes: [] };
  const currency = (await specs.get(task.job))?.price.currency ?? 'CAPA';
  return { ...view, ...explanationView(explanation, currency, settings) };
}

/** What was found, with prices in the currency of the job file. */
export function explanationView(
  { changes, free, nodes: total, obstacles, suitable }: TaskExplanation,
  currency: JobSpec['price']['currency'],
  settings: Pick<ApiDependencies['settings'], 'usdPerCapa'>,
): Pick<WhyView, 'nodes' | 'obstacles' | 'changes'> {
  const priceText = (rateNano: bigint): string => formatNano(amountIn(currency, rateNano, settings));
  return {
    nodes: { total, suitable, free },
    obstacles: obstacles.map(({ obstacle, nodes, alone, examples }) => ({
      code: obstacle,
      message: `${nodes} of ${total} nodes ${obstacleCatalogue[obstacle].sentence}.`,
      nodes,
      alone,
      examples: [...examples],
    })),
    changes: changes.flatMap((change) => changeView(change, currency, priceText)),
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
  change: TaskChange,
  currency: string,
  priceText: (rateNano: bigint) => string,
): WhyView['changes'] {
  const entry = obstacleCatalogue[change.obstacle];
  if (!('pointer' in entry)) return [];
  const { nodes, free, at, key } = change;
  const to = valueOf(change, priceText);
  const pointer = pointerOf(entry.pointer, at);
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
  { obstacle, to }: TaskChange,
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
