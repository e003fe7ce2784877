import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import { openCheckpoint } from '@capacloud/protocol/log/checkpoint';
import { Value } from 'typebox/value';
import { completeArtifacts, verifyDatabase } from '../store/database-copy.ts';
import { databasePath } from '../store/open-database.ts';
import { openLogKey, verifyEd25519 } from '../transparency/log-key.ts';
import { contentPath } from './backup.ts';
import {
  contentFolder,
  copyFile,
  type Manifest,
  ManifestSchema,
  makeFolder,
  manifestName,
} from './backup-folder.ts';
import { CommandRefused } from './failure.ts';

export interface RestoreReport {
  readonly folder: string;
  readonly name: string;
  readonly takenAt: string;
  readonly log: { readonly size: number; readonly root: string };
  readonly artifacts: number;
}

/** Makes a data folder of a backup, and checks every byte of it on the way. Throws CommandRefused, DataError. */
export async function restore(source: string, dataDir: string): Promise<RestoreReport> {
  const manifest = readManifest(source);
  return makeFolder(dataDir, async (folder) => {
    for (const { path, bytes, sha256 } of manifest.files) {
      const copied = await copyFile(join(source, path), join(folder, path));
      if (copied?.bytes !== bytes || copied.sha256 !== sha256)
        throw damaged(`${path} is not what was backed up`);
    }
    checkLog(manifest, folder);
    let artifacts = 0;
    for (const sha256 of completeArtifacts(databasePath(folder))) {
      const path = join(contentFolder, contentPath(sha256));
      const copied = await copyFile(join(source, path), join(folder, path));
      if (copied?.sha256 !== sha256) throw damaged(`the artifact ${sha256} is missing or changed`);
      artifacts += 1;
    }
    const { name, takenAt, log } = manifest;
    return {
      folder: dataDir,
      name,
      takenAt: new Date(takenAt).toISOString(),
      log: { size: log.size, root: log.root },
      artifacts,
    };
  });
}

/** What whoever restores must know; also in the README. */
export const restoreWarning = `What came after the backup is gone: jobs, payments, keys and grants of that time. If the coordinator has given out
checkpoints since, its log now has another continuation than the one that auditors saw, and they can prove it: tell them.
Agents that ran work of that time stop it when they connect; what they report of it is acknowledged and dropped.
Never run the old data folder beside the restored one.
`;

function readManifest(source: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(join(source, manifestName), 'utf8'));
  } catch (error) {
    throw new CommandRefused({
      code: 'log.foreign',
      message: `${source} has no ${manifestName} that can be read: ${error instanceof Error ? error.message : String(error)}.`,
      hint: 'Name a folder that `capacloud-coordinator backup` made. One that ends in .partial-… is unfinished.',
    });
  }
  if (!Value.Check(ManifestSchema, manifest))
    throw new CommandRefused({
      code: 'log.foreign',
      message: `${source} is no backup that this release can read.`,
      hint: 'Use the release that made it.',
    });
  return manifest;
}

function checkLog({ name, log }: Manifest, folder: string): void {
  const found = verifyDatabase(databasePath(folder));
  if (found.name !== name || found.size !== log.size || found.rootHex !== log.root)
    throw damaged('the log is not the one of the manifest');
  const opened = openCheckpoint(log.checkpoint, name, [openLogKey(folder, name)], verifyEd25519);
  if (!opened.ok) throw damaged(`its checkpoint cannot be trusted (${opened.fault})`);
  if (opened.checkpoint.size !== log.size || encodeHex(opened.checkpoint.root) !== log.root)
    throw damaged('the log is not the one of its checkpoint');
}

function damaged(what: string): CommandRefused {
  return new CommandRefused({
    code: 'log.damaged',
    message: `The backup is damaged: ${what}. Nothing was restored.`,
    hint: 'Restore another backup.',
  });
}
