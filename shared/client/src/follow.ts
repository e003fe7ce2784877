import type { JobId, TaskId } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/views';
import { endedJobStates } from '@capacloud/protocol/views';
import { ApiError } from './api-error.ts';
import type { CallOptions, Client } from './client.ts';
import { pause } from './pause.ts';
import { parseEvents, type ServerEvent } from './sse.ts';

export type JobChange =
  | { readonly kind: 'task'; readonly task: TaskView }
  | { readonly kind: 'job'; readonly job: JobView };

const reconnectMs = 1000;

/**
 * Changes of a job and its tasks until it has ended, over as many connections as it takes. The first ones
 * tell how things stand. Ends by itself; stop it earlier through the signal.
 */
export async function* followJob(
  client: Client,
  job: JobId,
  signal?: AbortSignal,
): AsyncGenerator<JobChange> {
  for await (const event of follow(client, 'followJob', { params: { job } }, signal)) {
    if (event.event === 'task') yield { kind: 'task', task: JSON.parse(event.data) as TaskView };
    if (event.event !== 'job') continue;
    const view = JSON.parse(event.data) as JobView;
    yield { kind: 'job', job: view };
    if (endedJobStates.includes(view.state)) return;
  }
}

/** The output of an attempt as text, until it has ended and all of it has arrived. */
export async function* followLog(
  client: Client,
  task: TaskId,
  attempt: number,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  for await (const event of follow(client, 'followLog', { params: { task, attempt } }, signal)) {
    if (event.event === 'end') return;
    if (event.event === 'log') yield JSON.parse(event.data) as string;
  }
}

/** Events of a stream; reconnects after the last one seen for as long as the coordinator may come back. */
async function* follow<N extends 'followJob' | 'followLog'>(
  client: Client,
  name: N,
  options: CallOptions<N>,
  signal?: AbortSignal,
): AsyncGenerator<ServerEvent> {
  let lastId: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== undefined) headers['last-event-id'] = lastId;
      const response = await client.open(name, {
        ...options,
        headers,
        ...(signal === undefined ? {} : { signal }),
      });
      if (response.body === null) return;
      for await (const event of parseEvents(response.body)) {
        if (event.id !== undefined) lastId = event.id;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // A refusal is final; a broken stream (any other error) is taken up again where it broke.
      if (error instanceof ApiError && !error.retryable) throw error;
    }
    await pause(reconnectMs, signal);
  }
}

/** Resolves with the job once it has ended. */
export async function waitForJob(client: Client, job: JobId, signal?: AbortSignal): Promise<JobView> {
  for await (const change of followJob(client, job, signal)) {
    if (change.kind === 'job' && endedJobStates.includes(change.job.state)) return change.job;
  }
  throw new Error('the event stream of a job ended before the job did');
}
