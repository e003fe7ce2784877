import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { State } from '@capacloud/core/state';
import { isAccountId, isSha256 } from '@capacloud/protocol/ids';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import type { NodeAttempt } from './upload-rights.ts';

/**
 * Up to 0.3, what a node brought belonged to the account that it named as its provider, and was noted as an empty file
 * <folder>/<provider>/<sha256>. Takes it from that account, and gives it to the attempts that upload now on nodes of that
 * provider, so that no work is lost with the upgrade. Nothing is left of the folder.
 */
export async function takeOverEarlier(
  folder: string,
  {
    brought,
    index,
    state,
    at,
  }: {
    readonly brought: BroughtOutputs;
    readonly index: Pick<ArtifactIndex, 'get' | 'removeRef'>;
    readonly state: Pick<State, 'nodes' | 'tasks'>;
    readonly at: number;
  },
): Promise<void> {
  for (const provider of await readdir(folder).catch(() => [])) {
    if (!isAccountId(provider)) continue;
    const attempts: NodeAttempt[] = [];
    for (const node of state.nodes.values())
      for (const { attempt, task } of node.provider === provider ? node.occupied.values() : [])
        if (state.tasks.get(task)?.state === 'uploading') attempts.push({ task, attempt, node: node.id });
    for (const sha256 of await readdir(join(folder, provider))) {
      const row = isSha256(sha256) ? await index.get(sha256) : undefined;
      if (row === undefined) continue;
      const { sizeBytes } = row;
      await brought.note(attempts.map((attempt) => ({ ...attempt, sha256: row.sha256, sizeBytes, at })));
      await index.removeRef({ sha256: row.sha256, account: provider });
    }
  }
  await rm(folder, { force: true, recursive: true });
}
