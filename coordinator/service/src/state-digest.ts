import { createHash } from 'node:crypto';
import type { State } from '@capacloud/core/state';
import { StateCapture } from '@capacloud/core/state-capture';

/** SHA-256 of the canonical text, in hex. Of a large state the whole text is more than one string can hold. */
export function stateDigest(state: State): string {
  const digest = createHash('sha256');
  for (const piece of new StateCapture(state).pieces(1024)) digest.update(piece);
  return digest.digest('hex');
}
