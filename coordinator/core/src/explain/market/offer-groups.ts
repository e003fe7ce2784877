import { offeredBy } from '@capacloud/protocol/capacity/capacity';
import type { Resources } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { chooseDevices } from '../../scheduler/fit/feasibility.ts';
import { type TaskNeed, taskNeed, tasksThatFit } from '../../scheduler/fit/node-space.ts';
import { Look } from '../../scheduler/order/look.ts';
import { comesBefore } from '../../scheduler/order/node-entry.ts';
import { NodeOrder } from '../../scheduler/order/node-order.ts';
import type { ScheduleNotes } from '../../scheduler/schedule-notes.ts';
import { optionsOf } from '../../slices/job/options.ts';
import type { AskClass } from '../../slices/node/ask-class.ts';
import { isSoldInterruptible, rateOn } from '../../slices/node/asks.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { State } from '../../state.ts';
import { lastingOf, obstaclesOf } from '../obstacles.ts';
import { cpuClass, deviceClassOf } from './device-class.ts';
import { keepBest } from './keep-best.ts';

const maxExamples = 10;
/** Free nodes of a group that are weighed, and groups of which they are: a few milliseconds in all. */
const maxWeighedNodes = 8;
const maxWeighedGroups = 64;

/** Nodes where a task costs the same, on devices of the same class, by the same alternative of the job. */
export interface OfferGroup {
  readonly alternative: number;
  /** `cpu`, or the models of the devices that a task would get, with ` + ` between them. */
  readonly deviceClass: string;
  /** For one task, an hour. */
  readonly rateNano: bigint;
  /** It is less than others pay, and tasks may be stopped there for these. */
  readonly isInterruptible: boolean;
  nodes: number;
  /** Tasks that could start there now, and with nothing else on these nodes. */
  tasksNow: number;
  tasksWhole: number;
  readonly providers: Set<string>;
  /** Some that have room now, and some that have none. */
  readonly free: ReadOnly<NodeRecord>[];
  readonly busy: ReadOnly<NodeRecord>[];
}

/** What a node has for tasks of the job, which would run there by one of its alternatives. */
export interface NodeRoom {
  readonly need: TaskNeed;
  readonly roomNow: number;
  readonly roomWhole: number;
}

/** One alternative of the job, and what it costs by the asks that were seen. */
interface Option {
  readonly alternative: number;
  readonly terms: JobTerms;
  readonly need: TaskNeed;
  readonly rates: Map<AskClass, bigint>;
}

/** Offers for the tasks of a job that has not been submitted. Nodes are shown one by one. */
export class OfferGroups {
  readonly #state: ReadOnly<State>;
  readonly #notes: ScheduleNotes;
  readonly #options: readonly Option[];
  readonly #groups = new Map<string, OfferGroup>();

  constructor(state: ReadOnly<State>, notes: ScheduleNotes, terms: JobTerms) {
    this.#state = state;
    this.#notes = notes;
    this.#options = optionsOf(terms).map((each, alternative) => ({
      alternative,
      terms: each,
      need: taskNeed(each.resources),
      rates: new Map<AskClass, bigint>(),
    }));
  }

  /** Undefined for a node that would not do, however free it were. */
  look(node: ReadOnly<NodeRecord>): NodeRoom | undefined {
    const chosen = this.#choose(node);
    if (chosen === undefined) return undefined;
    const { option, isFree } = chosen;
    const { offer, deviceUse } = node;
    const { need } = option;
    const roomNow = isFree ? tasksThatFit(offer, node.free, need, (id) => deviceUse.get(id) ?? 0) : 0;
    const roomWhole = tasksThatFit(offer, offeredBy(offer), need, () => 0);
    const group = this.#groupOf(node, option);
    group.nodes += 1;
    group.tasksNow += roomNow;
    group.tasksWhole += roomWhole;
    group.providers.add(node.provider);
    const examples = roomNow > 0 ? group.free : group.busy;
    if (examples.length < maxExamples) examples.push(node);
    return { need, roomNow, roomWhole };
  }

  /** The first alternative for which it has room now, or else the first for which it would do. */
  #choose(node: ReadOnly<NodeRecord>): { readonly option: Option; readonly isFree: boolean } | undefined {
    let suitable: Option | undefined;
    for (const option of this.#options) {
      const found = obstaclesOf(node, option.terms, this.#notes.keepings);
      if (found.length === 0) return { option, isFree: true };
      if (lastingOf(found).length === 0) suitable ??= option;
    }
    return suitable === undefined ? undefined : { option: suitable, isFree: false };
  }

  get size(): number {
    return this.#groups.size;
  }

  values(): Iterable<OfferGroup> {
    return this.#groups.values();
  }

  /**
   * Where tasks can start now, in the order in which the scheduler would place them; behind these, by price, where they
   * would have to wait.
   */
  rank({ free, busy }: OfferShortlist): readonly OfferGroup[] {
    this.#notes.follow(this.#state);
    const look = new Look(new Set(), this.#notes);
    const orders = this.#options.map(({ terms }) => new NodeOrder(terms, this.#notes));
    const standings = free.flatMap((group) => {
      const order = orders[group.alternative];
      const weighed = group.free.slice(0, maxWeighedNodes);
      const [first, ...others] = weighed.flatMap((node) => order?.standingOf(node, look) ?? []);
      if (first === undefined) return [];
      return { group, best: others.reduce((best, each) => (comesBefore(each, best) ? each : best), first) };
    });
    const byWish = (a: OfferGroup, b: OfferGroup): number => a.alternative - b.alternative;
    standings.sort((a, b) => byWish(a.group, b.group) || (comesBefore(a.best, b.best) ? -1 : 1));
    return [...standings.map(({ group }) => group), ...busy];
  }

  #groupOf(node: ReadOnly<NodeRecord>, option: Option): OfferGroup {
    const { alternative, terms } = option;
    const rate = rateBy(node, option);
    const deviceClass = classOn(node, terms.resources);
    const isInterruptible = isSoldInterruptible(node, terms);
    const key = `${alternative} ${rate} ${isInterruptible ? 'i' : ''} ${deviceClass}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: OfferGroup = {
      alternative,
      deviceClass,
      rateNano: rate,
      isInterruptible,
      nodes: 0,
      tasksNow: 0,
      tasksWhole: 0,
      providers: new Set(),
      free: [],
      busy: [],
    };
    this.#groups.set(key, group);
    return group;
  }
}

function rateBy(node: ReadOnly<NodeRecord>, { rates, terms }: Option): bigint {
  const { askClass } = node;
  if (askClass === undefined) return rateOn(node, terms);
  let rate = rates.get(askClass);
  if (rate === undefined) rates.set(askClass, (rate = rateOn(node, terms)));
  return rate;
}

/** The devices that a placement would take now, or else first. */
function classOn({ deviceUse, offer }: ReadOnly<NodeRecord>, { devices: request }: Resources): string {
  if (request === undefined) return cpuClass;
  const ids =
    chooseDevices(offer, request, (id) => deviceUse.get(id) ?? 0) ?? chooseDevices(offer, request, () => 0);
  return deviceClassOf(offer, ids ?? []);
}

/** The cheapest groups, those with room now and those without: no more are worth a rank. Shown one by one. */
export class OfferShortlist {
  readonly free: OfferGroup[] = [];
  readonly busy: OfferGroup[] = [];

  consider(group: OfferGroup): void {
    keepBest(group.tasksNow > 0 ? this.free : this.busy, group, maxWeighedGroups, byPrice);
  }
}

/** What is wanted more goes first, as it does when tasks are placed. */
function byPrice(a: OfferGroup, b: OfferGroup): number {
  if (a.alternative !== b.alternative) return a.alternative - b.alternative;
  if (a.rateNano !== b.rateNano) return a.rateNano < b.rateNano ? -1 : 1;
  return a.deviceClass < b.deviceClass ? -1 : 1;
}
