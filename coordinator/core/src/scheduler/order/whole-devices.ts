/** Demands of a mix, side by side. */
export interface DemandColumns {
  readonly cpuMilli: Float64Array;
  readonly memoryBytes: Float64Array;
  readonly count: Float64Array;
  readonly milli: Float64Array;
}

/**
 * The sequences of a mix as one kind of device sees them: without the demands that it does not suit. Where nobody wants
 * shares, devices that are all of that kind are as good as their number, and playing the sequences is a small part of the
 * work that it is for devices that differ.
 */
export class WholeDevices {
  readonly generation: number;
  /** Some demand takes a share, so the number of whole devices does not tell all. */
  readonly hasShares: boolean;
  readonly #demands: DemandColumns;
  /** Indexes of the demands, sequence after sequence, and where each ends. */
  readonly #picks: Uint8Array;
  readonly #ends: Uint16Array;
  /** Where less is left, nothing more fits. */
  #leastCpuMilli = Number.POSITIVE_INFINITY;
  #leastMemoryBytes = Number.POSITIVE_INFINITY;

  /** `suits` by index of the demand; at most 256 demands, and 65,535 places in the sequences. */
  constructor(
    generation: number,
    sequences: readonly Uint8Array[],
    demands: DemandColumns,
    suits: Uint8Array,
  ) {
    this.generation = generation;
    this.#demands = demands;
    this.#picks = new Uint8Array(sequences.reduce((sum, { length }) => sum + length, 0));
    this.#ends = new Uint16Array(sequences.length);
    let hasShares = false;
    for (let index = 0; index < suits.length; index++) {
      if (suits[index] !== 1) continue;
      hasShares ||= (demands.milli[index] ?? 0) < 1000;
      this.#leastCpuMilli = Math.min(this.#leastCpuMilli, demands.cpuMilli[index] ?? 0);
      this.#leastMemoryBytes = Math.min(this.#leastMemoryBytes, demands.memoryBytes[index] ?? 0);
    }
    this.hasShares = hasShares;
    const picks = this.#picks;
    let end = 0;
    for (const [s, sequence] of sequences.entries()) {
      for (let i = 0; i < sequence.length; i++) {
        const pick = sequence[i] ?? 0;
        // What does not suit is written over.
        picks[end] = pick;
        end += suits[pick] ?? 0;
      }
      this.#ends[s] = end;
    }
  }

  /** How many of so many free devices the mix would fill, on the average of its sequences. */
  expectedFill(wholes: number, slots: number, cpuMilli: number, memoryBytes: number): number {
    const { cpuMilli: cpus, memoryBytes: memories, count: counts } = this.#demands;
    const picks = this.#picks;
    let filled = 0;
    let i = 0;
    for (const end of this.#ends) {
      let left = wholes;
      let tasks = slots;
      let cpu = cpuMilli;
      let memory = memoryBytes;
      for (; i < end; i++) {
        if (left === 0 || tasks === 0 || cpu < this.#leastCpuMilli || memory < this.#leastMemoryBytes) break;
        const pick = picks[i] ?? 0;
        const count = counts[pick] ?? 0;
        const takesCpu = cpus[pick] ?? 0;
        const takesMemory = memories[pick] ?? 0;
        if (count > left || takesCpu > cpu || takesMemory > memory) continue;
        left -= count;
        cpu -= takesCpu;
        memory -= takesMemory;
        tasks -= 1;
      }
      i = end;
      filled += wholes - left;
    }
    return this.#ends.length === 0 ? 0 : filled / this.#ends.length;
  }
}
