import type { ScratchUse } from '../core/scratch-use.ts';
import { memoryProbe } from '../hardware/memory.ts';
import { divideRoom } from '../hardware/offer.ts';
import { runProbe } from '../hardware/probe.ts';
import type { AgentConfig } from '../host/config.ts';
import { canUseLoopScratch } from '../scratch/loop-scratch.ts';

export type ScratchKind = ScratchUse['kind'];

export async function chooseScratch({ scratch }: AgentConfig): Promise<ScratchKind> {
  return scratch === 'loop' || (scratch === 'auto' && (await canUseLoopScratch())) ? 'loop' : 'memory';
}

/** What the doctor says of scratch: by the memory of this machine, and without the disk, of which it says enough. */
export async function findScratch(config: AgentConfig, signal: AbortSignal) {
  const [kind, loopWorks] = await Promise.all([chooseScratch(config), canUseLoopScratch()]);
  const { totalBytes } = await runProbe(memoryProbe, signal);
  const terms = { ...config.resources, scratchInMemory: kind === 'memory' };
  const { diskBytes, memoryBytes } = divideRoom(terms, { memoryBytes: totalBytes, diskFreeBytes: 0 });
  return { kind, loopWorks, offeredBytes: diskBytes, programBytes: memoryBytes };
}
