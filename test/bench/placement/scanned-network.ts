import { type Machine, machineOf, type Wish, wishOf } from './network.ts';

type ScannedNode = { -readonly [field in keyof Machine]: Machine[field] };

/** The plain way: every node is looked at for every task. */
export class ScannedNetwork {
  readonly #nodes: ScannedNode[];
  readonly #running: { readonly node: ScannedNode; readonly wish: Wish }[] = [];

  readonly #staying: number;
  asked = 0;
  unplaced = 0;
  #paidNano = 0;

  constructor(nodes: number, staying: number) {
    this.#staying = staying;
    this.#nodes = Array.from({ length: nodes }, (_, index) => machineOf(index));
  }

  /** nano-CAPA an hour. */
  get meanPriceNano(): number {
    return this.#paidNano / (this.asked - this.unplaced);
  }

  run(count: number): number {
    this.asked += count;
    const from = performance.now();
    for (let n = 0; n < count; n++) this.#place(n);
    return ((performance.now() - from) * 1000) / count;
  }

  #place(n: number): void {
    const wish = wishOf(n);
    let best: ScannedNode | undefined;
    let bestScore = Number.POSITIVE_INFINITY;
    for (const node of this.#nodes) {
      if (node.gpus < wish.gpus || node.cpuMilli < wish.cpuMilli || node.memoryBytes < wish.memoryBytes)
        continue;
      if (node.gpuMemoryBytes < wish.gpuMemoryBytes) continue;
      if (wish.model !== undefined && node.model !== wish.model) continue;
      const rate = node.deviceHourNano * wish.gpus;
      if (rate > wish.maxRateNano) continue;
      const score = rate + node.gpus - wish.gpus;
      if (score < bestScore) [best, bestScore] = [node, score];
    }
    if (best === undefined) this.unplaced += 1;
    else {
      this.#paidNano += best.deviceHourNano * wish.gpus;
      take(best, wish, -1);
      this.#running.push({ node: best, wish });
    }
    if (this.#running.length <= this.#staying) return;
    const oldest = this.#running.shift();
    if (oldest !== undefined) take(oldest.node, oldest.wish, 1);
  }
}

function take(node: ScannedNode, wish: Wish, sign: 1 | -1): void {
  node.gpus += sign * wish.gpus;
  node.cpuMilli += sign * wish.cpuMilli;
  node.memoryBytes += sign * wish.memoryBytes;
}
