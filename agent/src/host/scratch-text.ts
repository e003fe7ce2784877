import type { ScratchUse } from '../core/scratch-use.ts';

const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** Where scratch is, and what follows from it for what tasks get. */
export function scratchText({ kind, offeredBytes, programBytes }: ScratchUse): string {
  if (kind === 'loop') return 'on disk, in loop devices';
  const bothBytes = offeredBytes + programBytes;
  return `in memory: of ${gib(bothBytes)} for tasks ${gib(offeredBytes)} is sold as disk, for no less than memory costs`;
}

/** What became of `resources.disk` where scratch is memory; undefined where it is what was set. */
export function diskSettingText(
  { kind, offeredBytes, programBytes }: ScratchUse,
  disk: { readonly kind: 'amount' | 'percent'; readonly value: number },
): string | undefined {
  const mostBytes = Math.floor((offeredBytes + programBytes) / 2);
  if (kind === 'loop' || disk.kind === 'percent' || disk.value <= mostBytes) return undefined;
  return `resources.disk is ${gib(disk.value)}, more than half of that memory, so a quarter is taken`;
}
