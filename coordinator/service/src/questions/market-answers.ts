import type { JobTerms } from '@capacloud/core/contract/command';
import { Book } from '@capacloud/core/explain/market/book';
import { cpuClass } from '@capacloud/core/explain/market/device-class';
import type { ReadOnly } from '@capacloud/core/read-only';
import { shapeOf } from '@capacloud/core/slices/job/queue';
import type { State } from '@capacloud/core/state';
import type { BookClass } from '../ports/market-answers.ts';
import type { UnpricedTerms } from '../ports/questions.ts';
import { Turns } from './turns.ts';

/** To consider a level costs much less than to look at a node. */
const levelWork = 0.1;
/** Offers change by the second; a stream of like jobs is not worth looking at nodes for each. */
const rateKeptForMs = 2000;
/** Shapes whose rates are kept: a few hundred bytes each. */
const maxRates = 1024;

/** What is asked, with the most on sale first. */
export async function book(state: ReadOnly<State>): Promise<readonly BookClass[]> {
  const found = new Book();
  const turns = new Turns();
  for (const node of state.nodes.values()) {
    found.look(node);
    await turns.did(1);
  }
  for (const level of found.levels()) {
    found.consider(level);
    await turns.did(levelWork);
  }
  return found.classes().map(({ allLevels, deviceClass, free, levels, total }) => ({
    deviceClass,
    unit: deviceClass === cpuClass ? 'slot' : 'device',
    total,
    free,
    allLevels,
    levels: levels.map(({ ask, providers, ...level }) => ({
      ask: {
        cpuHourNano: ask.cpuHourNano,
        memoryGibHourNano: ask.memoryGibHourNano,
        diskGibHourNano: ask.diskGibHourNano,
        deviceHourNano: ask.deviceHourNano,
      },
      discountPercent: level.discountPercent,
      nodes: level.nodes,
      providers: providers.size,
      total: level.total,
      free: level.free,
    })),
  }));
}

/** What is asked for tasks, by their shape. One that was answered a moment ago is answered again at once. */
export class UsualRates {
  readonly #ask: (terms: JobTerms) => Promise<bigint>;
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly at: number; readonly rateNano: Promise<bigint> }>();

  constructor(ask: (terms: JobTerms) => Promise<bigint>, now: () => number) {
    this.#ask = ask;
    this.#now = now;
  }

  /** nano-CAPA an hour. */
  of(unpriced: UnpricedTerms): Promise<bigint> {
    const at = this.#now();
    const terms = { ...unpriced, maxRateNano: 0n, holdNano: 0n };
    const key = `${terms.tasks} ${shapeOf(terms)}`;
    const known = this.#kept.get(key);
    if (known !== undefined && at - known.at < rateKeptForMs) return known.rateNano;
    const rateNano = this.#ask(terms);
    this.#kept.delete(key);
    this.#kept.set(key, { at, rateNano });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxRates) break;
      this.#kept.delete(oldest);
    }
    return rateNano;
  }
}
