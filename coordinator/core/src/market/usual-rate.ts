import { standardAsk } from '@capacloud/protocol/resources';
import type { JobTerms } from '../command.ts';
import { parseAsk, rateNano } from '../ledger/price.ts';
import { rateOn } from '../node/asks.ts';
import { Wants } from '../scheduler/order/node-table.ts';
import { foot } from '../scheduler/order/price-ladder.ts';
import { lastingOf, obstaclesOf, optionsOf } from '../scheduler/why/obstacles.ts';
import type { NodeRecord, State } from '../state.ts';
import { tasksThatFit } from './task-room.ts';

/** Nodes that are examined for one answer: some milliseconds, on networks of any size. */
const maxExamined = 1024;
/** No node asks more than an amount on the wire may be. */
const anyRateNano = 10n ** 18n;

/**
 * nano-CAPA an hour for one task: the dearest of the cheapest nodes that together have room for all tasks of the job now. Where
 * they have not, the median of what suitable nodes ask, if that is more. Where nobody suitable asks anything, the standard ask.
 */
export function usualRate(state: State, terms: JobTerms): bigint {
  const options = optionsOf({ ...terms, maxRateNano: anyRateNano });
  const { dearestNano, tasksLeft } = fillCheapest(state, options, terms.tasks);
  let rate = dearestNano;
  if (tasksLeft > 0) {
    const median = medianAsk(state, options);
    if (median > rate) rate = median;
  }
  return rate > 0n ? rate : rateNano(parseAsk(standardAsk), terms.resources);
}

/** As tasks are placed: by the first alternative for which there is room. */
function fillCheapest(
  state: State,
  options: readonly JobTerms[],
  tasks: number,
): { readonly dearestNano: bigint; readonly tasksLeft: number } {
  let tasksLeft = tasks;
  let dearestNano = 0n;
  for (const terms of options) {
    for (const [rate, room] of cheapestRooms(state, terms, tasksLeft)) {
      if (tasksLeft <= 0) break;
      if (rate > dearestNano) dearestNano = rate;
      tasksLeft -= room;
    }
  }
  return { dearestNano, tasksLeft };
}

/** Rates and how many tasks have room there, rising. The ladder is in order but for a few percent. */
function cheapestRooms(
  { schedule: { table } }: State,
  terms: JobTerms,
  tasks: number,
): readonly (readonly [rate: bigint, room: number])[] {
  const ladder = table.ladderOf(new Wants(terms, undefined));
  const climb = foot();
  const found: (readonly [rate: bigint, room: number])[] = [];
  let room = 0;
  for (let examined = 0; examined < maxExamined && room < tasks; examined++) {
    const row = ladder.next(climb);
    const node = row === undefined ? undefined : table.nodes[row];
    if (node === undefined) break;
    if (obstaclesOf(node, terms).length > 0) continue;
    const fits = tasksThatFit(node.offer, node, terms.resources, (id) => node.deviceUse.get(id) ?? 0);
    found.push([rateOn(node, terms), fits]);
    room += fits;
  }
  return found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Of nodes that would do, however busy they are; 0 where there is none. */
function medianAsk(state: State, options: readonly JobTerms[]): bigint {
  const rates: bigint[] = [];
  let examined = 0;
  for (const node of state.nodes.values()) {
    if (examined === maxExamined) break;
    examined += 1;
    const terms = options.find((each) => isSuitable(node, each));
    if (terms !== undefined) rates.push(rateOn(node, terms));
  }
  rates.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return rates[rates.length >> 1] ?? 0n;
}

function isSuitable(node: NodeRecord, terms: JobTerms): boolean {
  return lastingOf(obstaclesOf(node, terms)).length === 0;
}
