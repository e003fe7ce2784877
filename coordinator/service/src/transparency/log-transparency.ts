import { encodeHex, equalBytes } from '@capacloud/protocol/log/bytes';
import { openCheckpoint, signCheckpoint } from '@capacloud/protocol/log/checkpoint';
import {
  consistencyProof,
  inclusionProof,
  rootAt,
  type SubtreeReader,
} from '@capacloud/protocol/log/merkle-proofs';
import { encodeVerifierKey, type NoteSigner } from '@capacloud/protocol/log/signed-note';
import { accept, refuse } from '@capacloud/protocol/result';
import { nativeSha256 } from '../native-sha256.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { LogPort } from '../ports/log.ts';
import type { Transparency } from '../ports/transparency.ts';
import type { HighWaterFile } from './high-water.ts';
import { verifyEd25519 } from './log-key.ts';

export interface TransparencyParts {
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly log: Pick<LogPort, 'read' | 'size'>;
  readonly readSubtree: SubtreeReader;
  readonly checkpoints: CheckpointStore;
  readonly highWater: Pick<HighWaterFile, 'raise'>;
  readonly now: () => number;
}

export function createTransparency(parts: TransparencyParts): Transparency {
  const { origin, signer, log, readSubtree, checkpoints, highWater } = parts;
  const sign = (size: number): string =>
    signCheckpoint({ origin, size, root: rootAt(size, readSubtree, nativeSha256) }, [signer]);
  const outside = (what: string) => refuse('request.invalid', `${what} The log has ${log.size()} entries.`);
  return {
    vkey: encodeVerifierKey(signer),
    async checkpoint() {
      const size = log.size();
      const latest = checkpoints.latest();
      if (latest?.size === size) return latest.note;
      const note = sign(size);
      // A head that was shown must survive: after a crash the log may not be shorter than what somebody saw.
      await highWater.raise(size, note);
      await checkpoints.save(size, note, parts.now());
      return note;
    },
    async raiseHighWater() {
      const size = log.size();
      if (size > 0) await highWater.raise(size, sign(size));
    },
    async inclusion(index, size) {
      if (size > log.size() || index >= size)
        return outside(`There is no entry ${index} in a log of ${size}.`);
      return accept({
        index,
        size,
        leaf: encodeHex(readSubtree(0, index)),
        path: inclusionProof(index, size, readSubtree, nativeSha256).map(encodeHex),
        root: encodeHex(rootAt(size, readSubtree, nativeSha256)),
      });
    },
    async consistency(from, to) {
      if (to > log.size() || from > to) return outside(`A proof goes from a smaller size to a larger one.`);
      return accept({ from, to, path: consistencyProof(from, to, readSubtree, nativeSha256).map(encodeHex) });
    },
    async entries(from, limit, maxBytes) {
      const size = log.size();
      const found = from >= size ? [] : await log.read(from, Math.min(limit, size - from), maxBytes);
      return { entries: found.map(({ entry }) => entry), size };
    },
  };
}

export interface LogHeads {
  readonly origin: string;
  readonly signer: NoteSigner;
  /** Of the log as it is now. */
  readonly size: number;
  readonly readSubtree: SubtreeReader;
}

/** Whether the log still is the one that its newest checkpoint describes; else what is wrong, for people. */
export function faultOfLatestCheckpoint(
  heads: LogHeads & { readonly checkpoints: CheckpointStore },
): string | undefined {
  const latest = heads.checkpoints.latest();
  return latest === undefined ? undefined : faultOf(heads, latest.note, 'checkpoint that was given out');
}

/** The same for the high-water marks, newest first. A crash may have left one of them half written. */
export function faultOfHighWater(heads: LogHeads, notes: readonly string[]): string | undefined {
  const note = notes.find((each) => sizeOf(heads, each) !== undefined) ?? notes[0];
  return note === undefined ? undefined : faultOf(heads, note, 'high-water mark');
}

/** How many entries the log once had, by the high-water marks that can be trusted; 0 where there are none. */
export function trustedHighWater(
  heads: Pick<LogHeads, 'origin' | 'signer'>,
  notes: readonly string[],
): number {
  return Math.max(0, ...notes.map((note) => sizeOf(heads, note) ?? 0));
}

function sizeOf({ origin, signer }: Pick<LogHeads, 'origin' | 'signer'>, note: string): number | undefined {
  const opened = openCheckpoint(note, origin, [signer], verifyEd25519);
  return opened.ok ? opened.checkpoint.size : undefined;
}

function faultOf(heads: LogHeads, note: string, what: string): string | undefined {
  const opened = openCheckpoint(note, heads.origin, [heads.signer], verifyEd25519);
  if (!opened.ok)
    return `The newest ${what} cannot be trusted (${opened.fault}): was log.key or the name changed?`;
  const { size, root } = opened.checkpoint;
  if (size > heads.size) return tooShort(heads.size, size, what);
  if (!equalBytes(rootAt(size, heads.readSubtree, nativeSha256), root))
    return `The first ${size} entries are not those of the ${what}.`;
  return undefined;
}

/** What is wrong with a log that has become shorter, for people. */
export function tooShort(size: number, was: number, what = 'high-water mark'): string {
  return `The log has ${size} entries, but there is a ${what} of ${was}: was the file coordinator.db-wal lost or damaged?`;
}
