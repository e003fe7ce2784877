import { standardAsk } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { KindFilter } from '../../scheduler/fit/kind-filter.ts';
import { type TaskNeed, taskNeed, tasksThatFit } from '../../scheduler/fit/node-space.ts';
import { Wants } from '../../scheduler/order/node-table.ts';
import { foot } from '../../scheduler/order/price-ladder.ts';
import type { ScheduleNotes } from '../../scheduler/schedule-notes.ts';
import { optionsOf } from '../../slices/job/options.ts';
import { rateOn } from '../../slices/node/asks.ts';
import { parseAsk, rateNano } from '../../slices/node/price.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { State } from '../../state.ts';
import { lastingOf, obstaclesOf } from '../obstacles.ts';

/** Nodes whose columns are compared for one answer: about a millisecond. Networks may be larger. */
const maxLooked = 16_384;
/** Nodes that are examined in full for one answer, which takes some microseconds each, because of their labels and devices. */
const maxExamined = 512;
/** No node asks more than an amount on the wire may be. */
const anyRateNano = 10n ** 18n;

/**
 * nano-CAPA an hour for one task: the dearest of the cheapest nodes that together have room for all tasks of the job now. Where
 * they have not, the median of what suitable nodes ask, if that is more. Where nobody suitable asks anything, the standard ask.
 */
export function usualRate(state: ReadOnly<State>, notes: ScheduleNotes, terms: JobTerms): bigint {
  const survey = new Survey(state, notes, { ...terms, maxRateNano: anyRateNano });
  const { dearestNano, tasksLeft } = survey.fillCheapest();
  const medianNano = tasksLeft > 0 ? survey.medianAsk() : 0n;
  const rateNanoHour = medianNano > dearestNano ? medianNano : dearestNano;
  return rateNanoHour > 0n ? rateNanoHour : rateNano(parseAsk(standardAsk), terms.resources);
}

/** One alternative of a job. */
interface Option {
  readonly terms: JobTerms;
  readonly need: TaskNeed;
  readonly wants: Wants;
}

/** One look at the network, with a bound on all of its work: a job file may name eight alternatives that no node meets. */
class Survey {
  readonly #state: ReadOnly<State>;
  readonly #notes: ScheduleNotes;
  readonly #tasks: number;
  readonly #options: readonly Option[];
  #looked = 0;
  #examined = 0;

  constructor(state: ReadOnly<State>, notes: ScheduleNotes, terms: JobTerms) {
    notes.follow(state);
    this.#state = state;
    this.#notes = notes;
    this.#tasks = terms.tasks;
    this.#options = optionsOf(terms).map((each) => {
      const { devices } = each.resources;
      return {
        terms: each,
        need: taskNeed(each.resources),
        wants: new Wants(each, devices === undefined ? undefined : new KindFilter(devices)),
      };
    });
  }

  /** As tasks are placed: by the first alternative for which there is room. */
  fillCheapest(): { readonly dearestNano: bigint; readonly tasksLeft: number } {
    let tasksLeft = this.#tasks;
    let dearestNano = 0n;
    for (const option of this.#options) {
      for (const [rate, room] of this.#cheapestRooms(option, tasksLeft)) {
        if (tasksLeft <= 0) break;
        if (rate > dearestNano) dearestNano = rate;
        tasksLeft -= room;
      }
    }
    // The median has a budget of its own: it is asked for where these found too little.
    this.#looked = 0;
    this.#examined = 0;
    return { dearestNano, tasksLeft };
  }

  /** Of nodes that would do, however busy they are; 0 where there is none. */
  medianAsk(): bigint {
    const rates: bigint[] = [];
    for (const node of this.#state.nodes.values()) {
      if (this.#looked >= maxLooked || this.#examined >= maxExamined) break;
      this.#looked += 1;
      const option = this.#options.find((each) => this.#isSuitable(node, each));
      if (option !== undefined) rates.push(rateOn(node, option.terms));
    }
    rates.sort(byAmount);
    return rates[rates.length >> 1] ?? 0n;
  }

  /** Rates and how many tasks have room there, rising. The ladder is in order but for a few percent. */
  #cheapestRooms(
    { need, terms, wants }: Option,
    tasks: number,
  ): readonly (readonly [rate: bigint, room: number])[] {
    const { table } = this.#notes;
    const ladder = table.ladderOf(wants);
    const climb = foot();
    const found: (readonly [rate: bigint, room: number])[] = [];
    let room = 0;
    while (room < tasks && this.#looked < maxLooked && this.#examined < maxExamined) {
      this.#looked += 1;
      const row = ladder.next(climb);
      const node = row === undefined ? undefined : table.nodes[row];
      if (row === undefined || node === undefined) break;
      if (!table.mayTake(row, wants)) continue;
      this.#examined += 1;
      if (obstaclesOf(node, terms, this.#notes.keepings).length > 0) continue;
      const fits = tasksThatFit(node.offer, node.free, need, (id) => node.deviceUse.get(id) ?? 0);
      found.push([rateOn(node, terms), fits]);
      room += fits;
    }
    return found.sort(([a], [b]) => byAmount(a, b));
  }

  #isSuitable(node: ReadOnly<NodeRecord>, { terms, wants }: Option): boolean {
    const { kind } = this.#notes.table.deviceRoomOf(node.row);
    if (node.offer.devices.length < wants.count) return false;
    if (kind !== undefined && wants.kinds?.suits(kind) === false) return false;
    this.#examined += 1;
    return lastingOf(obstaclesOf(node, terms, this.#notes.keepings)).length === 0;
  }
}

function byAmount(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
