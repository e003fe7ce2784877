import { logLimits } from '../ports/log.ts';

export interface SequencerLimits {
  /** Commands that wait to be durable; one more is refused with service.overloaded. */
  readonly waitingCommands: number;
  /** The same bound on the bytes of their events. */
  readonly waitingBytes: number;
  readonly groupEvents: number;
  readonly groupBytes: number;
}
export const sequencerLimits: SequencerLimits = {
  waitingCommands: 65_536,
  waitingBytes: 64 * 1024 * 1024,
  groupEvents: logLimits.groupEvents / 2,
  groupBytes: logLimits.groupBytes / 2,
};

/** Bytes of UTF-8 are at most three times the code units. */
export function fits(entry: string): boolean {
  return entry.length * 3 <= logLimits.entryBytes || Buffer.byteLength(entry) <= logLimits.entryBytes;
}
