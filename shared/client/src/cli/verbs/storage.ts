import { isSha256 } from '@capacloud/protocol/ids';
import type { StorageView } from '@capacloud/protocol/routes/storage-view';
import type { OwnedArtifactView } from '@capacloud/protocol/routes/views';
import type { Command } from 'commander';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import type { Context } from '../context.ts';
import { findOnlyJob, jobArgument } from '../named-job.ts';
import { agoText, plural, sizeText } from '../phrases.ts';
import { writeTable } from '../table.ts';
import type { Runner } from './verb.ts';

const outlives = { outlivesOutput: true } as const;

export function addStorage(program: Command, runner: Runner): void {
  program
    .command('storage')
    .description('list what is stored for this account, and how much of its quota that is')
    .action(runner(listStorage));
}

export function addRm(program: Command, runner: Runner): void {
  program
    .command('rm')
    .description(
      'delete what ended jobs have stored (outputs, logs, job files), or artifacts by their SHA-256',
    )
    .argument('<what...>', `${jobArgument}; or a SHA-256 as capacloud storage lists it`)
    .action(
      runner(async (context, texts: readonly string[]) => {
        const client = await context.client();
        for (const text of texts) await remove(context, client, text);
        return undefined;
      }, outlives),
    );
}

async function remove(context: Context, client: Client, text: string): Promise<void> {
  const { signal } = context;
  if (isSha256(text)) {
    await client.call('deleteArtifact', { params: { sha256: text }, signal });
    if (context.json) context.writeJson({ sha256: text });
    else context.say(`${text} is deleted`);
    return;
  }
  const job = await findOnlyJob(context, client, text);
  const { artifacts, freed_bytes } = await client.call('deleteJobArtifacts', { params: { job }, signal });
  if (context.json) context.writeJson({ job, artifacts, freed_bytes });
  else context.say(`${job}: ${plural(artifacts, 'artifact')} deleted, ${sizeText(freed_bytes)} freed`);
}

async function listStorage(context: Context): Promise<undefined> {
  const client = await context.client();
  const { signal } = context;
  const artifacts: OwnedArtifactView[] = [];
  for await (const artifact of listAll(client, 'listArtifacts', { query: { limit: 500 }, signal }))
    artifacts.push(artifact);
  const { used_bytes, quota_bytes } = await client.call('listArtifacts', { query: { limit: 1 }, signal });
  const { storage } = await client.call('getOwnAccount', { signal });
  if (context.json) {
    context.writeJson({ used_bytes, quota_bytes, ...(storage === undefined ? {} : { storage }), artifacts });
    return undefined;
  }
  const nowMs = Date.now();
  const largest = artifacts.toSorted((a, b) => b.size_bytes - a.size_bytes);
  writeTable(
    context.terminal.out,
    [
      { title: 'SHA-256' },
      { title: 'SIZE', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: 'JOBS', shrinks: true },
    ],
    largest.map(({ sha256, size_bytes, created_at, jobs }) => [
      sha256,
      sizeText(size_bytes),
      agoText(created_at, nowMs),
      jobs.join(' '),
    ]),
  );
  context.say(`${sizeText(used_bytes)} of ${sizeText(quota_bytes)} are in use${kindsText(storage)}`);
  return undefined;
}

/** Coordinators of before kept no such account. */
function kindsText(storage: StorageView | undefined): string {
  if (storage === undefined) return '';
  const kinds = [
    ['artifacts', storage.artifacts_bytes],
    ['task logs', storage.logs_bytes],
    ['job files', storage.jobs_bytes],
    ['receipts', storage.receipts_bytes],
    ['kept answers', storage.answers_bytes],
  ] as const;
  const used = kinds.filter(([, bytes]) => bytes > 0).map(([name, bytes]) => `${name} ${sizeText(bytes)}`);
  return used.length === 0 ? '' : `: ${used.join(', ')}`;
}
