import { deviceMilli } from '@capacloud/protocol/resources';
import type { JobTerms } from '../command.ts';
import { rateOn } from '../node/asks.ts';
import type { AskClass, NodeRecord } from '../state.ts';

const gib = 2 ** 30;

/** What tasks of one shape cost an hour, on one node after another. */
export class ShapePrice {
  readonly #terms: JobTerms;
  #last: { readonly askClass: AskClass; readonly rate: bigint } | undefined;

  constructor(terms: JobTerms) {
    this.#terms = terms;
  }

  /** nano-CAPA, but for rounding: exact arithmetic for every node that is looked at is dear. */
  estimate({ askClass }: NodeRecord): number {
    if (askClass === undefined) return 0;
    const { cpuMilli, devices, diskBytes, memoryBytes } = this.#terms.resources;
    const { hourNano } = askClass;
    const milli = (devices?.count ?? 0) * deviceMilli(devices);
    const full =
      (cpuMilli * hourNano.cpu + milli * hourNano.device) / 1000 +
      (memoryBytes * hourNano.memoryGib + diskBytes * hourNano.diskGib) / gib;
    return this.#terms.interruptible === true ? (full * (100 - (askClass.discountPercent ?? 0))) / 100 : full;
  }

  /** nano-CAPA. */
  rateOn(node: NodeRecord): bigint {
    const { askClass } = node;
    if (askClass === undefined) return 0n;
    if (this.#last?.askClass !== askClass) this.#last = { askClass, rate: rateOn(node, this.#terms) };
    return this.#last.rate;
  }
}
