import type { Client } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import type { JobId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { Act } from '@capacloud/rig/network/scripted-agent';
import { backoff, reached, stages } from './stage.ts';

/** What an agent does with a task, by a variable of its job. */
export function actOf({ env, attempt }: Assignment): Act {
  switch (env.ACT) {
    case 'hold':
    case 'ignore':
      return 'hold';
    case 'fail':
      return { stages, reason: 'exit_nonzero', exitCode: 3, ranMs: 5 };
    case 'recover':
      return attempt === 1
        ? { stages: ['pulling'], reason: 'image_pull_failed' }
        : { stages, reason: 'completed', exitCode: 0, ranMs: 700 };
    case undefined:
    default:
      return { stages, reason: 'completed', exitCode: 0, ranMs: 1500 };
  }
}

export async function submit(client: Client, act: string, change: object = {}): Promise<JobId> {
  const body = { version: '1', image: 'busybox', command: 'true', env: { ACT: act }, ...change };
  return (await client.call('submitJob', { body, query: {} })).id;
}

export async function endJobs(client: Client): Promise<void> {
  const retry = { max_attempts: 2, backoff };
  const jobs = [
    await submit(client, 'succeed', { replicas: 6 }),
    await submit(client, 'fail', { retry }),
    await submit(client, 'recover', { replicas: 2, retry }),
    await submit(client, 'fail', { retry: { max_attempts: 2, exit_codes: [4] } }),
  ];
  for (const job of jobs) await waitForJob(client, job);
}

export async function cancelAndExpire(client: Client): Promise<void> {
  const held = await submit(client, 'hold', { replicas: 6 });
  // Some of its tasks run and some wait.
  await reached(client, held, 'assigned');
  await client.call('cancelJob', { params: { job: held } });
  const impossible = await submit(client, 'succeed', { resources: { cpu: 64 }, queue_timeout: '1s' });
  await waitForJob(client, impossible);
  // Its agent never says that it began.
  const ignored = await submit(client, 'ignore', {
    retry: { provider_lost: 1, backoff },
  });
  await waitForJob(client, ignored);
}
