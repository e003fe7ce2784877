import { encodeHex, encodeUtf8, equalBytes } from '@capacloud/protocol/log/bytes';
import { leafHash } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { rootAt } from '@capacloud/protocol/log/merkle-proofs';
import { replay } from '../log/replay.ts';
import { nativeSha256 } from '../native-sha256.ts';
import type { LogPort } from '../ports/log.ts';
import { stateDigest } from '../state-digest.ts';
import { DataError } from '../store/data-error.ts';
import { openLogForAudit } from '../store/store.ts';

/** Replays a log that may be in use, and hashes every entry again. Throws DataError when they do not fit the tree. */
export async function printStateHash(dataDir: string, out: { write(text: string): unknown }): Promise<void> {
  const audit = openLogForAudit(dataDir);
  const { log, readSubtree } = audit;
  try {
    const frontier = new MerkleFrontier(nativeSha256);
    const hashed: Pick<LogPort, 'read' | 'size'> = {
      size: () => log.size(),
      async read(from, limit) {
        const entries = await log.read(from, limit);
        for (const { entry } of entries) frontier.append(leafHash(encodeUtf8(entry), nativeSha256));
        return entries;
      },
    };
    const { state, size } = await replay(hashed, [], AbortSignal.any([]));
    const root = frontier.root();
    if (!equalBytes(root, rootAt(size, readSubtree, nativeSha256)))
      throw new DataError('log.damaged', 'The entries of the log do not give the root of its tree.');
    out.write(`${JSON.stringify({ size, root: encodeHex(root), hash: stateDigest(state) })}\n`);
  } finally {
    audit.close();
  }
}
