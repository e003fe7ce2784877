import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { AskClass } from '../../slices/node/ask-class.ts';
import { rateOn } from '../../slices/node/asks.ts';
import { addCost, pricedUnits } from '../../slices/node/price.ts';
import type { NodeRecord } from '../../slices/node/record.ts';

/** What tasks of one shape cost an hour, on one node after another. */
export class ShapePrice {
  readonly #terms: JobTerms;
  readonly #units: readonly number[];
  readonly #devices: number;
  readonly #isInterruptible: boolean;
  #last: { readonly askClass: AskClass; readonly rate: bigint } | undefined;

  constructor(terms: JobTerms) {
    this.#terms = terms;
    const { devices } = terms.resources;
    this.#units = pricedUnits(terms.resources);
    this.#devices = ((devices?.count ?? 0) * deviceMilli(devices)) / 1000;
    this.#isInterruptible = terms.interruptible === true;
  }

  /** nano-CAPA, but for rounding: exact arithmetic for every node that is looked at is dear. */
  estimate({ askClass }: ReadOnly<NodeRecord>): number {
    if (askClass === undefined) return 0;
    return this.estimateOf(askClass.dimensionNano, 0, askClass.deviceNano, askClass.discountPercent ?? 0);
  }

  /** As estimate, by the prices of dimensions that stand in `nano` from `start` on, and that of a device. */
  estimateOf(nano: readonly number[], start: number, deviceNano: number, discountPercent: number): number {
    const full = addCost(this.#devices * deviceNano, this.#units, nano, start);
    return this.#isInterruptible ? (full * (100 - discountPercent)) / 100 : full;
  }

  /** nano-CAPA. */
  rateOn(node: ReadOnly<NodeRecord>): bigint {
    const { askClass } = node;
    if (askClass === undefined) return 0n;
    if (this.#last?.askClass !== askClass) this.#last = { askClass, rate: rateOn(node, this.#terms) };
    return this.#last.rate;
  }
}
