import { ProcessEnded } from '../kernel/actor.ts';
import { FileError } from '../kernel/disk.ts';

/** Whether an error is one that the simulation made, or comes of one. */
export function isInjected(error: unknown): boolean {
  return faultOf(error) !== undefined;
}

export function faultOf(error: unknown): string | undefined {
  if (error instanceof ProcessEnded) return 'its end';
  if (error instanceof FileError) return error.code === 'ENOSPC' ? 'a full disk' : undefined;
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && error.code === 'SQLITE_FULL') return 'a full disk';
  // What the writer thread tells is text, and a start wraps it into its own sentence.
  if (error.message.includes('database or disk is full')) return 'a full disk';
  return error.cause === undefined ? undefined : faultOf(error.cause);
}
