import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAccountId, isSha256 } from '@capacloud/protocol/ids';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactQuestions } from '../ports/questions.ts';
import type { BroughtOutputs } from './brought-outputs.ts';

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
    questions,
    at,
  }: {
    readonly brought: BroughtOutputs;
    readonly index: Pick<ArtifactIndex, 'get' | 'removeRef'>;
    readonly questions: Pick<ArtifactQuestions, 'uploadingFor'>;
    readonly at: number;
  },
): Promise<void> {
  for (const provider of await readdir(folder).catch(() => [])) {
    if (!isAccountId(provider)) continue;
    const attempts = await questions.uploadingFor(provider);
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
