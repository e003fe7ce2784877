import { amountOf, isOpenToTasks } from '@capacloud/protocol/capacity/capacity';
import { dimensionRows } from '@capacloud/protocol/capacity/dimensions';
import type { ReadOnly } from '../../read-only.ts';
import { type AskNano, parseAsk, pricesText } from '../../slices/node/price.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { cpuClass } from './device-class.ts';
import { keepBest } from './keep-best.ts';

const maxLevels = 50;

/** What nodes of one class that ask the same prices sell. */
export interface BookLevel {
  readonly deviceClass: string;
  readonly ask: AskNano;
  /** What interruptible tasks pay less. */
  readonly discountPercent: number | undefined;
  nodes: number;
  readonly providers: Set<string>;
  /** Healthy devices; of nodes without devices, containers that they run at once. */
  total: number;
  /** Of these, with nothing in use. */
  free: number;
}

/** All levels of a class, and the cheapest of them in order. */
export interface BookClass {
  readonly deviceClass: string;
  readonly levels: BookLevel[];
  allLevels: number;
  total: number;
  free: number;
}

/** What is asked for devices and processors by nodes that take work. Nodes are shown one by one, then levels. */
export class Book {
  readonly #levels = new Map<string, BookLevel>();
  readonly #classes = new Map<string, BookClass>();

  look(node: ReadOnly<NodeRecord>): void {
    if (node.status !== 'ready' || !node.accepting) return;
    const { offer, deviceUse } = node;
    if (offer.devices.length === 0) {
      const free = isOpenToTasks(node.free) ? amountOf(node.free, 'slots') : 0;
      this.#add(cpuClass, node, offer.slots, free);
      return;
    }
    const counts = new Map<string, { total: number; free: number }>();
    for (const { health, id, model } of offer.devices) {
      if (health !== 'healthy') continue;
      const count = counts.get(model) ?? { total: 0, free: 0 };
      counts.set(model, count);
      count.total += 1;
      if (!deviceUse.has(id)) count.free += 1;
    }
    for (const [model, { total, free }] of counts) this.#add(model, node, total, free);
  }

  levels(): Iterable<BookLevel> {
    return this.#levels.values();
  }

  consider(level: BookLevel): void {
    const { deviceClass } = level;
    let found = this.#classes.get(deviceClass);
    if (found === undefined) {
      found = { deviceClass, levels: [], allLevels: 0, total: 0, free: 0 };
      this.#classes.set(deviceClass, found);
    }
    found.allLevels += 1;
    found.total += level.total;
    found.free += level.free;
    keepBest(found.levels, level, maxLevels, byPrice);
  }

  /** Those with the most on sale first. */
  classes(): readonly BookClass[] {
    return [...this.#classes.values()].sort(
      (a, b) => b.total - a.total || (a.deviceClass < b.deviceClass ? -1 : 1),
    );
  }

  #add(deviceClass: string, node: ReadOnly<NodeRecord>, total: number, free: number): void {
    const ask = node.askClass ?? parseAsk(node.offer.ask);
    const discountPercent = node.offer.interruptibleDiscountPercent;
    const key = `${pricesText(ask)} ${discountPercent ?? ''} ${deviceClass}`;
    let level = this.#levels.get(key);
    if (level === undefined) {
      level = { deviceClass, ask, discountPercent, nodes: 0, providers: new Set(), total: 0, free: 0 };
      this.#levels.set(key, level);
    }
    level.nodes += 1;
    level.providers.add(node.provider);
    level.total += total;
    level.free += free;
  }
}

/** By the price of what the class sells, then by what comes with it. */
function byPrice(a: BookLevel, b: BookLevel): number {
  const prices = ({ ask, deviceClass }: BookLevel) => [
    ...(deviceClass === cpuClass ? [] : [ask.deviceHourNano]),
    ...dimensionRows.flatMap(({ price }) => (price === undefined ? [] : ask[price.ask])),
  ];
  const others = prices(b);
  for (const [i, price] of prices(a).entries()) {
    const other = others[i] ?? 0n;
    if (price !== other) return price < other ? -1 : 1;
  }
  return (b.discountPercent ?? 0) - (a.discountPercent ?? 0);
}
