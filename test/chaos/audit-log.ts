import type { Client } from '@capacloud/client/client';
import { verifyEd25519 } from '@capacloud/client/ed25519';
import type { Event } from '@capacloud/core/contract/event';
import { decodeHex, encodeHex, encodeUtf8 } from '@capacloud/protocol/log/bytes';
import { type Checkpoint, openCheckpoint } from '@capacloud/protocol/log/checkpoint';
import { leafHash, verifyInclusion } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { parseVerifierKey } from '@capacloud/protocol/log/signed-note';

const pageEntries = 1000;
const proofSamples = 24;

/** An auditor finds; the test says that there is nothing to find. */
export type Findings = string[];

export interface AuditedLog {
  /** Canonical JSON, as it was hashed. */
  readonly entries: readonly string[];
  readonly events: readonly Event[];
}

/** Reads the whole log as anybody can, and checks it against the signed checkpoint. */
export async function auditLog(client: Client, findings: Findings): Promise<AuditedLog> {
  const checkpoint = await fetchCheckpoint(client, findings);
  const entries: string[] = [];
  while (entries.length < checkpoint.size) {
    const limit = Math.min(pageEntries, checkpoint.size - entries.length);
    const page = await client.call('listLogEntries', { query: { from: entries.length, limit } });
    if (page.entries.length === 0) throw new Error(`the log ends at ${entries.length} of ${checkpoint.size}`);
    entries.push(...page.entries);
  }
  const frontier = new MerkleFrontier();
  for (const entry of entries) frontier.append(leafHash(encodeUtf8(entry)));
  if (encodeHex(frontier.root()) !== encodeHex(checkpoint.root))
    findings.push(`the ${entries.length} entries do not hash to the root of the checkpoint`);
  await auditProofs(client, checkpoint, entries, findings);
  return { entries, events: entries.map((entry) => JSON.parse(entry) as Event) };
}

async function fetchCheckpoint(client: Client, findings: Findings): Promise<Checkpoint> {
  const info = await client.call('getInfo', {});
  const key = parseVerifierKey(info.log_key);
  if (key === undefined) throw new Error(`${info.log_key} is no key of a log`);
  const note = await (await client.open('getCheckpoint', { headers: { accept: 'text/plain' } })).text();
  const opened = openCheckpoint(note, info.name, [key], verifyEd25519);
  if (!opened.ok) throw new Error(`the checkpoint is ${opened.fault}:\n${note}`);
  if (opened.checkpoint.size === 0) findings.push('the log is empty');
  return opened.checkpoint;
}

/** The first, the last, and some between. */
async function auditProofs(
  client: Client,
  { size, root }: Checkpoint,
  entries: readonly string[],
  findings: Findings,
): Promise<void> {
  const samples = Math.min(proofSamples, size);
  for (let sample = 0; sample < samples; sample++) {
    const index = samples === 1 ? 0 : Math.floor((sample * (size - 1)) / (samples - 1));
    const { path } = await client.call('getInclusionProof', { query: { index, size } });
    const proof = path.map((hash) => decodeHex(hash) ?? new Uint8Array());
    const leaf = leafHash(encodeUtf8(entries[index] ?? ''));
    if (!verifyInclusion({ leafHash: leaf, index, size, root, proof }))
      findings.push(`the proof of event ${index} does not lead to the root`);
  }
}
