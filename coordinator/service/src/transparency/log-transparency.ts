import { encodeHex, equalBytes } from '@capacloud/protocol/bytes';
import { openCheckpoint, signCheckpoint } from '@capacloud/protocol/checkpoint';
import {
  consistencyProof,
  inclusionProof,
  rootAt,
  type SubtreeReader,
} from '@capacloud/protocol/merkle-proofs';
import { accept, refuse } from '@capacloud/protocol/result';
import { encodeVerifierKey, type NoteSigner } from '@capacloud/protocol/signed-note';
import { nativeSha256 } from '../native-sha256.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { LogPort } from '../ports/log.ts';
import type { Transparency } from '../ports/transparency.ts';
import { verifyEd25519 } from './log-key.ts';

export interface TransparencyParts {
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly log: Pick<LogPort, 'read' | 'size'>;
  readonly readSubtree: SubtreeReader;
  readonly checkpoints: CheckpointStore;
  readonly now: () => number;
}

export function createTransparency(parts: TransparencyParts): Transparency {
  const { origin, signer, log, readSubtree, checkpoints } = parts;
  const outside = (what: string) => refuse('request.invalid', `${what} The log has ${log.size()} entries.`);
  return {
    vkey: encodeVerifierKey(signer),
    async checkpoint() {
      const size = log.size();
      const latest = checkpoints.latest();
      if (latest?.size === size) return latest.note;
      const note = signCheckpoint({ origin, size, root: rootAt(size, readSubtree, nativeSha256) }, [signer]);
      // A head that was shown must survive: after a crash the log may not be shorter than what somebody saw.
      await checkpoints.save(size, note, parts.now());
      return note;
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
    async entries(from, limit) {
      const size = log.size();
      const found = from >= size ? [] : await log.read(from, Math.min(limit, size - from));
      return { entries: found.map(({ entry }) => entry), size };
    },
  };
}

/** Whether the log still is the one that its newest checkpoint describes; else what is wrong, for people. */
export function faultOfLatestCheckpoint(
  parts: Pick<TransparencyParts, 'origin' | 'signer' | 'checkpoints' | 'readSubtree'> & {
    readonly size: number;
  },
): string | undefined {
  const latest = parts.checkpoints.latest();
  if (latest === undefined) return undefined;
  const opened = openCheckpoint(latest.note, parts.origin, [parts.signer], verifyEd25519);
  if (!opened.ok)
    return `The newest checkpoint cannot be trusted (${opened.fault}): was log.key or the name changed?`;
  const { size, root } = opened.checkpoint;
  if (size > parts.size)
    return `The log has ${parts.size} entries, but a checkpoint of ${size} was given out.`;
  if (!equalBytes(rootAt(size, parts.readSubtree, nativeSha256), root))
    return `The first ${size} entries are not those of the checkpoint that was given out.`;
  return undefined;
}
