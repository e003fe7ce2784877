import type { NodeRecord } from '@capacloud/core/state';
import { canonicalJson } from '@capacloud/protocol/canonical';
import { nodeStatusCodes } from './codes.ts';
import type { RowBuffers } from './row-buffer.ts';

/** `num` is the node's key in the tables, `provider` its account's. */
export function addNode(
  buffers: RowBuffers,
  node: NodeRecord,
  keys: { readonly num: number; readonly provider: number; readonly joinedAt: number },
): void {
  buffers.nodes.add(
    [keys.num, keys.provider, nodeStatusCodes.codeOf(node.status), node.accepting ? 1 : 0, keys.joinedAt],
    [],
    [node.id, node.cause, canonicalJson(node.offer)],
  );
}
