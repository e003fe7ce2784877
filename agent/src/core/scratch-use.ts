/** Where the scratch of tasks lives, and what of the machine is sold for it. */
export interface ScratchUse {
  /** memory: file systems in memory. loop: file systems in files on the disk of the agent's state. */
  readonly kind: 'memory' | 'loop';
  /** What tasks may fill of it. */
  readonly offeredBytes: number;
  /** Where it is memory: what is left for programs. Both together are the owner's share. */
  readonly programBytes: number;
}
