import { deviceClassOf, unitRateNano, unitsMilli } from '@capacloud/core/explain/market/device-class';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { Task } from '@capacloud/core/slices/attempt/record';
import type { State } from '@capacloud/core/state';
import { resourcesBy } from '@capacloud/protocol/capacity/resources';
import type { AttemptEnd } from './attempt-history.ts';
import type { RowBuffers } from './row-buffer.ts';
import { mostCharged } from './row-shapes.ts';

/** Spans of the buckets of the price history, in milliseconds; stored by their position. */
export const bucketSpans = { hour: 3_600_000, day: 86_400_000 } as const;

interface Bucket {
  readonly span: number;
  readonly deviceClass: number;
  readonly start: number;
  trades: number;
  /** Milliseconds that whole units were metered. */
  volumeMs: number;
  minNano: bigint;
  maxNano: bigint;
  chargedNano: bigint;
}

/** The classes of devices that attempts ran on, and what was paid for them, by hour and by day. */
export class MarketHistory {
  readonly #numbers: Map<string, number>;
  readonly #buffers: RowBuffers;
  /** Of the present group: a bucket is written once, whatever the number of its trades. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(deviceClasses: readonly string[], buffers: RowBuffers) {
    this.#numbers = new Map(deviceClasses.map((name, index) => [name, index + 1]));
    this.#buffers = buffers;
  }

  /** An attempt is about to end; gives the number of its class, and its units in thousandths. It is a trade where it was metered. */
  note(
    state: ReadOnly<State>,
    task: ReadOnly<Task>,
    end: AttemptEnd,
  ): { readonly deviceClass: number; readonly units: number } {
    const node = task.node === undefined ? undefined : state.nodes.get(task.node);
    const deviceClass = this.#numberOf(deviceClassOf(node?.offer ?? { devices: [] }, task.devices));
    const resources = state.jobs.get(task.job)?.terms.resources;
    if (resources === undefined) throw new Error(`${task.id} has no job`);
    const units = unitsMilli(resourcesBy(resources, task.alternative));
    if (end.meteredMs === undefined) return { deviceClass, units };
    const trade = {
      at: end.at,
      unitNano: unitRateNano(task.rateNano, units),
      volumeMs: Math.ceil((units * end.meteredMs) / 1000),
      chargedNano: end.chargedNano ?? 0n,
    };
    for (const [span, ms] of Object.values(bucketSpans).entries()) {
      const bucket = this.#bucketOf(span, deviceClass, Math.floor(trade.at / ms), trade.unitNano);
      bucket.trades += 1;
      bucket.volumeMs += trade.volumeMs;
      if (trade.unitNano < bucket.minNano) bucket.minNano = trade.unitNano;
      if (trade.unitNano > bucket.maxNano) bucket.maxNano = trade.unitNano;
      const charged = bucket.chargedNano + trade.chargedNano;
      bucket.chargedNano = charged < mostCharged ? charged : mostCharged;
    }
    return { deviceClass, units };
  }

  write(): void {
    for (const bucket of this.#buckets.values()) {
      const { span, deviceClass, start, trades, volumeMs, minNano, maxNano, chargedNano } = bucket;
      this.#buffers.priceBuckets.add(
        [span, deviceClass, start, trades, volumeMs],
        [minNano, maxNano, chargedNano],
      );
    }
    this.#buckets.clear();
  }

  #bucketOf(span: number, deviceClass: number, start: number, unitNano: bigint): Bucket {
    const key = `${span} ${deviceClass} ${start}`;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const empty = { trades: 0, volumeMs: 0, minNano: unitNano, maxNano: unitNano, chargedNano: 0n };
      bucket = { span, deviceClass, start, ...empty };
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(name, number);
    this.#buffers.deviceClasses.add([number], [], [name]);
    return number;
  }
}
