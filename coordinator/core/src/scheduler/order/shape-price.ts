import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';
import type { AskClass } from '../../slices/node/ask-class.ts';
import { rateOn } from '../../slices/node/asks.ts';
import type { NodeRecord } from '../../state.ts';

const gib = 2 ** 30;

/** What tasks of one shape cost an hour, on one node after another. */
export class ShapePrice {
  readonly #terms: JobTerms;
  readonly #cpus: number;
  readonly #devices: number;
  readonly #memoryGib: number;
  readonly #diskGib: number;
  readonly #isInterruptible: boolean;
  #last: { readonly askClass: AskClass; readonly rate: bigint } | undefined;

  constructor(terms: JobTerms) {
    this.#terms = terms;
    const { cpuMilli, devices, diskBytes, memoryBytes } = terms.resources;
    this.#cpus = cpuMilli / 1000;
    this.#devices = ((devices?.count ?? 0) * deviceMilli(devices)) / 1000;
    this.#memoryGib = memoryBytes / gib;
    this.#diskGib = diskBytes / gib;
    this.#isInterruptible = terms.interruptible === true;
  }

  /** nano-CAPA, but for rounding: exact arithmetic for every node that is looked at is dear. */
  estimate({ askClass }: NodeRecord): number {
    if (askClass === undefined) return 0;
    const { cpu, device, diskGib, memoryGib } = askClass.hourNano;
    return this.estimateOf(cpu, memoryGib, diskGib, device, askClass.discountPercent ?? 0);
  }

  /** As estimate, of what is asked an hour for a processor, a GiB of memory and of disk, and a device. */
  estimateOf(
    cpu: number,
    memoryGib: number,
    diskGib: number,
    device: number,
    discountPercent: number,
  ): number {
    const full =
      this.#cpus * cpu + this.#devices * device + this.#memoryGib * memoryGib + this.#diskGib * diskGib;
    return this.#isInterruptible ? (full * (100 - discountPercent)) / 100 : full;
  }

  /** nano-CAPA. */
  rateOn(node: NodeRecord): bigint {
    const { askClass } = node;
    if (askClass === undefined) return 0n;
    if (this.#last?.askClass !== askClass) this.#last = { askClass, rate: rateOn(node, this.#terms) };
    return this.#last.rate;
  }
}
