import type { JobId } from '@capacloud/protocol/ids';
import { BareCore } from '../bare-core.ts';
import { type Benchmark, type BenchmarkResult, median } from '../benchmark.ts';
import { offerOf, resourcesOf, wishOf } from './network.ts';
import { ScannedNetwork } from './scanned-network.ts';

const sizes = [1000, 5000, 20_000, 100_000] as const;
const [small, large] = [5000, 100_000];
/** Placed tasks stay this many placements long, so that a part of the network is always taken. */
const staying = 512;

/**
 * Placements a second, the core's decision and its events, on networks of different sizes where no two machines need be
 * alike: 8 models, 6 sizes of GPU memory, 1 to 8 GPUs, a thousand prices; tasks of 1,024 shapes with ceilings of price.
 * Beside it, a scan of all nodes for each task over plain arrays, in the same process by turns.
 */
export const placement: Benchmark = {
  name: 'placement',
  summary: 'placements/s with 1,000 to 100,000 nodes, against a scan of all nodes (R7)',
  run({ quick, log, signal }) {
    const figures: BenchmarkResult['figures'][number][] = [];
    const times = new Map<number, Times>();
    for (const size of sizes) {
      signal.throwIfAborted();
      const measured = measure(size, quick);
      times.set(size, measured);
      const { coreUs, longestMs, price, scanUs, scanUnplaced, unplaced } = measured;
      figures.push({ name: `${size} nodes`, value: 1e6 / coreUs, unit: 'placements/s' });
      figures.push({ name: `${size} nodes, scan`, value: 1e6 / scanUs, unit: 'placements/s' });
      figures.push({ name: `${size} nodes, longest`, value: longestMs, unit: 'ms' });
      figures.push({ name: `${size} nodes, price, of the scan's`, value: price * 100, unit: '%' });
      const missed = `not placed ${(unplaced * 100).toFixed(1)} %, scan ${(scanUnplaced * 100).toFixed(1)} %`;
      log(`${size} nodes: ${coreUs.toFixed(0)} µs, scan ${scanUs.toFixed(0)} µs; ${missed}`);
    }
    const of = (size: number): Times => times.get(size) ?? none;
    const growth = of(large).coreUs / of(small).coreUs;
    return Promise.resolve({
      figures,
      ratios: [
        { name: 'R7, ÷ scan', value: of(small).scanUs / of(small).coreUs, target: 0.5, better: 'higher' },
        { name: 'R7, growth', value: growth, target: large / small, better: 'lower' },
      ],
    });
  },
};

/** Microseconds a placement, medians of the rounds; the longest look of all; shares that found no room. */
interface Times {
  readonly coreUs: number;
  readonly scanUs: number;
  readonly longestMs: number;
  readonly unplaced: number;
  readonly scanUnplaced: number;
  /** Mean price of a task, ÷ that of the scan, which takes the cheapest of all. */
  readonly price: number;
}
const none: Times = { coreUs: 0, scanUs: 0, longestMs: 0, unplaced: 0, scanUnplaced: 0, price: 0 };

function measure(size: number, quick: boolean): Times {
  const core = new CoreNetwork(size);
  const scan = new ScannedNetwork(size, staying);
  const coreUs: number[] = [];
  const scanUs: number[] = [];
  // The first round is for the compilers and for what is looked at once.
  for (let round = 0; round <= (quick ? 1 : 3); round++) {
    coreUs.push(core.run(quick ? 3000 : 10_000));
    scanUs.push(scan.run(size > 20_000 ? 500 : 3000));
  }
  return {
    coreUs: median(coreUs.slice(1)),
    scanUs: median(scanUs.slice(1)),
    longestMs: core.longestMs,
    unplaced: core.unplaced / core.asked,
    scanUnplaced: scan.unplaced / scan.asked,
    price: core.meanPriceNano / scan.meanPriceNano,
  };
}

class CoreNetwork {
  readonly #core: BareCore;
  readonly #running: JobId[] = [];
  asked = 0;
  unplaced = 0;

  constructor(nodes: number) {
    this.#core = new BareCore(Array.from({ length: nodes }, (_, index) => offerOf(index)));
  }

  get longestMs(): number {
    return this.#core.longestMs;
  }

  get meanPriceNano(): number {
    return this.#core.paidNano / (this.asked - this.unplaced);
  }

  /** Each job comes, is placed or given up, and the oldest that still runs ends. */
  run(count: number): number {
    this.asked += count;
    const before = this.#core.placingMs;
    for (let n = 0; n < count; n++) {
      const wish = wishOf(n);
      const job = this.#core.place(resourcesOf(wish), BigInt(wish.maxRateNano));
      if (job === undefined) this.unplaced += 1;
      else this.#running.push(job);
      const oldest = this.#running.length > staying ? this.#running.shift() : undefined;
      if (oldest !== undefined) this.#core.finish(oldest);
    }
    return ((this.#core.placingMs - before) * 1000) / count;
  }
}
