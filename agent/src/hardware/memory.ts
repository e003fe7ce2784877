import { mem } from 'systeminformation';
import type { Probe } from './probe.ts';

export interface MemoryFacts {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

export const memoryProbe: Probe<MemoryFacts> = {
  name: 'memory',
  deadlineMs: 10_000,
  everyMs: 30_000,
  async read() {
    const { total, available } = await mem();
    if (total <= 0) throw new Error('the size of the memory is not known');
    return { totalBytes: total, availableBytes: available };
  },
};
