import type { Client } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { LocalCoordinator } from '@capacloud/rig/network/local-network';
import type { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { submit } from './jobs.ts';
import {
  announce,
  bring,
  device,
  endsAs,
  hashOf,
  join,
  patience,
  reached,
  run,
  type Stage,
  say,
  stages,
  submitLong,
  taskIs,
} from './stage.ts';

const mebibyte = 2 ** 20;

/** Outputs of a task are larger than what its consumer has left, until an old artifact is deleted. */
export async function lackRoom(
  coordinator: LocalCoordinator,
  client: Client,
  steady: ScriptedAgent,
): Promise<void> {
  const bytes = 'o'.repeat(3 * mebibyte);
  const old = await client.call('createArtifact', {
    body: { sha256: hashOf(bytes), size_bytes: bytes.length },
  });
  const params = { sha256: old.sha256 };
  await client.call('appendArtifact', {
    params,
    headers: { 'upload-offset': '0' },
    body: Buffer.from(bytes),
  });
  const job = await submit(client, 'hold', { outputs: [{ path: '/out/' }] });
  await waitUntil('the work to be there', () => steady.held.size === 1, patience);
  const first = { task: taskIdOf(job, 0), attempt: 1 };
  for (const stage of stages) steady.report(first, stage);
  await reached(client, job, 'uploading');
  const answer = await announce(coordinator, steady, first, { sha256: hashOf('new'), size_bytes: mebibyte });
  if (answer.status !== 507) throw new Error(`there was room: ${answer.status} ${await answer.text()}`);
  const reasonIs = async (reason: string) =>
    (await client.call('getTask', { params: { task: first.task } })).reason === reason;
  await waitUntil('the task to wait for room', () => reasonIs('quota_full'), patience);
  await client.call('deleteArtifact', { params: { sha256: old.sha256 } });
  await waitUntil('room for its outputs', () => reasonIs('progressing'), patience);
  const file = await bring(coordinator, steady, first, '/out/result', 'new');
  steady.finish(first, { reason: 'completed', exitCode: 0, ranMs: 1, outputs: [file] });
  await waitForJob(client, job);
}

/** What the receipts of the chapter tell of outputs beside the files that were stored. */
const kept: Pick<Receipt, 'links' | 'skipped'> = {
  links: [{ path: '/out/latest', target: 'result' }],
  skipped: {
    total: 3,
    first: [
      { path: '/out/pipe', why: 'special' },
      { path: '/out/away', why: 'link_outside' },
    ],
  },
};

/** Attempts fail and leave outputs, and one task succeeds after that. Its log is so long that its middle was not kept. */
export async function leaveOutputs(stage: Stage): Promise<void> {
  const { client, coordinator } = stage;
  const agent = await join(stage, { devices: [device('outputs', 'a30')] });
  const job = await submitLong(client, {
    replicas: 2,
    resources: { gpu: 'a30' },
    outputs: [{ path: '/out/' }, { path: '/notes', optional: true }],
    retry: { max_attempts: 2, backoff: { initial: '1s', max: '1s' } },
  });
  const [succeeding, failing] = [taskIdOf(job, 0), taskIdOf(job, 1)];
  const fail = async (task: typeof failing, attempt: number) => {
    const ref = { task, attempt };
    await run(client, agent, ref);
    const file = await bring(
      coordinator,
      agent,
      ref,
      '/out/result',
      `left by attempt ${attempt} of ${task}\n`,
    );
    agent.finish(ref, { reason: 'exit_nonzero', exitCode: 3, ranMs: 5, outputs: [file], receipt: kept });
  };
  await fail(succeeding, 1);
  await fail(failing, 1);
  const last = { task: succeeding, attempt: 2 };
  await run(client, agent, last);
  const gap = { from: 6, to: 20_000_000 };
  await say(coordinator, agent, last, 'begin\n', { offset: '0' });
  await say(coordinator, agent, last, 'end\n', {
    offset: `${gap.to}`,
    gap_from: `${gap.from}`,
    final: 'true',
  });
  const files = [
    await bring(coordinator, agent, last, '/out/result', 'the result\n'),
    { ...(await bring(coordinator, agent, last, '/more-files.tar', 'an archive\n')), packed: 2 },
  ];
  agent.report(last, 'uploading');
  const log = { sizeBytes: gap.to + 4, truncated: false, gap };
  agent.finish(last, {
    reason: 'completed',
    exitCode: 0,
    ranMs: 5,
    outputs: files,
    receipt: { ...kept, log },
  });
  await taskIs(client, last, ({ state }) => state === 'succeeded');
  await fail(failing, 2);
  await endsAs(client, job, 'failed');
}
