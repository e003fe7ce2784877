import type { Client } from '@capacloud/client/client';
import { verifyEd25519 } from '@capacloud/client/ed25519';
import type { Event } from '@capacloud/core/contract/event';
import { apply } from '@capacloud/core/machine';
import { stateHash } from '@capacloud/core/snapshot';
import { createState } from '@capacloud/core/state';
import { decodeHex, encodeUtf8, equalBytes } from '@capacloud/protocol/log/bytes';
import { type Checkpoint, openCheckpoint } from '@capacloud/protocol/log/checkpoint';
import { leafHash, verifyConsistency, verifyInclusion } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { parseVerifierKey } from '@capacloud/protocol/log/signed-note';

export interface Audit {
  readonly events: number;
  readonly stateHash: string;
}

/** The signed head of the log, its signature checked with the key that the coordinator names. */
export async function openHead(client: Client): Promise<Checkpoint> {
  const info = await client.call('getInfo', {});
  const key = parseVerifierKey(info.log_key);
  if (key === undefined) throw new Error(`the coordinator names a key that cannot be read: ${info.log_key}`);
  const opened = openCheckpoint(
    String(await client.call('getCheckpoint', {})),
    info.name,
    [key],
    verifyEd25519,
  );
  if (!opened.ok) throw new Error(`the checkpoint does not verify: ${opened.fault}`);
  return opened.checkpoint;
}

/**
 * What anybody can do from outside: download the log, check that it is the one that was signed (and that the log
 * of an earlier head is its beginning), replay it from empty, and compare with what the coordinator says of itself.
 */
export async function auditLog(client: Client, operator: Client, earlier: Checkpoint): Promise<Audit> {
  const head = await openHead(client);
  const state = createState();
  const frontier = new MerkleFrontier();
  for (let from = 0; from < head.size; ) {
    const page = await client.call('listLogEntries', {
      query: { from, limit: Math.min(1000, head.size - from) },
    });
    for (const entry of page.entries) {
      frontier.append(leafHash(encodeUtf8(entry)));
      apply(state, JSON.parse(entry) as Event);
    }
    if (page.entries.length === 0)
      throw new Error(`the log ends at ${from}, before its signed head at ${head.size}`);
    from += page.entries.length;
  }
  if (!equalBytes(frontier.root(), head.root))
    throw new Error('the entries are not those that the head was signed for');
  await proveBeginning(client, earlier, head);
  await proveEvent(client, head, head.size - 1);
  const said = await operator.call('getStateHash', {});
  const found = stateHash(state);
  // Both at rest: the job has ended and nothing else runs on this network.
  if (said.size === head.size && said.hash !== found)
    throw new Error(`a replay gives the state ${found}, the coordinator says ${said.hash}`);
  return { events: head.size, stateHash: found };
}

async function proveBeginning(client: Client, earlier: Checkpoint, head: Checkpoint): Promise<void> {
  const proof = await client.call('getConsistencyProof', { query: { from: earlier.size, to: head.size } });
  const holds = verifyConsistency({
    oldSize: earlier.size,
    oldRoot: earlier.root,
    newSize: head.size,
    newRoot: head.root,
    proof: proof.path.map(bytesOf),
  });
  if (!holds) throw new Error('the log of the first checkpoint is not the beginning of the last one');
}

async function proveEvent(client: Client, head: Checkpoint, index: number): Promise<void> {
  const proof = await client.call('getInclusionProof', { query: { index, size: head.size } });
  const holds = verifyInclusion({
    index,
    size: head.size,
    leafHash: bytesOf(proof.leaf),
    root: head.root,
    proof: proof.path.map(bytesOf),
  });
  if (!holds) throw new Error(`event ${index} is not in the log that was signed`);
}

function bytesOf(hex: string): Uint8Array {
  const bytes = decodeHex(hex);
  if (bytes === undefined) throw new Error(`not a hash: ${hex}`);
  return bytes;
}
