import { type JobId, jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { TaskView } from '@capacloud/protocol/routes/views';
import type { LogGap } from '@capacloud/protocol/wire/receipt';
import { type Command, InvalidArgumentError } from 'commander';
import { readBody } from '../../body.ts';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import { Interrupted } from '../command-error.ts';
import type { Context } from '../context.ts';
import { followLogs, followOne, type SinkOf } from '../log-follower.ts';
import { openSink } from '../log-sink.ts';
import { findJobOrTask, jobOrTaskArgument } from '../named-job.ts';
import type { Runner } from './verb.ts';

interface LogsOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
}

export function addLogs(program: Command, runner: Runner): void {
  program
    .command('logs')
    .description('output of a task, or of all tasks of a job')
    .argument('<id>', jobOrTaskArgument)
    .option('-f, --follow', 'go on as it comes, over retries, until the task or the job has ended')
    .option('--attempt <number>', 'of a task: this attempt instead of the latest', parseAttempt)
    .action(runner(logs));
}

function parseAttempt(text: string): number {
  const attempt = Number(text);
  if (!Number.isInteger(attempt) || attempt < 1 || attempt > 10_000)
    throw new InvalidArgumentError('Attempts are counted from 1.');
  return attempt;
}

async function logs(context: Context, idText: string, options: LogsOptions): Promise<undefined> {
  const client = await context.client();
  const asked = await findJobOrTask(context, client, idText);
  const { signal } = context;
  try {
    if (asked.kind === 'job') {
      const job = await client.call('getJob', { params: { job: asked.id }, signal });
      const sinkOf = (task: TaskId, attempt: number) => openSink(context, task, attempt, job.tasks.total > 1);
      if (options.follow === true) await followLogs(context, client, sinkOf, asked.id);
      else await jobLogs(context, client, asked.id, sinkOf);
      return;
    }
    const task = await client.call('getTask', { params: { task: asked.id }, signal });
    const sinkOf = (id: TaskId, attempt: number) => openSink(context, id, attempt, false);
    const { attempt } = options;
    if (options.follow !== true) await printLog(context, client, task, attempt ?? task.attempts, sinkOf);
    else if (attempt !== undefined) await followOne(client, task.id, attempt, sinkOf, signal);
    else await followLogs(context, client, sinkOf, jobIdOf(task.id), task.id);
  } catch (error) {
    if (error instanceof Interrupted && options.follow === true)
      context.say(`Detached; come back with capacloud logs -f ${asked.id}`);
    throw error;
  }
}

async function jobLogs(context: Context, client: Client, job: JobId, sinkOf: SinkOf): Promise<void> {
  const { signal } = context;
  const tasks = listAll(client, 'listTasks', { params: { job }, query: { limit: 100 }, signal });
  for await (const task of tasks)
    if (task.attempts > 0) await printLog(context, client, task, task.attempts, sinkOf);
}

async function printLog(
  context: Context,
  client: Client,
  task: TaskView,
  attempt: number,
  sinkOf: SinkOf,
): Promise<void> {
  if (attempt === 0) {
    context.say(`${task.id} has not started yet: ${task.message}`);
    return;
  }
  // Of an attempt that has just ended the rest may be on its way: following waits for it, and ends at once where nothing is.
  if (endedTaskStates.includes(task.state) || attempt < task.attempts)
    return await followOne(client, task.id, attempt, sinkOf, context.signal);
  const response = await client.open('followLog', {
    params: { task: task.id, attempt },
    headers: { accept: 'text/plain' },
    signal: context.signal,
  });
  const sink = sinkOf(task.id, attempt);
  const gap = gapOf(response.headers.get('log-gap'));
  const decoder = new TextDecoder();
  let at = 0;
  for await (const chunk of readBody(response.body, context.signal)) {
    const before = gap === undefined || at > gap.from ? chunk.length : Math.min(chunk.length, gap.from - at);
    at += chunk.length;
    sink.write(decoder.decode(chunk.subarray(0, before), { stream: true }));
    if (gap === undefined || before === chunk.length) continue;
    sink.gap(gap);
    sink.write(decoder.decode(chunk.subarray(before), { stream: true }));
  }
  sink.end();
}

/** From the header `Log-Gap: FROM-TO`. */
function gapOf(header: string | null): LogGap | undefined {
  const [, from, to] = /^([0-9]{1,16})-([0-9]{1,16})$/.exec(header ?? '') ?? [];
  return from === undefined || to === undefined ? undefined : { from: Number(from), to: Number(to) };
}
